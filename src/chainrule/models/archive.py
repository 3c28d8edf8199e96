"""Every family of models as settings and arrays, and back: what a file needs to know of them."""

from typing import Any, Protocol, runtime_checkable

import numpy as np

from chainrule.core import FileFormatError, InputError, TokenModel
from chainrule.models.contexts import ContextMixing
from chainrule.models.mixture import LinearMixture, LogisticMixture, OnlineMixture, one_set
from chainrule.models.ngram import BackoffModel, NgramModel
from chainrule.models.online import ContinuousCache, DynamicEvaluation
from chainrule.models.recurrent import RecurrentModel
from chainrule.models.uniform import Uniform
from chainrule.models.window import WindowModel

Array = np.ndarray
FAMILIES = ("uniform", "ngram", "backoff", "window", "recurrent", "contexts", "mixture")


@runtime_checkable
class Twin(Protocol):
    """A recurrent network in another framework: a file keeps it as it would be from scratch."""

    def to_scratch(self) -> RecurrentModel: ...


def plain(model: TokenModel[Any]) -> TokenModel[Any]:
    """A network as it is from scratch, whatever it is computed in; other models as they are."""
    return model.to_scratch() if isinstance(model, Twin) else model


def pack(model: TokenModel[Any]) -> tuple[str, dict[str, Any], dict[str, Array]]:
    """The family's name, its settings and its arrays; raises InputError for a family of somebody else's."""
    model = plain(model)
    match model:
        case Uniform():
            return "uniform", {"size": model.size}, {}
        case NgramModel():
            return "ngram", *model.to_arrays()
        case BackoffModel():
            return "backoff", *model.to_arrays()
        case WindowModel():
            return "window", *model.to_arrays()
        case RecurrentModel():
            return "recurrent", *model.to_arrays()
        case ContextMixing():
            return "contexts", *model.to_arrays()
        case LinearMixture(bucket=bucket) if bucket is one_set:
            members = [pack(member) for member in model.models]
            arrays = {f"{k}.{name}": a for k, (_, _, own) in enumerate(members) for name, a in own.items()}
            named = [{"family": family, "settings": settings} for family, settings, _ in members]
            return "mixture", {"members": named}, {**arrays, "weights": model.weights}
        case LinearMixture():
            raise InputError(
                "save: expected a mixture of one set of weights, got one that picks among several"
            )
        case _:
            named = ", ".join(FAMILIES)
            raise InputError(f"save: expected a model of the families {named}, got {type(model).__name__}")


def unpack(family: str, settings: dict[str, Any], arrays: dict[str, Array]) -> TokenModel[Any]:
    """The model that was packed; raises FileFormatError when settings and arrays do not make one."""
    try:
        match family:
            case "uniform":
                return Uniform(int(settings["size"]))
            case "ngram":
                return NgramModel.from_arrays(settings, arrays)
            case "backoff":
                return BackoffModel.from_arrays(settings, arrays)
            case "window":
                return WindowModel.from_arrays(settings, arrays)
            case "recurrent":
                return RecurrentModel.from_arrays(settings, arrays)
            case "contexts":
                return ContextMixing.from_arrays(settings, arrays)
            case "mixture":
                return _mixture(settings["members"], arrays)
            case _:
                raise FileFormatError(f"model family: expected one of this version, got {family!r}")
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(f"{family} model: its settings are damaged ({error})") from error


def _mixture(members: list[dict[str, Any]], arrays: dict[str, Array]) -> LinearMixture:
    models = [
        unpack(
            member["family"],
            member["settings"],
            {name.removeprefix(f"{k}."): a for name, a in arrays.items() if name.startswith(f"{k}.")},
        )
        for k, member in enumerate(members)
    ]
    weights = arrays["weights"]
    if weights.dtype != np.float64 or weights.shape != (1, len(models)):
        raise FileFormatError(f"mixture: expected {len(models)} weights, got {weights.dtype} {weights.shape}")
    return LinearMixture(tuple(models), weights)


def describe_state(model: TokenModel[Any]) -> str:
    """What the model's state is, in words."""
    model = plain(model)
    match model:
        case NgramModel() | BackoffModel() if model.order > 1:
            tokens = model.order - 1
            return f"the last {tokens} tokens" if tokens > 1 else "the last token"
        case WindowModel(window=window):
            return f"the last {window} tokens" if window > 1 else "the last token"
        case RecurrentModel(arch=arch):
            vectors = 2 if arch.cell.name == "lstm" else 1
            numbers = arch.layers * arch.hidden * vectors
            return f"a vector of {numbers}"
        case ContextMixing():
            return "all that was read"
        case DynamicEvaluation() | ContinuousCache():
            return f"{describe_state(model.model)}, and its weights"
        case LinearMixture(models=members) | OnlineMixture(models=members) | LogisticMixture(models=members):
            return f"those of {len(members)} models"
        case _:
            return "nothing"


def size(model: TokenModel[Any]) -> tuple[int, str]:
    """How many numbers the model holds, and what they are: stored n-grams, parameters,
    tokens that were read."""
    model = plain(model)
    match model:
        case NgramModel(counts=counts):
            return len(counts), "n-grams"
        case BackoffModel(ngrams=ngrams):
            return sum(ngrams), "n-grams"
        case WindowModel(parameters=parameters) | RecurrentModel(parameters=parameters):
            return sum(array.size for array in parameters.values()), "parameters"
        case ContextMixing(read=read):
            return 0 if read is None else len(read), "tokens"
        case DynamicEvaluation() | ContinuousCache():
            return size(model.model)
        case LinearMixture(models=members) | OnlineMixture(models=members) | LogisticMixture(models=members):
            return sum(size(member)[0] for member in members), "numbers"
        case _:
            return 0, "parameters"
