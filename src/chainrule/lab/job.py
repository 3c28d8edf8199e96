"""A training run beside the page: started, watched, stopped; it ends when nobody holds it any more."""

import json
import shutil
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, NamedTuple

from chainrule.core import RunError
from chainrule.data.corpora import Corpus
from chainrule.lab.trainer import MODEL, TEXT
from chainrule.language_model import LanguageModel, load

Line = dict[str, Any]


class View(NamedTuple):
    """Where a run stands. status: running, stopping, done or failed. lines: of progress, so far."""

    status: str
    lines: list[Line]
    baseline: dict[str, float]
    last: Line


class Job:
    """One run. It changes as it goes; what a page shows of it is a `View`, a value."""

    def __init__(self, corpus: Corpus, recipe: dict[str, Any], tokenizer: str, name: str) -> None:
        """Start it. recipe: fields of `Recipe`. name: what its model will be called."""
        self.name, self.kind = name, recipe["kind"]
        self.folder = Path(mkdtemp(prefix="chainrule-lab-"))
        (self.folder / TEXT).write_bytes(corpus.text.encode("utf-8", "surrogatepass"))
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "chainrule.lab.trainer", str(self.folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
            )
        except OSError as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise RunError(f"training: no process can be started: {error.strerror or error}") from error
        self.heard: list[Line] = []
        self.stopping = False
        self._finalizer = weakref.finalize(self, _end, self.process, self.folder)
        threading.Thread(target=_hear, args=(self.process, self.heard), daemon=True).start()
        self._say({"recipe": recipe, "tokenizer": tokenizer, "text": corpus.name})

    def _say(self, line: Line | str) -> None:
        assert self.process.stdin is not None
        try:
            written = line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)
            self.process.stdin.write(written + "\n")
            self.process.stdin.flush()
        except OSError:  # it has ended by itself, and has said why
            pass

    def stop(self) -> None:
        """Ask it to end and to keep what it learned."""
        if not self.stopping:
            self.stopping = True
            self._say("stop")

    def close(self) -> None:
        """End it and keep nothing."""
        self._finalizer()

    def view(self) -> View:
        heard = list(self.heard)
        last = heard[-1] if heard else {}
        if "done" in last:
            status = "done"
        elif "error" in last:
            status = "failed"
        elif "ended" in last:
            status, last = (
                "failed",
                {"error": f"the training process ended by itself (exit code {last['ended']})"},
            )
        else:
            status = "stopping" if self.stopping else "running"
        baseline = next((line["baseline"] for line in heard if "baseline" in line), {})
        return View(status, [line for line in heard if "progress" in line], baseline, last)

    @property
    def running(self) -> bool:
        return self.view().status in ("running", "stopping")

    def model(self) -> LanguageModel:
        """The model that it made."""
        return load(self.folder / MODEL)

    def file(self) -> bytes:
        """The model's file, to be kept elsewhere."""
        return (self.folder / MODEL).read_bytes()


def _hear(process: "subprocess.Popen[str]", heard: list[Line]) -> None:
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            heard.append(json.loads(line))
    process.wait()
    if not heard or not {"done", "error"} & heard[-1].keys():
        heard.append({"ended": process.returncode})


def _end(process: "subprocess.Popen[str]", folder: Path) -> None:
    """Nobody asks for it any more: no process and no file is left."""
    process.kill()
    process.wait()
    if process.stdin is not None:
        with suppress(OSError):  # a last line that was never read
            process.stdin.close()
    shutil.rmtree(folder, ignore_errors=True)
