"""The state is a learned vector: recurrent networks from scratch, one file a cell."""

from chainrule.models.recurrent.cell import Cell
from chainrule.models.recurrent.gru import Gru
from chainrule.models.recurrent.learner import RecurrentLearner
from chainrule.models.recurrent.lstm import Lstm
from chainrule.models.recurrent.network import RecurrentModel, make_cell
from chainrule.models.recurrent.rnn import Rnn

__all__ = ["Cell", "Gru", "Lstm", "RecurrentLearner", "RecurrentModel", "Rnn", "make_cell"]
