"""The model that is what it has read: adaptive n-grams, words and more, weighed as they prove right."""

import numpy as np
from jaxtyping import UInt32

from chainrule.core import InputError
from chainrule.data.codec import Codec
from chainrule.data.dataset import Dataset
from chainrule.data.kinds import token_kinds
from chainrule.kernels.mixing import LARGEST
from chainrule.models.contexts import ContextMixing, byte_kinds
from chainrule.recipes.recipe import FitResult, Recipe

TABLE_BITS = 16, 22  # 4 and 268 MB
BUCKETS = 5  # for each token: fewer than it meets, as most come again


def read(recipe: Recipe, data: Dataset) -> FitResult:
    """It reads the training text, and learns on as it reads others: its figures are those of a model online.

    Raises InputError for a text without a token, and for a vocabulary that is too large.
    """
    vocab_size, ids = data.codec.vocab_size, data.train.ids
    if not len(ids):
        raise InputError("training text: expected at least one token, got none")
    if vocab_size > LARGEST:
        raise InputError(
            f"contexts: expected a vocabulary of at most {LARGEST:,} tokens, got {vocab_size:,}; "
            f"--vocab-limit {LARGEST - 1} or --min-freq 2 makes it smaller"
        )
    least, most = TABLE_BITS
    bits = int(np.clip(np.ceil(np.log2(BUCKETS * len(ids))), least, most))
    kinds = kinds_of(data.codec)
    model = ContextMixing(vocab_size, kinds, ids.astype(np.int32), table_bits=bits)
    model.predict(model.start(1))  # it reads when it is first asked, so that files open at once
    return FitResult(model, recipe)


def kinds_of(codec: Codec) -> UInt32[np.ndarray, " V"]:
    """What each id of a vocabulary is to a mix of contexts."""
    tokens, join = codec.vocabulary.tokens, codec.tokenizer.join
    if codec.tokenizer.name == "bytes":
        return np.concatenate([byte_kinds(), token_kinds(tokens[256:])])
    return token_kinds([token if token == codec.vocabulary.unknown else join([token]) for token in tokens])
