"""Compiles the loops of chainrule.kernels at install, where there is a C compiler; else NumPy does it all."""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FLAGS = (
    "-O3",
    "-std=c11",
    "-shared",
    "-fPIC",
    "-ffp-contract=off",
)  # no fused multiply: same numbers anywhere


class NativeKernels(BuildHookInterface):
    """One shared library beside kernels/native.py."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        del version
        kernels = Path(self.root, "src", "chainrule", "kernels")
        library = kernels / "_native.so"
        if not compiled(sorted((kernels / "native").glob("*.c")), library):
            print(
                "chainrule: no C compiler found: counting and scoring n-grams will be slower", file=sys.stderr
            )
            return
        build_data["artifacts"].append(str(library.relative_to(self.root)))
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"


def compiled(sources: list[Path], library: Path) -> bool:
    """Whether the library could be made."""
    compiler = shlex.split(os.environ.get("CC", "")) or [shutil.which("cc") or shutil.which("gcc") or ""]
    library.unlink(missing_ok=True)
    if not compiler[0]:
        print("chainrule: no C compiler found", file=sys.stderr)
        return False
    made = library.with_suffix(".part")
    try:
        subprocess.run([*compiler, *FLAGS, "-o", made, *sources, "-lm"], check=True)
        made.replace(library)  # a process that has the old one open keeps it
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"chainrule: {shlex.join(compiler)} failed: {error}", file=sys.stderr)
        made.unlink(missing_ok=True)
        return False
    return True
