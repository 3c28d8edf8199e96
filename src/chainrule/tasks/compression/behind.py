"""Work done beside: what was coded is read back on a second thread while the next block is coded.

Networks spend their time in loops that let go of the interpreter, so that on two cores the check costs little
of the speed.
"""

from collections.abc import Callable
from threading import Thread
from types import TracebackType

Job = Callable[[], None]


def at_once(job: Job) -> None:
    """Runs it here and now."""
    job()


class Behind:
    """Runs jobs one after the other on another thread, each while its giver goes on to the next; what one of
    them raises is raised when the next is given, or on leaving. Left by an error, it waits for none."""

    def __init__(self) -> None:
        self._thread: Thread | None = None
        self._error: Exception | None = None

    def __enter__(self) -> "Behind":
        return self

    def __call__(self, job: Job) -> None:
        self._wait()
        self._thread = Thread(target=self._run, args=(job,), daemon=True)  # Ctrl-C has not to wait for it
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._wait()

    def _run(self, job: Job) -> None:
        try:
            job()
        except Exception as error:  # handed to the giver
            self._error = error

    def _wait(self) -> None:
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error
