"""Files by a model and without: which model, what it promised, and what is left when something goes wrong."""

import io
import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule
from chainrule.core import ChainruleError, FileFormatError, InputError, RunError, TokenModel, leaves
from chainrule.data.tokenizers import Words
from chainrule.language_model import LanguageModel, in_engine
from chainrule.models.mixture import OnlineMixture
from chainrule.models.recurrent import RecurrentModel
from chainrule.models.uniform import Uniform
from chainrule.recipes import compressing
from chainrule.recipes.compressing import (
    LANES,
    Compressed,
    compress,
    compress_file,
    decompress,
    decompress_file,
    fingerprint,
    in_float64,
)
from chainrule.tasks.compression import Reader
from chainrule.tasks.compression.blocks import LANE
from tests.simple import Deflate

TEXT = "The Time Traveller smiled round at us. Then, still smiling faintly, he walked slowly out.\n" * 12
SHORT = (TEXT[:110] + "Zoë\n").encode()


@pytest.fixture(scope="module")
def counted() -> LanguageModel:
    return LanguageModel.fit(TEXT, model="ngram", order=3)


@pytest.fixture(scope="module")
def network() -> LanguageModel:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return LanguageModel.fit(TEXT, model="gru", hidden=8, epochs=1)


@pytest.fixture(scope="module")
def counted_file(counted: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "counted"
    counted.save(path)
    return path


def packed(data: bytes, **how: Any) -> tuple[bytes, Compressed]:
    target = io.BytesIO()
    done = compress(io.BytesIO(data), target, mixing=Deflate, **how)
    assert (done.original, done.compressed) == (len(data), len(target.getvalue()))
    return target.getvalue(), done


def unpacked(file: bytes, **how: Any) -> bytes:
    target = io.BytesIO()
    decompress(io.BytesIO(file), target, mixing=Deflate, **how)
    return target.getvalue()


@pytest.mark.parametrize("data", [b"", b"x", b"\xff\x00", SHORT, bytes(100_000)])
def test_bytes_come_back(data: bytes, counted: LanguageModel) -> None:
    assert unpacked(packed(data)[0]) == data
    if len(data) < 1000:  # zeros are unknown to the model
        assert unpacked(packed(data, lm=counted)[0], lm=counted) == data


def test_figures(counted: LanguageModel) -> None:
    file, done = packed(SHORT, lm=counted)
    assert done.characters == len(SHORT.decode())
    assert done.bits_per_byte == 8 * len(file) / len(SHORT)
    assert done.bits_per_character == 8 * len(file) / len(SHORT.decode())
    promise = done.promise
    assert promise is not None
    nats = counted.evaluate(SHORT.decode()).nats
    assert promise.nats == pytest.approx(nats, rel=1e-9)
    bits, n, size = promise.nats / np.log(2), promise.tokens, counted.codec.vocab_size
    assert 8 * promise.payload <= bits * 1.001 + 1.45 * n * size / 2**24 + 64
    assert packed(b"\xff\xfe")[1].characters is None
    assert packed("é".encode()[:1])[1].characters is None
    assert np.isnan(packed(b"")[1].bits_per_byte)


def test_a_network_is_computed_in_double_precision(network: LanguageModel) -> None:
    model = in_float64(OnlineMixture((network.model, Uniform(network.codec.vocab_size))))
    assert isinstance(model, OnlineMixture)
    inner = model.models[0]
    assert isinstance(inner, RecurrentModel)
    wide = {name: array.astype(np.float64) for name, array in inner.parameters.items()}
    twin = replace(inner, parameters=wide)
    state, other = inner.start(8), twin.start(8)
    for items in np.arange(80).reshape(10, 8) % inner.vocab_size:
        np.testing.assert_allclose(inner.predict(state), twin.predict(other), rtol=1e-13)
        state, other = inner.advance(state, items), twin.advance(other, items)
    assert {array.dtype for array in leaves(state)} == {np.dtype(np.float64)}
    assert unpacked(packed(SHORT, lm=network)[0], lm=network) == SHORT


def test_a_long_text_is_read_in_several_places_at_once(network: LanguageModel) -> None:
    """A lane begins where the block before ended: what that costs is in what the model is said to promise."""
    data = (TEXT * 17).encode()
    assert len(data) > 4 * LANE
    file, done = packed(data, lm=network)
    assert unpacked(file, lm=network) == data
    assert done.promise is not None
    nats = network.evaluate(data.decode()).nats
    assert done.promise.nats != pytest.approx(nats, rel=1e-9)
    assert done.promise.nats == pytest.approx(nats, rel=1e-3)


def test_what_learns_as_it_reads_has_one_lane(network: LanguageModel, counted: LanguageModel) -> None:
    details = [
        Reader(io.BytesIO(packed(SHORT, lm=lm, online=online)[0])).header()
        for lm, online in ((network, False), (network, True), (counted, False))
    ]
    assert [each and LANES[each.path] for each in details] == [8, 1, 8]


def test_a_network_in_torch_is_the_same_model(network: LanguageModel) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    twin = in_engine(network, "torch", "cpu")
    assert fingerprint(twin) == fingerprint(network)
    file, _ = packed(SHORT, lm=twin)
    assert file == packed(SHORT, lm=network)[0]
    assert unpacked(file, lm=twin) == SHORT


def test_a_model_that_was_saved_is_the_same(counted: LanguageModel, counted_file: Path) -> None:
    again = chainrule.load(counted_file)
    assert fingerprint(again) == fingerprint(counted)
    assert unpacked(packed(SHORT, lm=counted)[0], lm=again) == SHORT
    told_otherwise = counted.remade(counted.model, "said to be another")
    assert fingerprint(told_otherwise) == fingerprint(counted)


def test_another_model_is_refused_before_anything_is_decoded(
    counted: LanguageModel, network: LanguageModel
) -> None:
    file, _ = packed(SHORT, lm=counted)
    target = io.BytesIO()
    with pytest.raises(
        InputError, match=r"expected the one that the file was compressed with, \w{12} .* got \w{12}"
    ):
        decompress(io.BytesIO(file[:-20]), target, lm=network, mixing=Deflate)
    assert target.getvalue() == b""
    with pytest.raises(InputError, match=r"compressed with, \w{12} \(characters, chainrule .* got none"):
        unpacked(file)
    with pytest.raises(InputError, match="expected none, as the file was compressed without one"):
        unpacked(packed(SHORT)[0], lm=counted)


def test_every_part_of_a_model_is_in_its_fingerprint(network: LanguageModel) -> None:
    """Change one thing at a time."""
    assert isinstance(network.model, RecurrentModel)
    codec, parameters = network.codec, network.model.parameters
    first, second, *rest = codec.vocabulary.tokens
    nudged = {**parameters, "output.bias": np.nextafter(parameters["output.bias"], np.float32(9))}
    wide = {name: array.astype(np.float64) for name, array in parameters.items()}
    vocabularies = [
        replace(codec.vocabulary, tokens=(second, first, *rest)),
        replace(codec.vocabulary, unknown=second),
    ]
    codecs = [
        *(replace(codec, vocabulary=vocabulary) for vocabulary in vocabularies),
        replace(codec, letters_only=True),
        replace(codec, sentences=True),
        replace(codec, tokenizer=Words()),
    ]
    models = [replace(network.model, parameters=other) for other in (nudged, wide)]
    others = [
        network,
        *(replace(network, codec=other) for other in codecs),
        *(replace(network, model=model) for model in models),
        replace(network, model=Uniform(28)),
        replace(network, model=Uniform(29)),
    ]
    assert len({fingerprint(lm) for lm in others}) == len(others)


def test_a_file_that_carries_its_model(counted: LanguageModel, counted_file: Path) -> None:
    with counted_file.open("rb") as carried:
        file, done = packed(SHORT, lm=counted, carried=carried)
    without, alone = packed(SHORT, lm=counted)
    assert 0 < done.carried < counted_file.stat().st_size
    assert abs(len(file) - len(without) - done.carried) <= 1  # true is shorter than false
    assert alone.carried == 0
    assert unpacked(file, load=chainrule.load) == SHORT
    with pytest.raises(InputError, match="expected none, as the file carries its own, got one"):
        unpacked(file, load=chainrule.load, lm=counted)
    with pytest.raises(InputError, match="expected a way to load"):
        unpacked(file)


def test_a_carried_file_that_is_no_model(counted: LanguageModel) -> None:
    file, _ = packed(SHORT, lm=counted, carried=io.BytesIO(b"no model, but as long as you like"))
    with pytest.raises(FileFormatError, match="the model in the file: expected a chainrule model file, got"):
        unpacked(file, load=chainrule.load)


def test_a_carried_model_of_another_fingerprint(network: LanguageModel, counted_file: Path) -> None:
    with counted_file.open("rb") as carried:
        file, _ = packed(SHORT, lm=network, carried=carried)
    with pytest.raises(InputError, match="expected the one that the file was compressed with"):
        unpacked(file, load=chainrule.load)


@pytest.mark.parametrize("kind", ["counted", "network"])
def test_a_model_that_learns_as_it_reads(kind: str, request: pytest.FixtureRequest) -> None:
    lm: LanguageModel = request.getfixturevalue(kind)
    file, done = packed(SHORT, lm=lm, online=True)
    assert done.promise is not None
    assert done.promise.nats == pytest.approx(lm.evaluate(SHORT.decode(), online=True).nats, rel=1e-4)
    assert unpacked(file, lm=lm) == SHORT
    assert file != packed(SHORT, lm=lm)[0]


def test_a_text_as_bytes_and_back(counted: LanguageModel) -> None:
    text = SHORT.decode()
    assert len(counted.compress(8 * text)) < 0.7 * 8 * len(SHORT)
    assert counted.decompress(counted.compress(text, online=True)) == text
    with pytest.raises(FileFormatError, match="the file is cut short"):
        counted.decompress(counted.compress(text)[:-1])


def test_a_mixture(counted: LanguageModel, network: LanguageModel) -> None:
    lm = LanguageModel.mixed([counted, network], SHORT.decode())
    file, done = packed(SHORT, lm=lm)
    assert done.promise is not None
    assert done.promise.nats == pytest.approx(lm.evaluate(SHORT.decode()).nats, rel=1e-5)
    assert unpacked(file, lm=lm) == SHORT


def test_another_processor_is_named(network: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the model's numbers come out otherwise, the message says on what the file was made."""
    monkeypatch.setattr(compressing, "machine", lambda: "an old computer")
    file, _ = packed(SHORT, lm=network)

    def otherwise(model: TokenModel[Any]) -> TokenModel[Any]:
        rounded = in_float64(model)
        assert isinstance(rounded, RecurrentModel)
        for array in rounded.parameters.values():
            array *= 1 + 1e-5
        return rounded

    monkeypatch.setattr(compressing, "machine", lambda: "a new one")
    monkeypatch.setattr(compressing, "in_float64", otherwise)
    target = io.BytesIO()
    with pytest.raises(
        RunError, match=r"made, which was an old computer, chainrule .*; here it is a new one"
    ):
        decompress(io.BytesIO(file), target, lm=network, mixing=Deflate)
    assert target.getvalue() == b""


def test_what_the_machine_is_called_tells_no_names() -> None:
    said = compressing.machine()
    assert f"numpy {np.__version__}" in said
    assert "/" not in said


@pytest.mark.slow
def test_every_flipped_bit_and_every_cut_of_a_file_by_a_model(counted: LanguageModel) -> None:
    file, _ = packed(SHORT, lm=counted)
    for at in range(len(file)):
        damaged = bytearray(file)
        damaged[at] ^= 1 << at % 8
        with pytest.raises(FileFormatError):
            unpacked(bytes(damaged), lm=counted)
        with pytest.raises(FileFormatError):
            unpacked(file[:at], lm=counted)
    with pytest.raises(FileFormatError, match="expected the end of the file"):
        unpacked(file + b"\n", lm=counted)


# --- files -------------------------------------------------------------------------------------------------


def broken(error: BaseException) -> Any:
    """What fails after the first block."""

    class Broken(Deflate):
        calls = 0

        def _count(self) -> None:
            self.calls += 1
            if self.calls > 1:
                raise error

        def encode(self, data: bytes) -> bytes:
            self._count()
            return super().encode(data)

        def decode(self, payload: bytes, count: int) -> bytes:
            self._count()
            return super().decode(payload, count)

    return Broken


@pytest.mark.parametrize(
    ("error", "expected", "message"),
    [
        (OSError(28, "No space left on device"), RunError, "cannot be written: No space left on device"),
        (KeyboardInterrupt(), KeyboardInterrupt, None),
        (RunError("numbers"), RunError, "numbers"),
    ],
)
@pytest.mark.parametrize("earlier", [None, b"an earlier result"])
@pytest.mark.parametrize("way", [compress_file, decompress_file])
def test_what_fails_leaves_no_file_and_costs_none(
    tmp_path: Path, way: Any, earlier: bytes | None, error: BaseException, expected: Any, message: str | None
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.write_bytes(bytes(200_000) if way is compress_file else packed(bytes(200_000))[0])
    if earlier is not None:
        out.write_bytes(earlier)
    with pytest.raises(expected, match=message):
        way(source, out, mixing=broken(error))
    assert sorted(os.listdir(tmp_path)) == (["in"] if earlier is None else ["in", "out"])
    assert earlier is None or out.read_bytes() == earlier


def test_files(tmp_path: Path) -> None:
    source, small, back = tmp_path / "in", tmp_path / "small", tmp_path / "back"
    source.write_bytes(SHORT * 20)
    source.chmod(0o600)
    told: list[int] = []
    compress_file(source, small, mixing=Deflate, tell=told.append)
    decompress_file(small, back, mixing=Deflate)
    assert told == [len(SHORT) * 20]
    assert [path.stat().st_mode & 0o777 for path in (small, back)] == [0o600] * 2
    assert back.read_bytes() == source.read_bytes()
    small.write_bytes(small.read_bytes()[:-1])
    with pytest.raises(FileFormatError, match=f"{small}: the file is cut short"):
        decompress_file(small, back, mixing=Deflate)
    assert back.read_bytes() == source.read_bytes()
    for missing in (tmp_path / "none", tmp_path):
        with pytest.raises(ChainruleError, match=r"cannot be read: (No such file|Is a directory)"):
            compress_file(missing, tmp_path / "new", mixing=Deflate)
    assert not (tmp_path / "new").exists()
