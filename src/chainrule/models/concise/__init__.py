"""The framework version: recurrent networks in PyTorch, with the states, files and numbers of `recurrent`.

Nothing else in chainrule imports torch, and this package only when it is asked for.
"""

from chainrule.models.concise.missing import check_torch

check_torch()

from chainrule.models.concise.device import find_device  # noqa: E402
from chainrule.models.concise.learner import TorchLearner  # noqa: E402
from chainrule.models.concise.model import TorchRecurrent  # noqa: E402
from chainrule.models.concise.network import Network  # noqa: E402
from chainrule.models.concise.weights import from_scratch, to_scratch  # noqa: E402

__all__ = ["Network", "TorchLearner", "TorchRecurrent", "find_device", "from_scratch", "to_scratch"]
