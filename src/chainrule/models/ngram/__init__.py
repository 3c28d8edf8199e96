"""Counted models: the state is the last n-1 tokens."""

from chainrule.models.ngram.counts import Level, NgramCounts, count_ngrams
from chainrule.models.ngram.model import NgramModel
from chainrule.models.ngram.smoothing import AddK, MaximumLikelihood, Smoothing, WittenBell

__all__ = [
    "AddK",
    "Level",
    "MaximumLikelihood",
    "NgramCounts",
    "NgramModel",
    "Smoothing",
    "WittenBell",
    "count_ngrams",
]
