"""The network of masked language models: an encoder that guesses the tokens that are missing."""

from __future__ import annotations

from typing import Any

import keras

from keras_tx.layers.bias import Bias
from keras_tx.layers.layer_normalization import LayerNormalization
from keras_tx.layers.token_gathering import TokenGathering
from keras_tx.models.windowed_encoder import WindowedEncoder


def masked_language_network(encoder: keras.Model, dtype: Any = None) -> keras.Model:
    """Token ids and positions to scores over the vocabulary at these positions.

    `scores = norm(gelu(vectors[positions] W + b)) tableᵀ + bias`, with the encoder's token
    table: only the positions that are asked for go through the product with the vocabulary.

    Args:
        encoder: an `EncoderNetwork`, or a backbone of KerasHub that takes `token_ids` and
            has a `token_embedding` that can be called with `reverse=True`.
        dtype: dtype policy of the layers behind the encoder. Default: the global one.

    Returns:
        A model from `[ids (B, T), positions (B, P)]` to logits `(B, P, N)`. Its layers are
        named `encoder` (a `WindowedEncoder`), `masked_tokens`, `transform`,
        `transform_norm`, that of the token table, and `vocabulary_bias`. It is for training: a
        file of it would hold the token table twice, so save its `Backbone`, or the encoder.

    Raises:
        ValueError: when the encoder's token table has no reverse.

    Example:
        >>> from keras_tx.models import EncoderNetwork, masked_language_network
        >>> encoder = EncoderNetwork(vocabulary_size=50, embed_dim=8, dense_dim=16, num_heads=2)
        >>> masked_language_network(encoder).output_shape
        (None, None, 50)

    Source: Devlin et al. 2019, "BERT", section 3.1, and its reference implementation.
    """
    table = getattr(encoder, "token_embedding", None)
    if table is None:
        raise ValueError(
            "encoder expected a token_embedding, which makes scores over the vocabulary. "
            f"Received: {type(encoder).__name__}, which has none"
        )
    ids = keras.Input((None,), dtype="int32", name="ids")
    positions = keras.Input((None,), dtype="int32", name="positions")
    vectors = WindowedEncoder(encoder, dtype=dtype, name="encoder")(ids)
    x = TokenGathering(dtype=dtype, name="masked_tokens")(vectors, positions)
    x = keras.layers.Dense(table.output_dim, activation="gelu", dtype=dtype, name="transform")(x)
    x = LayerNormalization(1e-5, dtype=dtype, name="transform_norm")(x)
    logits = Bias(dtype=dtype, name="vocabulary_bias")(table(x, reverse=True))
    return keras.Model([ids, positions], logits, name="masked_language_network")
