"""A fitted classifier as arrays and a header, and back; no pickle.

Sources are stored once, whatever the number of parts that share them.
"""

import json
from typing import Any, cast

import numpy as np

from chainrule.core import FileFormatError
from chainrule.data.codec import END, Codec
from chainrule.data.sentences import TextReader
from chainrule.data.tokenizers import restore_tokenizer
from chainrule.data.vocabulary import Vocabulary
from chainrule.models.archive import pack, unpack
from chainrule.models.encoder import Encoder
from chainrule.models.ngram.counts import counts_from_arrays, counts_to_arrays
from chainrule.recipes.class_parts import Conditional, Network, Part, Recurrent, Source, Spec, Weighed
from chainrule.recipes.classifying import Fitted
from chainrule.tasks.classification import Pool

Array = np.ndarray
Arrays = dict[str, Array]


def pack_classifier(fitted: Fitted) -> tuple[dict[str, Any], Arrays]:
    """Header and arrays."""
    arrays: Arrays = {"pool.weights": fitted.pool.weights, "pool.offsets": fitted.pool.offsets}
    sources = list(dict.fromkeys(part.source for part in fitted.parts))
    parts: list[dict[str, Any]] = []
    for s, source in enumerate(sources):
        arrays |= {f"source{s}.{name}": array for name, array in _source_arrays(source).items()}
    for p, part in enumerate(fitted.parts):
        entry: dict[str, Any] = {"spec": _spec_as_dict(part.spec), "source": sources.index(part.source)}
        if isinstance(part, Conditional):
            packed = [pack(model) for model in part.models]
            entry["models"] = [{"family": family, "settings": settings} for family, settings, _ in packed]
            for c, (_, _, own) in enumerate(packed):
                arrays |= {f"part{p}.{c}.{name}": array for name, array in own.items()}
        elif isinstance(part, Recurrent):
            entry["settings"], own = part.model.to_arrays()
            arrays |= {f"part{p}.{name}": array for name, array in own.items()}
        else:
            assert isinstance(part, Weighed)
            own = {"scale": part.scale, "weights": part.weights}
            arrays |= {f"part{p}.{name}": array.astype(np.float32) for name, array in own.items()}
            arrays[f"part{p}.biases"] = part.biases
        parts.append(entry)
    headers = [_source_header(source) for source in sources]
    return {"sources": headers, "parts": parts, "seconds": fitted.seconds}, arrays


def unpack_classifier(header: dict[str, Any], arrays: Arrays, classes: int) -> Fitted:
    """The classifier of a file's parts, each of which may be anything; raises FileFormatError."""
    if classes < 2:
        raise FileFormatError(f"expected at least two classes, got {classes}")
    sources = [_source(one, _under(arrays, f"source{s}.")) for s, one in enumerate(header["sources"])]
    parts = tuple(
        _part(entry, sources, _under(arrays, f"part{p}."), classes) for p, entry in enumerate(header["parts"])
    )
    pool = Pool(arrays["pool.weights"], arrays["pool.offsets"])
    shapes = pool.weights.shape, pool.offsets.shape
    if shapes != ((len(parts),), (classes,)) or not parts:
        raise FileFormatError(f"expected weights of {len(parts)} parts and {classes} classes, got {shapes}")
    _check_numbers(pool.weights, pool.offsets)
    return Fitted(parts, pool, np.empty((len(parts), 0, classes)), float(header["seconds"]))


def _spec_as_dict(spec: Spec) -> dict[str, Any]:
    network = spec.network and spec.network._asdict()
    return {**vars(spec), "orders": list(spec.orders), "network": network}


def _source_header(source: Source) -> dict[str, Any]:
    codec = source.reader.codec
    return {
        "tokenizer": {"name": codec.tokenizer.name, **codec.tokenizer.settings()},
        "unknown": codec.vocabulary.unknown,
        "fold": source.reader.fold,
        "order": source.counts.order,
        "end": source.counts.end,
    }


def _source_arrays(source: Source) -> Arrays:
    vocabulary = source.reader.codec.vocabulary
    tokens = json.dumps(vocabulary.tokens).encode()
    return {**counts_to_arrays(source.counts), "vocabulary": np.frombuffer(tokens, np.uint8)}


def _source(header: dict[str, Any], arrays: Arrays) -> Source:
    tokens: Any = json.loads(arrays.pop("vocabulary").tobytes())
    if not isinstance(tokens, list) or any(type(token) is not str for token in cast(list[Any], tokens)):
        raise FileFormatError("expected a vocabulary of strings, got something else")
    spelled, unknown = tuple(cast(list[str], tokens)), header["unknown"]
    reserved = {END, *([unknown] if unknown is not None else [])}
    if len(set(spelled)) != len(spelled) or not reserved <= set(spelled):
        raise FileFormatError(
            f"expected a vocabulary of different strings with {', '.join(sorted(reserved))}"
        )
    settings = dict(header["tokenizer"])
    tokenizer = restore_tokenizer(settings.pop("name"), settings)
    codec = Codec(tokenizer, Vocabulary(spelled, unknown, (0,) * len(spelled)), sentences=True)
    counts = counts_from_arrays(arrays, len(spelled), int(header["order"]), header["end"])
    if counts.end != codec.end_id:
        raise FileFormatError(f"expected counts of texts that end with {codec.end_id}, got {counts.end}")
    return Source(TextReader(codec, bool(header["fold"])), counts)


def _part(entry: dict[str, Any], sources: list[Source], arrays: Arrays, classes: int) -> Part:
    settings: dict[str, Any] = {**entry["spec"], "orders": tuple(map(int, entry["spec"]["orders"]))}
    network = settings.pop("network")
    spec = Spec(**settings, network=Network(**network) if network else None)
    source = sources[int(entry["source"])]
    if spec.kind == "conditional":
        models = tuple(
            unpack(one["family"], one["settings"], _under(arrays, f"{c}."))
            for c, one in enumerate(entry["models"])
        )
        vocab_size = source.reader.codec.vocab_size
        if len(models) != classes or any(model.vocab_size != vocab_size for model in models):
            raise FileFormatError(f"expected {classes} models over {vocab_size} tokens, got others")
        return Conditional(spec, source, models)
    if spec.kind == "recurrent":
        encoder = Encoder.from_arrays(entry["settings"], arrays)
        if (encoder.vocab_size, encoder.classes) != (source.reader.codec.vocab_size, classes):
            raise FileFormatError(f"expected a network of {classes} classes, got {encoder.classes}")
        return Recurrent(spec, source, encoder)
    columns = 1 if classes == 2 else classes
    scale, weights = (arrays[name].astype(np.float64) for name in ("scale", "weights"))
    width = source.features(spec.orders).size
    if {scale.shape, weights.shape} != {(columns, width)} or arrays["biases"].shape != (columns,):
        raise FileFormatError(f"expected weights of {columns} by {width} n-grams, got {weights.shape}")
    _check_numbers(scale, weights, arrays["biases"])
    return Weighed(spec, source, scale, weights, arrays["biases"])


def _check_numbers(*arrays: Array) -> None:
    if not all(np.isfinite(array).all() for array in arrays):
        raise FileFormatError("expected finite weights, got others")


def _under(arrays: Arrays, prefix: str) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
