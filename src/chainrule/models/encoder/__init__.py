"""What reads a whole sequence before it says anything: one label for all of it, or one for each token."""

from chainrule.models.encoder.heads import HEADS
from chainrule.models.encoder.learner import EncoderLearner
from chainrule.models.encoder.model import Encoder, contributions

__all__ = ["HEADS", "Encoder", "EncoderLearner", "contributions"]
