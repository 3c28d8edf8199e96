"""Sequence models from counted n-grams to recurrent networks, on one interface, scored on held-out text.

The names stand in the order of the lecture: what a sequence model is, text, data sets, n-grams, networks,
perplexity, generation, and all of it together.
"""

from chainrule.classifier import TextClassifier
from chainrule.core import (
    Batch,
    ChainruleError,
    FileFormatError,
    InputError,
    Learner,
    Normal,
    RunError,
    SequenceModel,
    SeriesModel,
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
from chainrule.forecaster import Forecaster, SeriesWarning
from chainrule.language_model import LanguageModel, TrainedOnWarning, UnknownSymbolWarning, load
from chainrule.models.contexts import ContextMixing
from chainrule.models.encoder import Encoder, EncoderLearner
from chainrule.models.mixture import LinearMixture, LogisticMixture, OnlineMixture
from chainrule.models.ngram import (
    AddK,
    BackoffModel,
    MaximumLikelihood,
    NgramModel,
    StupidBackoff,
    WittenBell,
    count_ngrams,
    estimate,
)
from chainrule.models.online import ContinuousCache, DynamicEvaluation, UnigramCache
from chainrule.models.recurrent import RecurrentLearner, RecurrentModel
from chainrule.models.uniform import Uniform
from chainrule.models.window import WindowLearner, WindowModel
from chainrule.recipes import Recipe, compare_models
from chainrule.recipes.online import online
from chainrule.tagger import Tagger, load_tagger
from chainrule.tasks.evaluation import Evaluation, surprisal
from chainrule.tasks.generation import Sampling, generate
from chainrule.tasks.zipf import fit_zipf
from chainrule.training import SGD, Adam, AdamW, Limits, Plateau, cosine, train

__all__ = [  # noqa: RUF022 - in the order of the lecture
    "SequenceModel",
    "TokenModel",
    "SeriesModel",
    "Normal",
    "Batch",
    "Step",
    "Learner",
    "rollout",
    "take_rows",
    "load_corpus",
    "letters_only",
    "Vocabulary",
    "Codec",
    "split_text",
    "Dataset",
    "make_dataset",
    "random_batches",
    "sequential_batches",
    "Uniform",
    "count_ngrams",
    "NgramModel",
    "MaximumLikelihood",
    "AddK",
    "WittenBell",
    "StupidBackoff",
    "estimate",
    "BackoffModel",
    "fit_zipf",
    "WindowModel",
    "WindowLearner",
    "RecurrentModel",
    "RecurrentLearner",
    "Encoder",
    "EncoderLearner",
    "LinearMixture",
    "OnlineMixture",
    "LogisticMixture",
    "ContextMixing",
    "UnigramCache",
    "ContinuousCache",
    "DynamicEvaluation",
    "online",
    "SGD",
    "Adam",
    "AdamW",
    "Limits",
    "cosine",
    "Plateau",
    "train",
    "Evaluation",
    "surprisal",
    "Sampling",
    "generate",
    "LanguageModel",
    "load",
    "Forecaster",
    "Tagger",
    "load_tagger",
    "TextClassifier",
    "Recipe",
    "compare_models",
    "ChainruleError",
    "InputError",
    "FileFormatError",
    "RunError",
    "SeriesWarning",
    "TrainedOnWarning",
    "UnknownSymbolWarning",
]
