"""Counted models: the state is the last n-1 tokens."""

from chainrule.models.ngram.backoff import BackoffModel
from chainrule.models.ngram.counts import Level, NgramCounts, count_ngrams
from chainrule.models.ngram.estimation import ESTIMATED, Discounts, Estimate, estimate
from chainrule.models.ngram.model import NgramModel
from chainrule.models.ngram.smoothing import AddK, MaximumLikelihood, Smoothing, StupidBackoff, WittenBell

__all__ = [
    "ESTIMATED",
    "AddK",
    "BackoffModel",
    "Discounts",
    "Estimate",
    "Level",
    "MaximumLikelihood",
    "NgramCounts",
    "NgramModel",
    "Smoothing",
    "StupidBackoff",
    "WittenBell",
    "count_ngrams",
    "estimate",
]
