"""ONNX graphs say what the model says, step by step and in chunks, for any batch."""

import json
from typing import Any

import numpy as np
import pytest

import chainrule
from chainrule.core import InputError
from chainrule.models.recurrent import RecurrentLearner, RecurrentModel

pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("onnx", reason="onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
from chainrule.models.concise.export import to_onnx  # noqa: E402

V, H = 7, 6


def a_model(cell: str, **options: Any) -> RecurrentModel:
    rng = np.random.default_rng(3)
    learner = RecurrentLearner(V, cell=cell, hidden=H, rng=rng, **options)
    for array in learner.parameters.values():
        array += rng.normal(0, 0.3, array.shape).astype(array.dtype)
    return learner.model()


def session(graph: bytes) -> Any:
    return onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])


def fed(model: RecurrentModel, state: Any) -> dict[str, np.ndarray]:
    """A state by the names that the graph has for it."""
    if model.arch.cell.name == "lstm":
        parts = [(f"{part}{l}", getattr(s, part)) for l, s in enumerate(state) for part in ("hidden", "cell")]
        return dict(parts)
    return {f"hidden{l}": s for l, s in enumerate(state)}


@pytest.mark.parametrize("options", [{}, {"layers": 2, "embedding": 4}, {"embedding": H, "tied": True}])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_the_graphs_say_what_the_model_says(cell: str, options: dict[str, Any]) -> None:
    model, rng = a_model(cell, **options), np.random.default_rng(1)
    step, chunk = session(to_onnx(model)), session(to_onnx(model, "chunk"))
    for batch, steps in ((1, 1), (4, 9)):
        ids = rng.integers(0, V, (batch, steps))
        _, state = model.score(model.start(batch), rng.integers(0, V, (batch, 3)))  # not the start
        first = fed(model, state)
        whole, *after = chunk.run(None, {"ids": ids, **first})
        names = [out.name for out in chunk.get_outputs()[1:]]
        for t in range(steps):
            state = model.advance(state, ids[:, t])
            expected = model.predict(state)
            np.testing.assert_allclose(whole[:, t], expected, atol=1e-5)
            log_probs, *rest = step.run(None, {"ids": ids[:, t], **first})
            np.testing.assert_allclose(log_probs, expected, atol=1e-5)
            first = dict(zip([name.removesuffix("_after") for name in names], rest, strict=True))
        ends = fed(model, state)
        for name, array in zip(names, after, strict=True):
            np.testing.assert_allclose(array, ends[name.removesuffix("_after")], atol=1e-5)


def test_the_vocabulary_is_in_the_metadata() -> None:
    text = chainrule.load_corpus("pydocs").text[:3000]
    lm = chainrule.LanguageModel.fit(text, model="gru", hidden=8, epochs=1, batch=4, steps=16)
    told = session(lm.to_onnx()).get_modelmeta().custom_metadata_map
    assert tuple(json.loads(told["tokens"])) == lm.codec.vocabulary.tokens
    assert json.loads(told["unknown"]) == lm.codec.vocabulary.unknown


def test_a_vocabulary_that_is_no_unicode() -> None:
    lm = chainrule.LanguageModel.fit("ab\ud800c d" * 60, model="rnn", hidden=4, epochs=1, batch=2, steps=8)
    told = session(lm.to_onnx()).get_modelmeta().custom_metadata_map
    assert tuple(json.loads(told["tokens"])) == lm.codec.vocabulary.tokens


def test_what_cannot_be_exported() -> None:
    with pytest.raises(InputError, match="form: expected one of step, chunk, got 'whole'"):
        to_onnx(a_model("rnn"), "whole")
    with pytest.raises(InputError, match="expected the cell rnn, gru, lstm, got mingru"):
        to_onnx(a_model("mingru"))
    counted = chainrule.LanguageModel.fit("some text, " * 20, model="ngram", order=2)
    with pytest.raises(InputError, match="export: expected a recurrent network, got BackoffModel"):
        counted.to_onnx()
