"""Compiles the loops of chainrule.kernels at install, where there is a C compiler; else NumPy does it all."""

import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FLAGS = ("-O3", "-std=c11", "-fPIC", "-pthread")
SAME_ANYWHERE = ("-ffp-contract=off",)  # counted models: no fused multiply, the same numbers on any processor
FAST = ("-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-fopenmp-simd")
PLAIN = {"plain": ()}
SETS = {  # native/simd is built for each; kernels/native.py picks one when it runs
    "x86_64": {
        **PLAIN,
        "avx2": ("-mavx2", "-mfma"),
        "avx512": (
            *("-mavx512f", "-mavx512vl", "-mavx512dq", "-mavx512bw"),
            *("-mfma", "-mprefer-vector-width=512"),
        ),
    }
}


class NativeKernels(BuildHookInterface):
    """One shared library beside kernels/native.py."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        del version
        kernels = Path(self.root, "src", "chainrule", "kernels")
        library = kernels / "_native.so"
        if not compiled(kernels / "native", library):
            print(
                "chainrule: no compiled loops: counting, scoring and training will be slower", file=sys.stderr
            )
            return
        build_data["artifacts"].append(str(library.relative_to(self.root)))
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"


def compiled(sources: Path, library: Path) -> bool:
    """Whether the library could be made."""
    compiler = shlex.split(os.environ.get("CC", "")) or [shutil.which("cc") or shutil.which("gcc") or ""]
    if not compiler[0]:
        print("chainrule: no C compiler found", file=sys.stderr)
        library.unlink(missing_ok=True)
        return False
    made = library.with_suffix(".part")
    machine = platform.machine().lower().replace("amd64", "x86_64")
    units = [(source, "", SAME_ANYWHERE) for source in sorted(sources.glob("*.c"))]
    for name, flags in SETS.get(machine, PLAIN).items():
        own = (*FAST, *flags, f"-DSET={name}")
        units += [(source, f".{name}", own) for source in sorted((sources / "simd").glob("*.c"))]
    try:
        with tempfile.TemporaryDirectory() as folder:

            def object_of(unit: tuple[Path, str, tuple[str, ...]]) -> Path:
                source, suffix, flags = unit
                to = Path(folder, f"{source.stem}{suffix}.o")
                subprocess.run([*compiler, *FLAGS, *flags, "-c", source, "-o", to], check=True)
                return to

            with ThreadPoolExecutor(os.cpu_count()) as pool:
                objects = list(pool.map(object_of, units))
            subprocess.run([*compiler, "-shared", "-pthread", "-o", made, *objects, "-lm"], check=True)
        made.replace(library)  # no moment without one; a process that has the old one open keeps it
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"chainrule: {shlex.join(compiler)} failed: {error}", file=sys.stderr)
        made.unlink(missing_ok=True)
        library.unlink(missing_ok=True)  # of older sources
        return False
    return True
