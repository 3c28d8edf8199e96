"""Any model in the form that learns while it reads, so that each token is scored, then learned.

    recurrent network     its weights follow the text (dynamic evaluation), of words with a continuous cache
    mixture               of its members' online forms, by the same weights to begin with
    one that learns       itself
    any but the last      mixed with one that knows nothing but what it reads (context mixing)

The weights of the mixture follow the text, too. What is learned stands in the state: the model stays as it
is, and every text is read from the same start.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Integer, UInt32

from chainrule.core import InputError, TokenModel, check_tokens
from chainrule.kernels.mixing import LARGEST
from chainrule.models.archive import plain
from chainrule.models.contexts import ContextMixing
from chainrule.models.mixture import LinearMixture, LogisticMixture, Members, OnlineMixture, States, one_set
from chainrule.models.ngram import BackoffModel, NgramModel
from chainrule.models.online import ContinuousCache, DynamicEvaluation, UnigramCache
from chainrule.models.recurrent import RecurrentModel
from chainrule.models.uniform import Uniform
from chainrule.models.window import WindowModel

Array = np.ndarray
NEWCOMER = 0.05  # first weight of what has read nothing, beside a mixture that was weighed
WORDS = 4000  # ids from which a vocabulary is one of words
GATED, RATES = ("lstm", "gru"), (1.5e-4, 5e-5)  # the gradients of the other cells are longer and sooner wrong


def learns(model: TokenModel[Any]) -> bool:
    """Whether it learns while it reads by itself, so that its figures are those of a model online."""
    match model:
        case DynamicEvaluation() | ContinuousCache() | UnigramCache() | ContextMixing():
            return True
        case OnlineMixture() | LogisticMixture():
            return True
        case LinearMixture(models=members):
            return any(map(learns, members))
        case _:
            return False


def online(model: TokenModel[Any], kinds: UInt32[Array, " V"] | None = None) -> TokenModel[Any]:
    """The model's online form. kinds: what each id is, see `ContextMixing`. A network in PyTorch is taken as
    it is from scratch. A mixture that picked its weights by the members' states has one set: online, they
    have other states.

    Raises InputError for a model whose scores are no probabilities, and for one of somebody else's.
    """
    if not getattr(model, "normalised", True):
        raise InputError("online: expected a model of probabilities; this model's scores only rank")
    learning = _learning(plain(model))
    match learning:
        case OnlineMixture(models=members, first=first) if not any(
            isinstance(m, ContextMixing) for m in members
        ):
            if first is not None:
                first = np.append((1 - NEWCOMER) * first, NEWCOMER)
            return replace(learning, models=(*members, _counting(model.vocab_size, kinds)), first=first)
        case _ if learns(learning) and learns(model):
            return learning
        case _:
            return OnlineMixture((learning, _counting(model.vocab_size, kinds)))


def learning(models: Members, counting: TokenModel[Any], valid: Integer[Array, " T"]) -> OnlineMixture:
    """Models, each learning, and one that has read what they were trained on; their weights follow the text,
    from those that they would have had after `valid`."""
    made = OnlineMixture((*map(_learning, models), counting))
    _, after = made.score(made.start(1), valid[None])
    return replace(made, first=after.weights[0, 0])


def _learning(model: TokenModel[Any]) -> TokenModel[Any]:
    """What of the model can learn, does; nothing is added."""
    match model:
        case RecurrentModel():
            return _following(model)
        case NgramModel() | BackoffModel() | WindowModel() | Uniform():
            return model
        case LinearMixture(models=members, weights=weights):
            return OnlineMixture(tuple(map(_learning, members)), first=weights.mean(axis=0))
        case OnlineMixture(models=members) | LogisticMixture(models=members):
            return replace(model, models=tuple(map(_learning, members)), bucket=one_set, sets=1)
        case DynamicEvaluation() | ContinuousCache() | UnigramCache() | ContextMixing():
            return model
        case _:
            raise InputError(f"online: expected a model of chainrule, got {type(model).__name__}")


def primed(
    model: TokenModel[Any], prompt: Integer[Array, "1 T"], kinds: UInt32[Array, " V"] | None = None
) -> tuple[TokenModel[Any], Any]:
    """The model as it is once it has learned from a prompt, and its state after it.

    From there on the weights stay, of networks and of mixtures: nothing is learned from what the model itself
    says, which it would take for truer each time. What only remembers goes on: a cache and counts hold what
    was read last, as any state does.
    """
    if not prompt.size:
        return model, model.start(1)
    learning = online(model, kinds)
    _, state = learning.score(learning.start(1), check_tokens(prompt, learning.vocab_size))
    return settled(learning, state)


def settled(model: TokenModel[Any], state: Any) -> tuple[TokenModel[Any], Any]:
    """An online form with the weights that the one row of a state has learned, as a model that keeps them."""
    match model:
        case DynamicEvaluation():
            return model.settled(state), state.own
        case ContinuousCache(model=DynamicEvaluation() as inner):
            return replace(model, model=inner.settled(state.own)), state._replace(own=state.own.own)
        case OnlineMixture():
            models, states = _settled_members(model.models, state.own)
            return LinearMixture(models, state.weights[0], model.bucket), states
        case LogisticMixture():
            models, states = _settled_members(model.models, state.own)
            still = np.finfo(np.float64).tiny  # a rate at which no weight moves
            return replace(model, models=models, rate=still), state._replace(own=states)
        case _:
            return model, state


def _settled_members(models: Members, states: States) -> tuple[Members, States]:
    parts = [settled(*pair) for pair in zip(models, states, strict=True)]
    return tuple(model for model, _ in parts), tuple(state for _, state in parts)


def _following(model: RecurrentModel) -> TokenModel[Any]:
    """The network, dynamically evaluated; one of words looks into a cache besides."""
    learning = DynamicEvaluation(model, rate=RATES[model.arch.cell.name not in GATED])
    return ContinuousCache(learning, 2000, 0.1, 0.6) if model.vocab_size >= WORDS else learning


def _counting(vocab_size: int, kinds: UInt32[Array, " V"] | None) -> TokenModel[Any]:
    """A model that knows nothing but what it reads."""
    if vocab_size > LARGEST:
        return UnigramCache(Uniform(vocab_size), size=2000, weight=0.9)
    return ContextMixing(vocab_size, kinds)
