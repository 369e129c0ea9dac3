"""The network of the text classifiers, in the functional API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from keras_tx.layers import (
    HashedNGramPooling,
    MeanMaxPooling1D,
    PositionalEmbedding,
    TransformerEncoder,
)
from keras_tx.layers.layer_normalization import LayerNormalization
from keras_tx.models.windowed_encoder import encoded_text


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
    multi_label: bool = False,
    encoder: Mapping[str, Any] | None = None,
    window: int | None = None,
    mask_id: int | None = None,
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
        multi_label: whether the classes do not exclude each other: then each has a score of its
            own, also of two classes. Default `False`.
        encoder: what `encoder_settings` returned, of an encoder that takes the place of embedding
            and encoders; see `TextClassifier.from_backbone`. Default `None`.
        window: tokens that this encoder reads at once, see `WindowedEncoder`.
        mask_id: what dropped tokens are replaced by before this encoder.
        dtype: dtype policy of all layers. Default: the global one.

    Returns:
        A model from ids `(B, T)` to logits `(B, C)`. The encoders' share of the logits comes
        from the layer `logits`; that of the n-grams from `ngram_logits`, made of one score a
        class in the layer `ngrams`, or of one score alone for two classes that exclude each
        other.

    Example:
        >>> from keras_tx.models import classification_network
        >>> classification_network(
        ...     vocabulary_size=100, num_classes=3, sequence_length=20).output_shape
        (None, 3)

    Source: Cheng et al. 2016, "Wide & Deep Learning for Recommender Systems".
    """
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = head_and_tail(ids, sequence_length) if ngram_buckets else ids
    if encoder is not None:
        x = encoded_text(
            x,
            encoder,
            window=window,
            dropout=dropout,
            token_dropout=token_dropout,
            mask_id=mask_id,
            dtype=dtype,
        )
    else:
        x = PositionalEmbedding(
            sequence_length,
            vocabulary_size,
            embed_dim,
            # Tokens and positions begin alike, and small, so that each step tells: sinusoids, of
            # size 1, drown the tokens, and vectors of that size take epochs to turn.
            embeddings_initializer=keras.initializers.RandomNormal(stddev=0.05),
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
            x = LayerNormalization(1e-5, dtype=dtype, name="encoder_norm")(x)
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
        opposites = num_classes == 2 and not multi_label
        size = 1 if opposites else num_classes
        wide = _ngram_logits(ids, size, opposites, ngram_buckets, ngram_orders, ngram_dtype)
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
    ids: Any,
    size: int,
    opposites: bool,
    buckets: int,
    orders: Sequence[int],
    table_dtype: str | None,
) -> Any:
    scores = HashedNGramPooling(
        buckets,
        size,
        orders,
        embeddings_dtype=table_dtype,
        trainable=False,
        dtype="float32",
        name="ngrams",
    )(ids)
    if opposites:  # The score is the difference of the two logits.
        scores = ops.concatenate([scores / -2, scores / 2], axis=-1)
    return keras.layers.Identity(dtype="float32", name="ngram_logits")(scores)
