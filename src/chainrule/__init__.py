"""Sequence models from counted n-grams to recurrent networks, on one interface, scored on held-out text.

The names stand in the order of the lecture: what a sequence model is, text, data sets, n-grams, networks,
perplexity, generation, and all of it together.
"""

from chainrule.core import (
    Batch,
    ChainruleError,
    FileFormatError,
    InputError,
    Learner,
    RunError,
    SequenceModel,
    Step,
    TokenModel,
    rollout,
    take_rows,
)
from chainrule.data.codec import Codec, letters_only
from chainrule.data.corpora import load_corpus
from chainrule.data.dataset import Dataset, make_dataset, split_text
from chainrule.data.partition import random_batches, sequential_batches
from chainrule.data.vocabulary import Vocabulary
from chainrule.language_model import LanguageModel, load
from chainrule.models.ngram import AddK, MaximumLikelihood, NgramModel, WittenBell, count_ngrams
from chainrule.models.recurrent import RecurrentLearner, RecurrentModel
from chainrule.models.uniform import Uniform
from chainrule.models.window import WindowLearner, WindowModel
from chainrule.recipes import Recipe, compare_models
from chainrule.tasks.evaluation import Evaluation, surprisal
from chainrule.tasks.generation import Sampling, generate
from chainrule.tasks.zipf import fit_zipf
from chainrule.training import SGD, Adam, train

__all__ = [
    "SGD",
    "Adam",
    "AddK",
    "Batch",
    "ChainruleError",
    "Codec",
    "Dataset",
    "Evaluation",
    "FileFormatError",
    "InputError",
    "LanguageModel",
    "Learner",
    "MaximumLikelihood",
    "NgramModel",
    "Recipe",
    "RecurrentLearner",
    "RecurrentModel",
    "RunError",
    "Sampling",
    "SequenceModel",
    "Step",
    "TokenModel",
    "Uniform",
    "Vocabulary",
    "WindowLearner",
    "WindowModel",
    "WittenBell",
    "compare_models",
    "count_ngrams",
    "fit_zipf",
    "generate",
    "letters_only",
    "load",
    "load_corpus",
    "make_dataset",
    "random_batches",
    "rollout",
    "sequential_batches",
    "split_text",
    "surprisal",
    "take_rows",
    "train",
]
