"""The state is a learned vector: recurrent networks from scratch, one file a cell."""

from chainrule.models.recurrent.cell import Cell
from chainrule.models.recurrent.gru import Gru
from chainrule.models.recurrent.learner import RecurrentLearner
from chainrule.models.recurrent.lstm import Lstm
from chainrule.models.recurrent.mingru import MinGru
from chainrule.models.recurrent.minlstm import MinLstm
from chainrule.models.recurrent.model import RecurrentModel
from chainrule.models.recurrent.network import make_cell
from chainrule.models.recurrent.rnn import Rnn

__all__ = [
    "Cell",
    "Gru",
    "Lstm",
    "MinGru",
    "MinLstm",
    "RecurrentLearner",
    "RecurrentModel",
    "Rnn",
    "make_cell",
]
