"""Processes that take turns: the same work measured here, then there, round after round, on a machine whose
speed drifts.

A worker is a program that prints one line of JSON when it is ready, and one more for each number of seconds
that it is sent: how many units of work it did, and how long it took. Each has a process, and so a peak
memory, of its own; while one works the others wait for a line.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
QUIET = 0.5  # load average
PAUSE = 0.05  # seconds between turns, in which the threads of the last one go to sleep


class Turn(NamedTuple):
    """What a worker did, in how long, and the most memory that its process has ever held."""

    units: float
    seconds: float
    megabytes: float


class Median(NamedTuple):
    """Of a worker's turns: units per second, and its memory at the end."""

    rate: float
    megabytes: float


def serve(work: Callable[[], float]) -> None:
    """The worker's side: repeat `work`, which returns its units, for as long as each line asks."""
    for _ in range(2):
        work()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        units, begin, limit = 0.0, time.perf_counter(), float(line)
        while (seconds := time.perf_counter() - begin) < limit or not units:
            units += work()
        megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(Turn(units, seconds, megabytes)), flush=True)


class Worker:
    """The other side: a process that serves, ended by `close` or at the end of a with block."""

    def __init__(self, command: Sequence[str], threads: int) -> None:
        self.command = command
        environment = {**os.environ, **dict.fromkeys(THREADS, str(threads))}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait(self) -> None:
        """Until it is ready; ends the run when the worker ended instead, having said why."""
        self._answer()

    def turn(self, seconds: float) -> Turn:
        assert self.process.stdin
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return Turn(*self._answer())

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()

    def _answer(self) -> Any:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{' '.join(map(str, self.command))}: exit {self.process.wait()}")
        return json.loads(line)


def take_turns(workers: Mapping[str, Worker], rounds: int, seconds: float) -> dict[str, Median]:
    """Every worker in turn, `rounds` times around."""
    turns: dict[str, list[Turn]] = {name: [] for name in workers}
    for _ in range(rounds):
        for name, worker in workers.items():
            time.sleep(PAUSE)
            turns[name].append(worker.turn(seconds))
    return {
        name: Median(statistics.median(turn.units / turn.seconds for turn in own), own[-1].megabytes)
        for name, own in turns.items()
    }


def busy_neighbour() -> "subprocess.Popen[bytes]":
    """A process that keeps one core busy until it is killed."""
    return subprocess.Popen([sys.executable, "-c", "while True: pass"])


def with_torch(python: str) -> str | None:
    """The interpreter if it finds PyTorch, else None and a note; a note too where the machine is at work."""
    load = os.getloadavg()[0]
    if load > QUIET:
        print(f"note: load average {load:.1f}: other processes are at work beside this", file=sys.stderr)
    code = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)"
    if subprocess.run([python, "-c", code], check=False).returncode == 0:
        return python
    print(f"note: {python} has no torch: rows without a peer", file=sys.stderr)
    return None


def row(
    name: str, unit: str, value: float, peer: str = "", other: float | None = None, *, less: bool = False
) -> dict[str, Any]:
    """A line of the result; ratio: above 1, we are better. less: the smaller number is the better one."""
    made: dict[str, Any] = {"name": name, "value": value, "unit": unit}
    if other is not None:
        made |= {"peer": peer, "peer_value": other, "ratio": other / value if less else value / other}
    return made


def line(made: Mapping[str, Any]) -> str:
    """A row to be read."""
    text = f"{made['name']:44} {made['value']:12,.4g} {made['unit']}"
    if "peer" in made:
        text += f"   {made['peer']} {made['peer_value']:,.4g}, ratio {made['ratio']:.2f}"
    return text


def show(rows: Iterable[dict[str, Any]], as_json: bool) -> None:
    """Rows as they come, or all of them as JSON at the end."""
    if as_json:
        print(json.dumps(list(rows), indent=2))
        return
    for made in rows:
        print(line(made), flush=True)
