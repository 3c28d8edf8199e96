"""The twin in PyTorch says what the network from scratch says: numbers, gradients, steps, files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule
from chainrule.core import Batch, InputError, leaves
from chainrule.models.recurrent import RecurrentLearner, RecurrentModel
from chainrule.testing import check_token_model
from chainrule.training import SGD, Adam, AdamW, clip

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
from chainrule.models.concise import TorchLearner, TorchRecurrent, find_device, to_scratch  # noqa: E402

V, H, B, T = 7, 6, 3, 5
CELLS = ("rnn", "gru", "lstm")
CLOSE = {np.float32: 1e-5, np.float64: 1e-10}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Two threads of a small product wait for each other whenever another process wants a core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def begun(cell: str = "lstm", seed: int = 0, dtype: Any = np.float64, **options: Any) -> RecurrentLearner:
    """A learner from scratch none of whose parameters is zero."""
    settings = {"hidden": H} | options
    learner = RecurrentLearner(V, cell=cell, rng=np.random.default_rng(seed), dtype=dtype, **settings)
    for array in learner.parameters.values():
        array += np.random.default_rng(seed + 1).normal(0, 0.3, array.shape)
    return learner


def batches(count: int, given: int = 1, rows: int = B) -> list[Batch]:
    rng = np.random.default_rng(5)
    return [
        Batch(rng.integers(0, V, (rows, T + given)), np.array([True, *[at == 0] * (rows - 1)]), given)
        for at in range(count)
    ]


def tensors(arrays: Any) -> dict[str, Any]:
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_numbers_are_those_from_scratch(cell: str, layers: int, dtype: Any) -> None:
    model = begun(cell, layers=layers, dtype=dtype).model()
    twin, close = TorchRecurrent.from_scratch(model), CLOSE[dtype]
    tokens = np.random.default_rng(2).integers(0, V, (B, 11))
    ours, theirs = model.start(B), twin.start(B)
    for piece in np.split(tokens, [4], axis=1):  # the state is carried from one to the other
        a, ours = model.score(ours, piece)
        b, theirs = twin.score(theirs, piece)
        np.testing.assert_allclose(b, a, rtol=0, atol=close)
        for x, y in zip(leaves(ours), leaves(theirs), strict=True):
            assert x.dtype == y.dtype == dtype
            np.testing.assert_allclose(y, x, rtol=0, atol=close)
    np.testing.assert_allclose(twin.predict(ours), model.predict(theirs), rtol=0, atol=close)


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("given", [0, 1, 2])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("options", [{}, {"embedding": 4, "dropout": 0.4}, {"embedding": H, "tied": True}])
def test_gradients_clipping_and_a_step_are_those_from_scratch(
    cell: str, layers: int, dtype: Any, given: int, options: dict[str, Any]
) -> None:
    a = begun(cell, layers=layers, dtype=dtype, **options)
    b, close = TorchLearner(a), CLOSE[dtype]
    a.rng, b.rng = np.random.default_rng(8), np.random.default_rng(8)  # the masks
    optimizers = AdamW(1e-3, decay=0.1), AdamW(1e-3, decay=0.1)
    ours, theirs = a.start(B), b.start(B)
    for batch in batches(2, given):
        x, y = a.gradients(batch, ours), b.gradients(batch, theirs)
        assert x.count == y.count
        assert y.nats == pytest.approx(x.nats, abs=close * x.count)
        for _ in range(2):  # as they are, and clipped
            found = to_scratch(a.arch, tensors(y.gradients))
            assert found.keys() == x.gradients.keys()
            for name, gradient in x.gradients.items():
                np.testing.assert_allclose(found[name], gradient, rtol=0, atol=close, err_msg=name)
            assert clip(x.gradients, 0.05) == pytest.approx(clip(y.gradients, 0.05), abs=close)
        for optimizer, learner, step in zip(optimizers, (a, b), (x, y), strict=True):
            optimizer.step(learner.parameters, step.gradients, 1e-3)
        stepped = b.model().to_scratch().parameters
        for name, array in a.parameters.items():
            np.testing.assert_allclose(stepped[name], array, rtol=0, atol=close, err_msg=name)
        ours, theirs = x.state, y.state


@pytest.mark.parametrize(
    "cell", [pytest.param(cell, marks=[pytest.mark.slow] * (cell != "rnn")) for cell in CELLS]
)
def test_gradients_are_central_differences(cell: str, central_differences: Any) -> None:
    learner = TorchLearner(begun(cell, layers=2, embedding=H, tied=True))
    batch, state = batches(1)[0], learner.start(B)
    found = learner.gradients(batch, state).gradients

    def loss() -> float:
        step = learner.gradients(batch, state)
        return step.nats / step.count

    kept = {name: gradient.copy() for name, gradient in found.items()}
    for name, array in learner.parameters.items():
        expected = central_differences(loss, array)
        if name.endswith("bias_hh_l0"):
            expected[: 2 * H] = 0  # frozen: the gates have a bias of their own
        np.testing.assert_allclose(kept[name], expected, atol=1e-7, err_msg=name)


@given(
    cell=st.sampled_from(CELLS),
    layers=st.integers(1, 3),
    embedding=st.sampled_from([0, 2, H]),
    seed=st.integers(0, 99),
)
@settings(max_examples=20)
def test_weights_go_both_ways(cell: str, layers: int, embedding: int, seed: int) -> None:
    options = {"layers": layers, "embedding": embedding, "tied": embedding == H}
    model = begun(cell, seed, np.float32, **options).model()
    again = TorchRecurrent.from_scratch(model).to_scratch()
    assert again.arch == model.arch
    assert again.parameters.keys() == model.parameters.keys()
    for name, array in model.parameters.items():
        np.testing.assert_array_equal(again.parameters[name], array)


@pytest.mark.parametrize("cell", CELLS)
def test_the_twin_keeps_the_laws(cell: str) -> None:
    model = begun(cell, layers=2).model()
    twin = TorchRecurrent.from_scratch(model)
    check_token_model(twin, reload=lambda m: TorchRecurrent.from_scratch(m.to_scratch()))
    check_token_model(TorchRecurrent.from_scratch(begun(cell, dtype=np.float32).model()), tolerance=1e-4)


def test_a_vocabulary_of_one() -> None:
    learner = RecurrentLearner(1, cell="gru", hidden=2, rng=np.random.default_rng(0))
    check_token_model(TorchLearner(learner).model(), tolerance=1e-6)


def test_long_texts_are_scored_in_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    model = begun().model()
    twin, tokens = TorchRecurrent.from_scratch(model), np.random.default_rng(0).integers(0, V, (2, 40))
    whole, _ = twin.score(twin.start(2), tokens)
    monkeypatch.setattr("chainrule.models.concise.model.IN_FLIGHT", 7 * 2 * V)
    np.testing.assert_allclose(twin.score(twin.start(2), tokens)[0], whole, atol=1e-12)


def test_a_model_is_apart_from_its_learner() -> None:
    learner = TorchLearner(begun())
    model = learner.model()
    before = model.predict(model.start(1))
    for array in learner.parameters.values():
        array *= 2
    np.testing.assert_array_equal(model.predict(model.start(1)), before)
    assert not np.allclose(learner.model().predict(model.start(1)), before)


@pytest.mark.parametrize("kind", [SGD, Adam, AdamW])
def test_the_frozen_bias_stays_zero(kind: Any) -> None:
    for cell in CELLS:
        learner, optimizer = TorchLearner(begun(cell, dtype=np.float32)), kind(0.1)
        for batch in batches(3):
            step = learner.gradients(batch, learner.start(B))
            optimizer.step(learner.parameters, step.gradients, 0.1)
        second = learner.network.layers[0].bias_hh_l0.detach().numpy()
        assert not second[: 2 * H].any()
        assert second[2 * H :].any() == (cell == "gru")


def test_training_is_that_from_scratch() -> None:
    """The same loop, masks, optimiser: after two epochs the models are the same but for their last digits."""
    text = chainrule.load_corpus("pydocs").text[:6000]
    options: dict[str, Any] = {
        "model": "gru", "hidden": 16, "layers": 2, "dropout": 0.3, "epochs": 2, "batch": 8, "steps": 16,
    }  # fmt: skip
    ours = chainrule.LanguageModel.fit(text, **options)
    theirs = chainrule.LanguageModel.fit(text, engine="torch", device="cpu", **options)
    assert isinstance(theirs.model, TorchRecurrent)
    assert theirs.held_out["nats"] == pytest.approx(ours.held_out["nats"], rel=1e-4)
    assert theirs.state == ours.state
    assert theirs.size == ours.size


def test_one_file_format(tmp_path: Path) -> None:
    text = chainrule.load_corpus("pydocs").text[:3000]
    options: dict[str, Any] = {"model": "lstm", "hidden": 8, "epochs": 1, "batch": 4, "steps": 16}
    made = {
        "scratch": chainrule.LanguageModel.fit(text, **options),
        "torch": chainrule.LanguageModel.fit(text, engine="torch", device="cpu", **options),
    }
    for engine, lm in made.items():
        lm.save(tmp_path / engine)
        ours, theirs = chainrule.load(tmp_path / engine), chainrule.load(tmp_path / engine, engine="torch")
        assert isinstance(ours.model, RecurrentModel)
        assert isinstance(theirs.model, TorchRecurrent)
        assert ours.evaluate("the value").nats == pytest.approx(theirs.evaluate("the value").nats, abs=1e-4)
        assert ours.generate("the ", 20, seed=3) == theirs.generate("the ", 20, seed=3)
        theirs.save(tmp_path / "again")
        a, b = (chainrule.load(tmp_path / name).model.parameters for name in (engine, "again"))
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"cell": "mingru"}, "expected the cell rnn, gru, lstm, got mingru"),
        ({"layer_norm": True}, "expected a network without layer_norm"),
        ({"cutoffs": (3,)}, "expected a network without cutoffs"),
        ({"embedding_dropout": 0.1}, "expected a network without embedding_dropout, got 0.1"),
        ({"weight_dropout": 0.2}, "expected a network without weight_dropout, got 0.2"),
    ],
)
def test_what_has_no_twin_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        TorchLearner(begun(**options))


@pytest.mark.parametrize("name", ["gpu", "cuda:9", "cuda:x", "cpu:0", ""])
def test_a_device_that_is_not_there(name: str) -> None:
    with pytest.raises(InputError, match="device: expected one"):
        find_device(name)


def test_a_device_is_found() -> None:
    assert find_device("cpu").type == "cpu"
    assert find_device().type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
@pytest.mark.parametrize("cell", CELLS)
def test_on_a_device_of_its_own(cell: str) -> None:
    """bfloat16 has three digits."""
    a = begun(cell, layers=2, dtype=np.float32)
    b = TorchLearner(a, device="cuda")
    batch = batches(1)[0]
    x, y = a.gradients(batch, a.start(B)), b.gradients(batch, b.start(B))
    assert y.nats == pytest.approx(x.nats, rel=0.02)
    found = to_scratch(a.arch, tensors(y.gradients))
    for name, gradient in x.gradients.items():
        np.testing.assert_allclose(found[name], gradient, atol=0.02, err_msg=name)
    model, tokens = b.model(), batch.items
    assert model.device.type == "cuda"
    twin = model.to_scratch()
    np.testing.assert_allclose(model.predict(y.state), twin.predict(y.state), atol=1e-5)
    ours, theirs = (m.score(m.start(B), tokens)[0] for m in (twin, model))
    np.testing.assert_allclose(theirs, ours, atol=1e-5)


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory")]
)
def test_no_room_is_a_memory_error(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise error

    learner = TorchLearner(begun())
    model = learner.model()
    monkeypatch.setattr("chainrule.models.concise.network.Network.read", full)
    with pytest.raises(MemoryError, match="memory"):
        learner.gradients(batches(1)[0], learner.start(B))
    with pytest.raises(MemoryError, match="memory"):
        model.score(model.start(1), np.zeros((1, 2), int))


def test_arrays_that_cannot_be_written_are_read() -> None:
    model, ids = TorchLearner(begun()).model(), np.zeros((1, 3), np.int64)
    ids.flags.writeable = False
    state = model.start(1)
    for leaf in leaves(state):
        leaf.flags.writeable = False
    assert model.score(state, ids)[0].shape == (1, 3)  # and nothing is warned of


def test_a_batch_with_nothing_to_predict() -> None:
    learner = TorchLearner(begun())
    with pytest.raises(InputError, match="expected at least one prediction"):
        learner.gradients(Batch(np.zeros((2, 1), int), np.zeros(2, bool), 1), learner.start(2))
