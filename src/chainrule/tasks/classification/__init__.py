"""Classification: Bayes' rule with a model a class, several opinions as one, and what they are worth."""

from chainrule.tasks.classification.bayes import class_log_probs, posterior, token_evidence
from chainrule.tasks.classification.pool import Pool, fit_pool
from chainrule.tasks.classification.scores import Bin, ClassScores, interval, reliability, scores

__all__ = [
    "Bin",
    "ClassScores",
    "Pool",
    "class_log_probs",
    "fit_pool",
    "interval",
    "posterior",
    "reliability",
    "scores",
    "token_evidence",
]
