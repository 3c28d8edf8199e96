"""What a user holds: a model with its tokeniser and vocabulary, and the verbs that people expect on strings.

lm = LanguageModel.fit(text, model="lstm");  lm.perplexity(other);  lm.generate("the time")
"""

import contextlib
import io
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import reduce
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from jaxtyping import Integer

from chainrule.core import CanMatch, FileFormatError, InputError, TokenModel
from chainrule.data.codec import END, Codec
from chainrule.data.dataset import Dataset, Part
from chainrule.data.overlap import TRAINED_ON, Fingerprint
from chainrule.data.reading import READING, read_text
from chainrule.data.tokenizers import restore_tokenizer
from chainrule.data.vocabulary import Vocabulary
from chainrule.files import read_arrays, write_arrays
from chainrule.models.archive import describe_state, pack, plain, size, unpack
from chainrule.models.recurrent import RecurrentModel
from chainrule.recipes import Recipe, check, check_device, compressing, evaluate_part, fit, world_size
from chainrule.recipes.adaptive import kinds_of
from chainrule.recipes.card import CARD, fitted_card, imported_card, mixture_card
from chainrule.recipes.mixing import weigh
from chainrule.recipes.online import online as online_form
from chainrule.recipes.online import primed
from chainrule.tasks.evaluation import LN2, LN10, Evaluation, surprisal
from chainrule.tasks.generation import Sampler, Sampling, generate, likeliest, speak
from chainrule.training import Progress
from chainrule.training.records import RunFiles

OWN_SETTINGS = {field.name for field in fields(Recipe)} - {"kind"}
Tell = Callable[[float], None]
MAPPED = {"backoff"}  # families of look-up tables, which are mapped on loading and not read


class TrainedOnWarning(UserWarning):
    """A figure is no held-out figure: the text, or a good part of it, was trained on."""


class UnknownSymbolWarning(UserWarning):
    """A text has symbols that the vocabulary lacks."""


class TokenScore(NamedTuple):
    """A token of a sentence, log10 of its probability, the order of the n-gram that it was found in (0 where
    a model has none), and whether it is unknown: what users of n-gram tools call full scores."""

    token: str
    log10: float
    length: int
    unknown: bool


class TokenSurprisal(NamedTuple):
    """A token of a text and what it cost, in bits."""

    token: str
    bits: float


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """A fitted model and what is known of it. card: recipe, split, training and held-out figures, as JSON
    has them. fingerprint: hashes of the training text, to tell when a text was trained on."""

    model: TokenModel[Any]
    codec: Codec
    card: Mapping[str, Any]
    fingerprint: Fingerprint

    @classmethod
    def fit(
        cls,
        text: str,
        *,
        model: str = "lstm",
        name: str = "text",
        report: Callable[[Progress], None] | None = None,
        scoring: Tell | None = None,
        note: Callable[[str], None] | None = None,
        files: RunFiles = RunFiles(),  # noqa: B008 - an immutable value
        **settings: Any,
    ) -> "LanguageModel":
        """Fit a model to a text and evaluate it on the part held out.

        model: a kind of `chainrule.recipes.KINDS`. settings: how the text is read (see `read_text`), and
        fields of `chainrule.recipes.Recipe`. report, scoring: told how far training and evaluation are. note:
        told what was chosen for a network, and why. files: what training leaves beside the model, and goes on
        from. Ctrl-C while it evaluates leaves the figures out.
        Raises InputError for what cannot be used.
        """
        reading = {option: settings.pop(option) for option in READING & settings.keys()}
        unknown = settings.keys() - OWN_SETTINGS
        if unknown:
            expected = ", ".join(sorted(OWN_SETTINGS | READING))
            raise InputError(f"fit: expected settings among {expected}; got {', '.join(sorted(unknown))}")
        recipe = Recipe(kind=model, **settings)
        check(recipe)
        how: dict[str, Any] = {"report": report, "scoring": scoring, "note": note, "files": files}
        return cls.fitted(recipe, read_text(text, **reading), name=name, **how)

    @classmethod
    def fitted(
        cls,
        recipe: Recipe,
        data: Dataset,
        *,
        name: str = "text",
        report: Callable[[Progress], None] | None = None,
        scoring: Tell | None = None,
        note: Callable[[str], None] | None = None,
        files: RunFiles = RunFiles(),  # noqa: B008 - an immutable value
    ) -> "LanguageModel":
        """Fit a recipe's model to a data set, see `fit`."""
        fitted = fit(recipe, data, report, note=note, files=files)
        held_out = None
        # torchrun gives those whom it interrupts half a minute
        hurried = world_size() > 1 and fitted.training and fitted.training.stopped == "interrupted"
        if not hurried and len(data.test.ids) and getattr(fitted.model, "normalised", True):
            with contextlib.suppress(KeyboardInterrupt):
                held_out = evaluate_part(fitted.model, data.test, data.codec, scoring).report
        fingerprint = Fingerprint.of(data.train.text)
        card = fitted_card(name, data, fitted, held_out, fingerprint.share(data.test.text))
        return cls(fitted.model, data.codec, card, fingerprint)

    def evaluate(self, text: str, *, online: bool = False, progress: Tell | None = None) -> Evaluation:
        """What the text costs the model, read as one row from its start.

        online: each token is scored, then learned, see `chainrule.recipes.online`; the model itself stays as
        it is. Raises InputError for a text without a token.
        """
        part = Part(self.codec.prepare(text), self.codec.encode(text))
        if not len(part.ids):
            raise InputError("text: expected at least one token, got none")
        return evaluate_part(self._reader(online), part, self.codec, progress).report

    def perplexity(self, text: str, *, online: bool = False) -> float:
        """Per token; online: see `evaluate`.

        Warns when the text was trained on, and when it has unknown symbols."""
        self._warn_unknown(text)
        share = self.overlap(text)
        if share is not None and share > TRAINED_ON:
            warnings.warn(
                f"{share:.0%} of this text was trained on: its perplexity is no held-out figure",
                TrainedOnWarning,
                stacklevel=2,
            )
        return self.evaluate(text, online=online).perplexity

    def surprisal(
        self, text: str, *, online: bool = False, progress: Tell | None = None
    ) -> list[TokenSurprisal]:
        """Each token of the text, as it reads, and -log2 of its probability given all before it; online: see
        `evaluate`."""
        tokens = self.codec.split(text)
        nats = surprisal(self._reader(online), self.codec.vocabulary.encode(tokens), progress=progress)
        join = self.codec.tokenizer.join
        return [
            TokenSurprisal(join([t]), bits) for t, bits in zip(tokens, (nats / LN2).tolist(), strict=True)
        ]

    def next(self, prompt: str, k: int = 5) -> list[tuple[str, float]]:
        """The k likeliest next tokens after a prompt, with their probabilities."""
        found = likeliest(self.model, self._prompt(prompt), k)
        tokens, join = self.codec.vocabulary.tokens, self.codec.tokenizer.join
        return [(join([tokens[i]]), probability) for i, probability in found]

    def score(self, word: str, context: str = "") -> float:
        """log10 of the probability of a word after a context, as ARPA users count it; its tokens' sum.

        The end of a sentence is the word `</s>`, where the model reads sentences. Unknown words score as the
        unknown symbol.
        """
        ends = self.codec.sentences and word == END
        ids = np.array([self.codec.end_id]) if ends else self.codec.encode_prompt(word)
        if not len(ids):
            raise InputError("score: expected a word, got none")
        _, state = self.model.score(self.model.start(1), self.codec.encode_prompt(context)[None])
        log_probs, _ = self.model.score(state, ids[None])
        return float(log_probs.sum()) / LN10

    def full_scores(self, text: str) -> list[TokenScore]:
        """Each token of a text; a sentence is given its end, where the model reads sentences."""
        tokens, ids = self.codec.split(text), self.codec.encode(text)[None]
        start, unknown = self.model.start(1), self.codec.vocabulary.unknown_id
        if isinstance(self.model, CanMatch):
            log_probs, lengths = self.model.score_matched(start, ids)
        else:
            log_probs, lengths = self.model.score(start, ids)[0], np.zeros(ids.shape, np.int64)
        columns = (log_probs[0] / LN10).tolist(), lengths[0].tolist(), (ids[0] == unknown).tolist()
        return [TokenScore(*row) for row in zip(tokens, *columns, strict=True)]

    def remade(self, model: TokenModel[Any], how: str) -> "LanguageModel":
        """The same with another model in the place of its own, made from it; figures of the old one go."""
        card = {**self.card, "held_out": None, "remade": [*self.card.get("remade", []), how]}
        return replace(self, model=model, card=card)

    @classmethod
    def mixed(
        cls, models: Sequence["LanguageModel"], valid: str, *, test: str = "", progress: Tell | None = None
    ) -> "LanguageModel":
        """Models of one vocabulary as a linear mixture, weighed on a text that none of them was trained on.

        test: another one, for its held-out figures. A second model gets the vocabulary of a first one with
        `codec=first.codec` in `fit`. Raises InputError for models of two vocabularies, for one whose scores
        are no probabilities, and for a text without a token.
        """
        codec = models[0].codec
        for number, lm in enumerate(models, 1):
            if lm.codec != codec:
                raise InputError(
                    f"model {number}: expected the tokens and the vocabulary of model 1, got others"
                )
        parts = {"train": "", "valid": valid, "test": test}
        split = {name: Part(codec.prepare(t), codec.encode(t)) for name, t in parts.items()}
        weighed = weigh([lm.model for lm in models], split["valid"], progress)
        held_out = evaluate_part(weighed.model, split["test"], codec).report if test else None
        fingerprint = reduce(Fingerprint.joined, (lm.fingerprint for lm in models))
        overlap = fingerprint.share(split["test"].text)
        card = mixture_card([lm.card for lm in models], weighed, split, held_out, overlap)
        return cls(weighed.model, codec, card, fingerprint)

    @classmethod
    def imported(
        cls,
        model: TokenModel[Any],
        tokens: tuple[str, ...],
        *,
        name: str,
        unknown: str | None,
        tokenizer: str,
    ) -> "LanguageModel":
        """A model that others made, with the spellings of its ids. tokenizer: how texts are cut into them."""
        sentences = getattr(model, "end", None) is not None
        vocabulary = Vocabulary(tokens, unknown, (0,) * len(tokens))
        codec = Codec(restore_tokenizer(tokenizer, {}), vocabulary, sentences=sentences)
        card = imported_card(name, getattr(model, "order", None))
        return cls(model, codec, card, Fingerprint.unknown())

    def generate(
        self,
        prompt: str = "",
        length: int = 200,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        seed: int = 0,
        online: bool = False,
        report: Tell | None = None,
    ) -> str:
        """The prompt and `length` tokens after it. temperature 0 takes the likeliest each time.

        online: the model learns from the prompt before it speaks, and not from what it says then, see
        `chainrule.recipes.online.primed`; the model itself stays as it is.
        Warns when the prompt has symbols that the vocabulary lacks; the unknown symbol is never drawn.
        """
        unknown = self.codec.vocabulary.unknown_id
        if seed < 0:
            raise InputError(f"seed: expected 0 or more, got {seed}")
        how = Sampling(temperature, top_k, top_p, min_p, () if unknown is None else (unknown,))
        start = self._prompt(prompt)
        choose = Sampler(how, np.random.default_rng(seed))
        ids: list[int] = start.tolist()
        if online:
            told = speak(*primed(self.model, start[None], kinds_of(self.codec)), length, choose)
        else:
            told = generate(self.model, start[None], length, choose)
        for step, tokens in enumerate(told, 1):
            ids.append(int(tokens[0]))
            if report:
                report(step / length)
        text = self.codec.decode(np.array(ids, dtype=np.int64))
        return self.codec.prepare(prompt) + text[len(self.codec.decode(start)) :]

    def compress(self, text: str, *, online: bool = False) -> bytes:
        """The text as the bytes of a file that this model makes text of again, see
        `chainrule.recipes.compressing`; raises InputError where the tokeniser loses some of it."""
        target = io.BytesIO()
        try:
            data = text.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"text: expected characters that UTF-8 has, got {text[error.start]!r}"
            ) from error
        compressing.compress(io.BytesIO(data), target, lm=self, online=online)
        return target.getvalue()

    def decompress(self, data: bytes) -> str:
        """The text that `compress` was given; raises InputError for another model's, FileFormatError for what
        is damaged."""
        target = io.BytesIO()
        compressing.decompress(io.BytesIO(data), target, lm=self)
        try:
            return target.getvalue().decode()
        except UnicodeDecodeError as error:
            raise FileFormatError("expected a compressed text, got other bytes") from error

    def overlap(self, text: str) -> float | None:
        """The share of the text's 50-character windows that stand in the training text; None if too short."""
        return self.fingerprint.share(self.codec.prepare(text))

    @property
    def state(self) -> str:
        """What the model's state is, in words."""
        return describe_state(self.model)

    @property
    def size(self) -> tuple[int, str]:
        """How many numbers the model holds, and what they are."""
        return size(self.model)

    @property
    def held_out(self) -> Mapping[str, Any] | None:
        """The evaluation of the test part, from when the model was fitted."""
        return cast("Mapping[str, Any] | None", self.card.get("held_out"))

    def save(self, path: str | Path) -> None:
        """One safetensors file, whole or not at all; what stood there before is replaced.

        Raises RunError when it cannot be written.
        """
        family, settings, arrays = pack(self.model)
        vocabulary = self.codec.vocabulary
        header = {
            "family": family,
            "settings": settings,
            "tokenizer": {"name": self.codec.tokenizer.name, **self.codec.tokenizer.settings()},
            "letters_only": self.codec.letters_only,
            "sentences": self.codec.sentences,
            "unknown": vocabulary.unknown,
            "overlap_modulus": self.fingerprint.modulus,
            "card": dict(self.card),
        }
        own = {f"model.{name}": array for name, array in arrays.items()}
        stored, tables = ({}, own) if family in MAPPED else (own, {})
        tokens = json.dumps(vocabulary.tokens).encode()
        stored["vocabulary"] = np.frombuffer(tokens, dtype=np.uint8)
        stored["vocabulary.counts"] = np.array(vocabulary.counts, dtype=np.int64)
        stored["overlap"] = self.fingerprint.hashes
        write_arrays(Path(path), stored, header, tables=tables)

    def to_onnx(self, form: str = "step") -> bytes:
        """A recurrent network as the bytes of an ONNX file, see `chainrule.models.concise.export`.

        The vocabulary is in the metadata: tokens, a JSON list in the order of the ids, and unknown.
        Raises InputError for another model.
        """
        model = plain(self.model)
        if not isinstance(model, RecurrentModel):
            raise InputError(f"export: expected a recurrent network, got {type(model).__name__}")
        from chainrule.models.concise.export import to_onnx

        vocabulary = self.codec.vocabulary
        known = {"tokenizer": self.codec.tokenizer.name, "unknown": vocabulary.unknown}
        return to_onnx(model, form, {"chainrule": version("chainrule"), **known, "tokens": vocabulary.tokens})

    def _reader(self, online: bool) -> TokenModel[Any]:
        return online_form(self.model, kinds_of(self.codec)) if online else self.model

    def _prompt(self, prompt: str) -> Integer[np.ndarray, " T"]:
        self._warn_unknown(prompt)
        return self.codec.encode_prompt(prompt)

    def _warn_unknown(self, text: str) -> None:
        missing = self.codec.unknown(text)
        if missing:
            shown = ", ".join(map(repr, missing[:5])) + (", ..." if len(missing) > 5 else "")
            warnings.warn(
                f"{len(missing)} symbols are not in the vocabulary and read as unknown: {shown}",
                UnknownSymbolWarning,
                stacklevel=4,
            )


def load(path: str | Path, *, engine: str = "scratch", device: str | None = None) -> LanguageModel:
    """A model that `save` wrote. engine: torch computes a recurrent network in PyTorch, on a device (cpu,
    cuda or auto), whichever engine trained it.

    Raises FileFormatError for a foreign, damaged or newer file, InputError when there is none.
    """
    path = Path(path)
    arrays, header = read_arrays(path)
    if header.get("kind") is not None:
        raise FileFormatError(f"{path}: expected a language model, got a {header['kind']!s:.20}")
    try:
        lm = _restored(arrays, header)
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError) as error:
        raise FileFormatError(f"{path}: the model's description is damaged ({error!r})") from error
    return in_engine(lm, engine, device)


def in_engine(lm: LanguageModel, engine: str, device: str | None = None) -> LanguageModel:
    """The same model computed by an engine; raises InputError for one that the engine does not have."""
    check_device(engine, device)
    if engine == "scratch":
        return lm
    if not isinstance(lm.model, RecurrentModel):
        raise InputError(f"engine torch: expected a recurrent network, got {type(lm.model).__name__}")
    from chainrule.models.concise import TorchRecurrent

    return replace(lm, model=TorchRecurrent.from_scratch(lm.model, device or "auto"))


def _restored(arrays: dict[str, np.ndarray], header: dict[str, Any]) -> LanguageModel:
    """The model of a file's parts, each of which may be anything."""
    vocabulary = _restored_vocabulary(arrays, header["unknown"])
    settings = dict(header["tokenizer"])
    tokenizer = restore_tokenizer(settings.pop("name"), settings)
    codec = Codec(tokenizer, vocabulary, bool(header["letters_only"]), bool(header["sentences"]))
    if codec.sentences and END not in vocabulary.ids:
        raise FileFormatError(f"expected {END} in the vocabulary of a model of sentences, found none")
    own = {name[6:]: array for name, array in arrays.items() if name.startswith("model.")}
    model = unpack(header["family"], header["settings"], own)
    if model.vocab_size != codec.vocab_size:
        raise FileFormatError(f"expected a vocabulary of {model.vocab_size} tokens, got {codec.vocab_size}")
    hashes, modulus = arrays["overlap"], header["overlap_modulus"]
    if hashes.dtype != np.uint64 or hashes.ndim != 1 or not (isinstance(modulus, int) and modulus >= 0):
        raise FileFormatError("expected hashes of the training text, got something else")
    card = header["card"]
    missing = CARD - set(card)
    if missing or not isinstance(card["recipe"], dict):
        raise FileFormatError(f"the model's card lacks {', '.join(sorted(missing)) or 'its recipe'}")
    return LanguageModel(model, codec, card, Fingerprint(hashes, modulus))


def _restored_vocabulary(arrays: dict[str, np.ndarray], unknown: Any) -> Vocabulary:
    tokens: list[Any] = json.loads(arrays["vocabulary"].tobytes())
    if set(map(type, tokens)) - {str} or len(set(tokens)) != len(tokens):
        raise FileFormatError("expected a vocabulary of different strings, got something else")
    if unknown is not None and unknown not in tokens:
        raise FileFormatError(f"expected the unknown symbol {unknown!r} in the vocabulary, found none")
    return Vocabulary(tuple(tokens), unknown, tuple(arrays["vocabulary.counts"].tolist()))
