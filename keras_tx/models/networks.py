"""The networks of the ready-made models, in the functional API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_tx.layers import (
    HashedNGramEmbedding,
    MeanMaxPooling1D,
    PositionalEmbedding,
    RootPooling1D,
    TransformerDecoder,
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
    dtype: Any = None,
) -> keras.Model:
    """Token ids to class scores: embedding, encoders, mean and max pooling, dense layer.

    With `ngram_buckets`, a linear classifier on n-grams is added to the scores ("wide and
    deep"): it learns from little data what attention does not. In training it is left out
    of every fifth text, for it soon knows the training texts by heart, and the encoder would
    have nothing left to learn.

    Args:
        vocabulary_size: number of token ids.
        num_classes: number of classes, `C`.
        sequence_length: the most tokens.
        embed_dim, dense_dim, num_heads, num_layers, norm_first, activation: of the encoders.
        dropout: rate inside the encoders; the pooled vector gets 0.5.
        token_dropout: rate at which whole tokens are dropped in training.
        ngram_buckets: size of the table for each kind of n-gram; 0 (default) for no such
            branch.
        ngram_orders: which n-grams. Default single tokens, pairs and triples.
        dtype: dtype policy of all layers. Default: the global one.

    Returns:
        A model from ids `(B, T)` to logits `(B, C)`.

    Example:
        >>> from keras_tx.models import classification_network
        >>> classification_network(
        ...     vocabulary_size=100, num_classes=3, sequence_length=20).output_shape
        (None, 3)
    """
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = PositionalEmbedding(
        sequence_length,
        vocabulary_size,
        embed_dim,
        positions="sinusoidal",
        embeddings_initializer=keras.initializers.RandomNormal(stddev=0.1),
        dtype=dtype,
        name="embedding",
    )(ids)
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
        sizes = {n: min(ngram_buckets, vocabulary_size**n) for n in ngram_orders}
        wide = [_ngram_scores(ids, n, sizes[n], num_classes, token_dropout) for n in ngram_orders]
        wide = keras.layers.Add(dtype="float32", name="ngram_scores")(wide)
        wide = keras.layers.Dropout(
            0.2, noise_shape=(None, 1), dtype="float32", name="wide_dropout"
        )(wide)
        logits = keras.layers.Add(dtype="float32", name="wide_and_deep")([logits, wide])
    return keras.Model(ids, logits, name="classification_network")


def _ngram_scores(ids: Any, n: int, num_buckets: int, num_classes: int, dropout: float) -> Any:
    """One weight for each n-gram and class, summed to scores `(B, C)`."""
    x = HashedNGramEmbedding(
        num_buckets,
        num_classes,
        n=n,
        embeddings_initializer="zeros",
        dtype="float32",
        name=f"ngrams_{n}",
    )(ids)
    x = keras.layers.Dropout(
        dropout, noise_shape=(None, None, 1), dtype="float32", name=f"ngram_dropout_{n}"
    )(x)
    # Rare n-grams get few steps: a scale of 5 lets each step count.
    return RootPooling1D(scale=5.0, dtype="float32", name=f"ngram_pooling_{n}")(x)


def translation_network(
    *,
    source_vocabulary_size: int,
    target_vocabulary_size: int | None = None,
    sequence_length: int | None = None,
    embed_dim: int = 256,
    dense_dim: int = 1024,
    num_heads: int = 4,
    num_encoder_layers: int = 3,
    num_decoder_layers: int = 3,
    dropout: float = 0.1,
    norm_first: bool = True,
    activation: str = "relu",
    positions: str = "sinusoidal",
    dtype: Any = None,
) -> keras.Model:
    """An encoder–decoder from source and target ids to scores over the target vocabulary.

    The output projection is the target's token table; with one vocabulary for both
    languages, that table is the source's too.

    Args:
        source_vocabulary_size: number of source ids.
        target_vocabulary_size: number of target ids, `N`; `None` (default) for one table
            that both languages share.
        sequence_length: the most tokens; needed with learned positions.
        embed_dim, dense_dim, num_heads, norm_first, activation: of encoders and decoders.
        num_encoder_layers, num_decoder_layers: how many of each.
        dropout: rate on embeddings and inside the layers.
        positions: `"sinusoidal"` (default) or `"learned"`.
        dtype: dtype policy of all layers. Default: the global one.

    Returns:
        A model from `[source ids (B, Ts), target ids (B, Tt)]` to logits `(B, Tt, N)`.
        Its layers are named `source_embedding`, `target_embedding` (`embedding` if
        shared), `encoder_0` …, `encoder_norm`, `decoder_0` …, `decoder_norm`.

    Example:
        >>> from keras_tx.models import translation_network
        >>> translation_network(source_vocabulary_size=100, embed_dim=32).output_shape
        (None, None, 100)
    """

    def embedding(size: int, name: str) -> PositionalEmbedding:
        return PositionalEmbedding(
            sequence_length,
            size,
            embed_dim,
            positions=positions,
            scale=True,
            # Small enough that the tied output projection starts with even scores.
            embeddings_initializer=keras.initializers.RandomNormal(stddev=embed_dim**-0.5),
            dtype=dtype,
            name=name,
        )

    def stack(block: type, count: int, name: str, x: Any, *further: Any) -> Any:
        for number in range(count):
            x = block(
                embed_dim,
                dense_dim,
                num_heads,
                norm_first=norm_first,
                dropout=dropout,
                activation=activation,
                dtype=dtype,
                name=f"{name}_{number}",
            )(x, *further)
        if norm_first:
            x = keras.layers.LayerNormalization(epsilon=1e-5, dtype=dtype, name=f"{name}_norm")(x)
        return x

    if target_vocabulary_size is None:
        source_embedding = target_embedding = embedding(source_vocabulary_size, "embedding")
    else:
        source_embedding = embedding(source_vocabulary_size, "source_embedding")
        target_embedding = embedding(target_vocabulary_size, "target_embedding")
    source_ids = keras.Input((None,), dtype="int32", name="source_ids")
    target_ids = keras.Input((None,), dtype="int32", name="target_ids")
    x = keras.layers.Dropout(dropout, dtype=dtype, name="source_dropout")(
        source_embedding(source_ids)
    )
    encoded = stack(TransformerEncoder, num_encoder_layers, "encoder", x)
    y = keras.layers.Dropout(dropout, dtype=dtype, name="target_dropout")(
        target_embedding(target_ids)
    )
    y = stack(TransformerDecoder, num_decoder_layers, "decoder", y, encoded)
    logits = target_embedding(y, reverse=True)
    return keras.Model([source_ids, target_ids], logits, name="translation_network")
