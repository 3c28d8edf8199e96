"""Real processes that train one network: the gradient of one, and a clear word when one of them dies."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

WORK = """
import os, sys
import numpy as np
import torch
from chainrule.core import Batch, ChainruleError, leaves
from chainrule.models.concise import TorchLearner
from chainrule.models.concise.processes import sharing
from chainrule.models.recurrent import RecurrentLearner
from chainrule.training import Adam, clip

cell, mode, out = sys.argv[1:]
V, ROWS = 7, (5, 5, 1, 4, 4)  # as many rows as processes, more, and fewer


def begun():
    rng = np.random.default_rng(1)
    sizes = {"layers": 2, "hidden": 6, "embedding": 6}
    options = {"tied": True, "dropout": 0.3, "rng": rng, "dtype": np.float64}
    return TorchLearner(RecurrentLearner(V, cell=cell, **sizes, **options))


def run(learner, steps):
    rng, optimizer, state, told = np.random.default_rng(3), Adam(0.01), None, {}
    for at, rows in enumerate(steps):
        if state is None or rows != len(next(leaves(state))):
            state = learner.start(rows)
        step = learner.gradients(Batch(rng.integers(0, V, (rows, 6)), np.arange(rows) == 2, 1), state)
        state = step.state
        told |= {f"{at}.{name}": gradient.copy() for name, gradient in step.gradients.items()}
        told |= {f"{at}.state{i}": leaf for i, leaf in enumerate(leaves(state))}
        told[f"{at}.nats"], told[f"{at}.count"] = np.array(step.nats), np.array(step.count)
        clip(step.gradients, 0.1)
        optimizer.step(learner.parameters, step.gradients, 0.01)
        if mode == "kill":
            print("step", flush=True)
    return told


try:
    rank = int(os.environ["RANK"])
    with sharing(begun(), *((rank, 0) if out == "step" else (5, rank) if out == "text" else ())) as shared:
        assert shared.processes.rank == rank
        if mode == "apart":
            raise AssertionError("they should not have begun")
        if mode == "compare":
            alone = {f"alone.{name}": array for name, array in run(begun(), ROWS).items()}
            np.savez(f"{out}{rank}", **run(shared, ROWS), **alone)
            agreed = shared.agreed(lambda model: float(rank + 7))(shared.model())
            assert agreed == 7.0 and shared.clock() > 0
        else:
            run(shared, (4,) * 10_000_000)
except ChainruleError as error:
    print(error, file=sys.stderr)
    sys.exit(1)
"""


def free_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def start(folder: Path, *arguments: str, rank: int, port: str, ranks: int = 2) -> "subprocess.Popen[str]":
    """What torchrun would start."""
    (folder / "work.py").write_text(WORK)
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": ranks, "MASTER_PORT": port, "OMP_NUM_THREADS": 1}
    return subprocess.Popen(
        [sys.executable, str(folder / "work.py"), *arguments],
        env={**os.environ, "MASTER_ADDR": "127.0.0.1", **{name: str(value) for name, value in place.items()}},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "ranks"), [("gru", 3), ("lstm", 2)])
def test_gradient_states_and_nats_are_those_of_one_process(tmp_path: Path, cell: str, ranks: int) -> None:
    port, out = free_port(), str(tmp_path / "told")
    both = [start(tmp_path, cell, "compare", out, rank=rank, port=port, ranks=ranks) for rank in range(ranks)]
    for process in both:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    told = [dict(np.load(f"{out}{rank}.npz")) for rank in range(ranks)]
    names = [name for name in told[0] if not name.startswith("alone.")]
    assert len(names) > 50
    for name in names:
        for rank in range(1, ranks):
            np.testing.assert_array_equal(told[0][name], told[rank][name], err_msg=name)
        np.testing.assert_allclose(told[0][name], told[0][f"alone.{name}"], rtol=0, atol=1e-10, err_msg=name)


@pytest.mark.slow
def test_when_one_is_killed_the_other_says_so(tmp_path: Path) -> None:
    port = free_port()
    first, second = (start(tmp_path, "gru", "kill", "", rank=rank, port=port) for rank in range(2))
    assert first.stdout
    assert first.stdout.readline() == "step\n"
    second.send_signal(signal.SIGKILL)
    began = time.monotonic()
    _, err = first.communicate(timeout=30)
    second.communicate()
    assert time.monotonic() - began < 30
    assert first.returncode == 1
    assert "rank 0 of 2: another process has stopped or cannot be reached" in err
    assert "Traceback" not in err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "told"), [("step", "go on from the same step, got 0, 1"), ("text", "the same text and settings")]
)
def test_processes_that_have_not_the_same_before_them(tmp_path: Path, what: str, told: str) -> None:
    port = free_port()
    for process in [start(tmp_path, "gru", "apart", what, rank=rank, port=port) for rank in range(2)]:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 1
        assert told in err
        assert "Traceback" not in err


@pytest.mark.slow
@pytest.mark.parametrize("agent", [False, True], ids=["alone", "with torchrun's store"])
def test_a_rank_that_meets_nobody(tmp_path: Path, agent: bool) -> None:
    port = free_port()
    (tmp_path / "sitecustomize.py").write_text(
        "import datetime\n"  # a minute is long for a test
        "import chainrule.models.concise.processes as p\n"
        "p.MEET = datetime.timedelta(seconds=2)\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        if agent:  # torchrun holds the store that the processes meet at
            store = torch.distributed.TCPStore("127.0.0.1", int(port), is_master=True, wait_for_workers=False)
            patch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
            assert store
        alone = start(tmp_path, "gru", "kill", "", rank=1, port=port)
        _, err = alone.communicate(timeout=60)
    assert alone.returncode == 1, err
    assert f"rank 1 of 2: expected to meet the others at 127.0.0.1:{port} within 2 s, got" in err
    assert "Traceback" not in err
