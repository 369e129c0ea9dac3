"""The network of the text classifiers, in the functional API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_tx.layers import (
    HashedNGramPooling,
    MeanMaxPooling1D,
    PositionalEmbedding,
    TransformerEncoder,
)


def classification_network(
    *,
    vocabulary_size: int,
    num_classes: int,
    sequence_length: int,
    embed_dim: int = 128,
    dense_dim: int = 512,
    num_heads: int = 4,
    num_layers: int = 2,
    dropout: float = 0.2,
    token_dropout: float = 0.3,
    norm_first: bool = True,
    activation: str = "gelu",
    ngram_buckets: int = 0,
    ngram_orders: Sequence[int] = (1, 2, 3),
    ngram_dtype: str | None = None,
    dtype: Any = None,
) -> keras.Model:
    """Token ids to class scores: embedding, encoders, mean and max pooling, dense layer.

    With `ngram_buckets`, a linear classifier on n-grams is added to the scores ("wide and
    deep"): it learns from little data what attention does not. It reads the whole text, of
    which the encoders get head and tail. Its weights are not for gradients: see
    `TextClassifier.fit_ngrams`.

    Args:
        vocabulary_size: number of token ids.
        num_classes: number of classes, `C`.
        sequence_length: the most tokens that the encoders get.
        embed_dim, dense_dim, num_heads, num_layers, norm_first, activation: of the encoders.
        dropout: rate inside the encoders; the pooled vector gets 0.5.
        token_dropout: rate at which whole tokens are dropped in training.
        ngram_buckets: size of the table of n-grams; 0 (default) for no such branch.
        ngram_orders: which n-grams. Default single tokens, pairs and triples.
        ngram_dtype: dtype of the table, such as `"float16"`. Default: float32.
        dtype: dtype policy of all layers. Default: the global one.

    Returns:
        A model from ids `(B, T)` to logits `(B, C)`. The encoders' share of the logits comes
        from the layer `logits`; that of the n-grams from `ngram_logits`, made of one score a
        class in the layer `ngrams`, or of one score alone for two classes.

    Example:
        >>> from keras_tx.models import classification_network
        >>> classification_network(
        ...     vocabulary_size=100, num_classes=3, sequence_length=20).output_shape
        (None, 3)

    Source: Cheng et al. 2016, "Wide & Deep Learning for Recommender Systems".
    """
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = head_and_tail(ids, sequence_length) if ngram_buckets else ids
    x = PositionalEmbedding(
        sequence_length,
        vocabulary_size,
        embed_dim,
        positions="sinusoidal",
        # Tokens as large as positions: else the positions drown them, and nothing is learned.
        scale=True,
        embeddings_initializer=keras.initializers.RandomNormal(stddev=0.1),
        dtype=dtype,
        name="embedding",
    )(x)
    # One draw a token, so that whole tokens go, not single numbers of their vectors.
    tokens_only = {"noise_shape": (None, None, 1), "dtype": dtype}
    x = keras.layers.Dropout(token_dropout, name="token_dropout", **tokens_only)(x)
    for number in range(num_layers):
        x = TransformerEncoder(
            embed_dim,
            dense_dim,
            num_heads,
            norm_first=norm_first,
            dropout=dropout,
            activation=activation,
            dtype=dtype,
            name=f"encoder_{number}",
        )(x)
    if norm_first:
        x = keras.layers.LayerNormalization(epsilon=1e-5, dtype=dtype, name="encoder_norm")(x)
    x = MeanMaxPooling1D(dtype=dtype, name="pooling")(x)
    x = keras.layers.Dropout(0.5, dtype=dtype, name="pooled_dropout")(x)
    logits = keras.layers.Dense(
        num_classes,
        # Small: an encoder that has learned nothing yet should say little.
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        dtype="float32",
        name="logits",
    )(x)
    if ngram_buckets:
        wide = _ngram_logits(ids, num_classes, ngram_buckets, ngram_orders, ngram_dtype)
        logits = keras.layers.Add(dtype="float32", name="wide_and_deep")([logits, wide])
    return keras.Model(ids, logits, name="classification_network")


def head_and_tail(ids: Any, sequence_length: int) -> Any:
    """The first and the last ids of each sequence that is too long.

    Args:
        ids: `(B, T)`, with the end id, padded at the end with 0.
        sequence_length: the most ids that are kept, `L`.

    Returns:
        `(B, min(T, L))`: what `keras_tx.text.pack` with `truncation="head_tail"` keeps. Of
        `L - 1` ids the larger half comes from the front, the rest and the end id from the end.

    Example:
        >>> import numpy as np
        >>> from keras_tx.models.classification_network import head_and_tail
        >>> ids = np.array([[4, 5, 6, 7, 8, 3], [4, 5, 3, 0, 0, 0]])
        >>> np.asarray(head_and_tail(ids, 4)).tolist()
        [[4, 5, 8, 3], [4, 5, 3, 0]]

    Source: Sun et al. 2019, "How to Fine-Tune BERT for Text Classification?", section 5.3.1.
    """
    lengths = ops.sum(ops.cast(ops.not_equal(ids, 0), "int32"), axis=1, keepdims=True)
    left_out = ops.maximum(lengths - sequence_length, 0)  # (B, 1)
    places = ops.cumsum(ops.ones_like(ids[:1, :sequence_length], "int32"), axis=1) - 1
    head = sequence_length // 2  # Half of what the end id leaves, rounded up.
    places = ops.where(places < head, places, places + left_out)  # (B, min(T, L))
    return ops.take_along_axis(ids, places, axis=1)


def _ngram_logits(
    ids: Any, num_classes: int, buckets: int, orders: Sequence[int], table_dtype: str | None
) -> Any:
    scores = HashedNGramPooling(
        buckets,
        num_classes if num_classes > 2 else 1,
        orders,
        embeddings_dtype=table_dtype,
        trainable=False,
        dtype="float32",
        name="ngrams",
    )(ids)
    if num_classes == 2:  # The score is the difference of the two logits.
        scores = ops.concatenate([scores / -2, scores / 2], axis=-1)
    return keras.layers.Identity(dtype="float32", name="ngram_logits")(scores)
