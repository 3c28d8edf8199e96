"""What a user holds: a model with its tokeniser and vocabulary, and the verbs that people expect on strings.

lm = LanguageModel.fit(text, model="lstm");  lm.perplexity(other);  lm.generate("the time")
"""

import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from jaxtyping import Integer

from chainrule.core import FileFormatError, TokenModel
from chainrule.data.codec import Codec
from chainrule.data.dataset import Dataset, Part, make_dataset, split_text
from chainrule.data.overlap import Fingerprint
from chainrule.data.tokenizers import restore_tokenizer
from chainrule.data.vocabulary import Vocabulary
from chainrule.files import read_arrays, write_arrays
from chainrule.models.archive import describe_state, pack, size, unpack
from chainrule.recipes import Cooked, Recipe, bill, cook
from chainrule.tasks.evaluation import LN2, Evaluation, TextCounts, evaluate, finite_or_name, surprisal
from chainrule.tasks.generation import Sampling, generate, likeliest, sampler
from chainrule.training.loop import Progress

TRAINED_ON = 0.05  # share of shared 50-character windows above which a text counts as trained on
Tell = Callable[[float], None]


class TrainedOnWarning(UserWarning):
    """A figure is no held-out figure: the text, or a good part of it, was trained on."""


class UnknownSymbolWarning(UserWarning):
    """A text has symbols that the vocabulary lacks."""


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
        tokenizer: str = "characters",
        clean: bool = False,
        min_freq: int = 1,
        bpe_size: int = 2000,
        valid: float | str = 0.1,
        test: float | str = 0.1,
        name: str = "text",
        report: Callable[[Progress], None] | None = None,
        **settings: Any,
    ) -> "LanguageModel":
        """Fit a model to a text and bill it for the part held out.

        model: a kind of `chainrule.recipes.KINDS`. valid, test: a fraction of the text, the last of it, or
        a text of its own; 0 or "" for none. settings: fields of `chainrule.recipes.Recipe`.
        Raises InputError for what cannot be used.
        """
        fractions = [0.0 if isinstance(part, str) else part for part in (valid, test)]
        parts = list(split_text(text, valid=fractions[0], test=fractions[1], clean=clean))
        for place, part in ((1, valid), (2, test)):
            if isinstance(part, str):
                parts[place] = part
        data = make_dataset(*parts, tokenizer=tokenizer, min_freq=min_freq, bpe_size=bpe_size, clean=clean)
        cooked = cook(Recipe(kind=model, **settings), data, report)
        return cls(cooked.model, data.codec, _card(name, data, cooked), Fingerprint.of(data.train.text))

    def evaluate(self, text: str, *, progress: Tell | None = None) -> Evaluation:
        """The bill for a text, read as one row from its start."""
        prepared = self.codec.prepare(text)
        ids = self.codec.encode(text)
        return evaluate(
            surprisal(self.model, ids, progress=progress),
            ids,
            TextCounts.of(prepared),
            model=self.model,
            tokenizer=self.codec.tokenizer.name,
            loses=self.codec.loses,
            unknown_id=self.codec.vocabulary.unknown_id,
        )

    def perplexity(self, text: str) -> float:
        """Per token. Warns when the text was trained on, and when it has unknown symbols."""
        self._warn_unknown(text)
        share = self.overlap(text)
        if share is not None and share > TRAINED_ON:
            warnings.warn(
                f"{share:.0%} of this text was trained on: its perplexity is no held-out figure",
                TrainedOnWarning,
                stacklevel=2,
            )
        return self.evaluate(text).perplexity

    def surprisal(self, text: str, *, progress: Tell | None = None) -> list[TokenSurprisal]:
        """Each token of the text, as it reads, and -log2 of its probability given all before it."""
        tokens = self.codec.split(text)
        nats = surprisal(self.model, self.codec.vocabulary.encode(tokens), progress=progress)
        join = self.codec.tokenizer.join
        return [
            TokenSurprisal(join([t]), bits) for t, bits in zip(tokens, (nats / LN2).tolist(), strict=True)
        ]

    def next(self, prompt: str, k: int = 5) -> list[tuple[str, float]]:
        """The k likeliest next tokens after a prompt, with their probabilities."""
        found = likeliest(self.model, self._prompt(prompt), k)
        return [(self.codec.decode(np.array([i])), probability) for i, probability in found]

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
        report: Tell | None = None,
    ) -> str:
        """The prompt and `length` tokens after it. temperature 0 takes the likeliest each time.

        Warns when the prompt has symbols that the vocabulary lacks; the unknown symbol is never drawn.
        """
        unknown = self.codec.vocabulary.unknown_id
        how = Sampling(temperature, top_k, top_p, min_p, () if unknown is None else (unknown,))
        start = self._prompt(prompt)
        choose = sampler(how, np.random.default_rng(seed))
        ids: list[int] = start.tolist()
        for step, tokens in enumerate(generate(self.model, start[None], length, choose), 1):
            ids.append(int(tokens[0]))
            if report:
                report(step / length)
        told = self.codec.decode(np.array(ids, dtype=np.int64))
        return self.codec.prepare(prompt) + told[len(self.codec.decode(start)) :]

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

    @cached_property
    def held_out(self) -> Mapping[str, Any] | None:
        """The bill for the test part, from the day the model was fitted."""
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
            "unknown": vocabulary.unknown,
            "overlap_modulus": self.fingerprint.modulus,
            "card": dict(self.card),
        }
        stored = {f"model.{name}": array for name, array in arrays.items()}
        tokens = json.dumps(vocabulary.tokens).encode()
        stored["vocabulary"] = np.frombuffer(tokens, dtype=np.uint8)
        stored["vocabulary.counts"] = np.array(vocabulary.counts, dtype=np.int64)
        stored["overlap"] = self.fingerprint.hashes
        write_arrays(Path(path), stored, header)

    def _prompt(self, prompt: str) -> Integer[np.ndarray, "T"]:
        self._warn_unknown(prompt)
        return self.codec.encode(prompt)

    def _warn_unknown(self, text: str) -> None:
        missing = self.codec.unknown(text)
        if missing:
            shown = ", ".join(map(repr, missing[:5])) + (", ..." if len(missing) > 5 else "")
            warnings.warn(
                f"{len(missing)} symbols are not in the vocabulary and read as unknown: {shown}",
                UnknownSymbolWarning,
                stacklevel=3,
            )


def load(path: str | Path) -> LanguageModel:
    """A model that `save` wrote.

    Raises FileFormatError for a foreign, damaged or newer file, InputError when there is none.
    """
    path = Path(path)
    arrays, header = read_arrays(path)
    try:
        tokens = tuple(json.loads(arrays["vocabulary"].tobytes()))
        counts = tuple(int(n) for n in arrays["vocabulary.counts"])
        settings = dict(header["tokenizer"])
        codec = Codec(
            restore_tokenizer(settings.pop("name"), settings),
            Vocabulary(tokens, header["unknown"], counts),
            bool(header["letters_only"]),
        )
        own = {name[6:]: array for name, array in arrays.items() if name.startswith("model.")}
        model = unpack(header["family"], header["settings"], own)
        fingerprint = Fingerprint(arrays["overlap"], int(header["overlap_modulus"]))
        card = header["card"]
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, FileFormatError):
            raise FileFormatError(f"{path}: {error}") from error
        raise FileFormatError(f"{path}: the model's description is damaged ({error!r})") from error
    if model.vocab_size != codec.vocab_size:
        raise FileFormatError(
            f"{path}: expected a vocabulary of {model.vocab_size} tokens, got {codec.vocab_size}"
        )
    return LanguageModel(model, codec, card, fingerprint)


def _card(name: str, data: Dataset, cooked: Cooked) -> dict[str, Any]:
    """What a file says of its model."""

    def extent(part: Part) -> dict[str, int]:
        return {"characters": len(part.text), "tokens": len(part.ids)}

    training = cooked.training
    return {
        "chainrule": version("chainrule"),
        "corpus": name,
        "recipe": asdict(cooked.recipe),
        "split": {"train": extent(data.train), "valid": extent(data.valid), "test": extent(data.test)},
        "held_out": bill(cooked.model, data.test, data).report.as_dict() if len(data.test.ids) else None,
        "training": training
        and {
            "stopped": training.stopped,
            "advice": training.advice,
            "seconds": training.seconds,
            "log": [{k: finite_or_name(v) for k, v in point._asdict().items()} for point in training.history],
        },
    }
