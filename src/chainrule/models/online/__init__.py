"""The state is what was read, or what was learned of it: models that learn while they read."""

from chainrule.models.online.continuous_cache import ContinuousCache
from chainrule.models.online.dynamic import DynamicEvaluation
from chainrule.models.online.unigram_cache import UnigramCache

__all__ = ["ContinuousCache", "DynamicEvaluation", "UnigramCache"]
