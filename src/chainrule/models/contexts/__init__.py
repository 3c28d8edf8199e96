"""Context mixing: adaptive n-grams of many orders, words and more, weighed bit by bit while they are read."""

from chainrule.models.contexts.bytes import ByteMixing, byte_kinds
from chainrule.models.contexts.model import ContextMixing

__all__ = ["ByteMixing", "ContextMixing", "byte_kinds"]
