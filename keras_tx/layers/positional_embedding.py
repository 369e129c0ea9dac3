"""Token embeddings plus positions."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_tx.layers.sinusoidal_positional_encoding import SinusoidalPositionalEncoding
from keras_tx.layers.validation import one_of, positive_integer


@keras.saving.register_keras_serializable(package="keras_tx")
class PositionalEmbedding(keras.layers.Layer):
    """The sum of a token embedding and a position embedding.

    `output[t] = table[ids[t]] (· √output_dim) + position[start_index + t]`. The mask
    "id is not 0" is attached to the output and travels on from there. With
    `reverse=True` the layer gives the product with its transposed token table:
    hidden states in, scores over the vocabulary out (tied embeddings).

    Args:
        sequence_length: the longest sequence; the number of learned positions.
            May be `None` with sinusoidal positions, which have no longest one.
        input_dim: size of the vocabulary, `N`.
        output_dim: size of the vectors, `D`.
        positions: `"learned"` (default, as in the book) or `"sinusoidal"`.
        scale: multiply token vectors by `√output_dim`, as the paper does when
            they double as output projection. Default `False`.
        mask_zero: whether id 0 is padding. Default `True`.
        embeddings_initializer: initializer of both tables. Default `"uniform"`.

    Call arguments:
        inputs: ids `(B, T)`; with `reverse=True` hidden states `(B, T, D)`.
        start_index: position of the first id, to decode one token at a time; an
            integer or a scalar tensor. Default 0.
        reverse: whether to project to the vocabulary. Default `False`.

    Returns:
        `(B, T, D)`; with `reverse=True` `(B, T, N)`.

    Raises:
        ValueError: when a sequence is longer than `sequence_length` (as far as the
            shape is known), or a size is not positive.

    Example:
        >>> import numpy as np, keras_tx
        >>> embed = keras_tx.layers.PositionalEmbedding(5, input_dim=10, output_dim=4)
        >>> tuple(embed(np.array([[7, 2, 0]])).shape)
        (1, 3, 4)

    Source: Chollet, *Deep Learning with Python*, 2nd edition, listing 11.24; tied
    embeddings: Press and Wolf 2017, "Using the Output Embedding to Improve Language
    Models".
    """

    def __init__(
        self,
        sequence_length: int | None,
        input_dim: int,
        output_dim: int,
        positions: str = "learned",
        scale: bool = False,
        mask_zero: bool = True,
        embeddings_initializer: Any = "uniform",
        **kwargs: Any,
    ) -> None:
        # Ids may come as floats (an Input's default); half precision would change them.
        super().__init__(autocast=False, **kwargs)
        self.positions = one_of("positions", positions, ("learned", "sinusoidal"))
        if sequence_length is not None or positions == "learned":
            sequence_length = positive_integer("sequence_length", sequence_length)
        self.sequence_length = sequence_length
        self.input_dim = positive_integer("input_dim", input_dim)
        self.output_dim = positive_integer("output_dim", output_dim)
        self.scale = scale
        self.mask_zero = mask_zero
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)

    def build(self, inputs_shape: tuple) -> None:
        self.token_embeddings = keras.layers.Embedding(
            self.input_dim,
            self.output_dim,
            embeddings_initializer=self._initializer(),
            dtype=self.dtype_policy,
            name="token_embeddings",
        )
        self.token_embeddings.build((None, None))
        if self.positions == "learned":
            self.position_embeddings = keras.layers.Embedding(
                self.sequence_length,
                self.output_dim,
                embeddings_initializer=self._initializer(),
                dtype=self.dtype_policy,
                name="position_embeddings",
            )
            self.position_embeddings.build((None,))
        else:
            self.position_encoding = SinusoidalPositionalEncoding(dtype=self.dtype_policy)
        self.built = True

    def _initializer(self) -> keras.Initializer:
        config = keras.initializers.serialize(self.embeddings_initializer)
        return keras.initializers.deserialize(config)

    def call(self, inputs: Any, start_index: Any = 0, reverse: bool = False) -> Any:
        if reverse:
            table = ops.cast(self.token_table(), self.compute_dtype)
            rows = ops.reshape(ops.cast(inputs, self.compute_dtype), (-1, self.output_dim))
            logits = ops.matmul(rows, ops.transpose(table))
            return ops.reshape(logits, (*ops.shape(inputs)[:-1], self.input_dim))
        self._check_positions(inputs.shape[1], start_index)
        vectors = self.token_vectors(inputs)
        return vectors + self.position_vectors(ops.shape(inputs)[1], start_index)

    def token_table(self) -> Any:
        """All tokens' vectors `(N, D)`, as the tied output projection needs them."""
        if getattr(self.token_embeddings, "quantization_mode", None):
            # What Keras' `quantize` leaves has scales of its own: looked up, it has them.
            return self.token_embeddings(ops.arange(self.input_dim, dtype="int32"))
        return self.token_embeddings.embeddings

    def token_vectors(self, ids: Any) -> Any:
        """The vectors of ids `(…)` without their positions, `(…, D)`."""
        vectors = self.token_embeddings(ids)
        return vectors * self.output_dim**0.5 if self.scale else vectors

    def position_vectors(self, length: Any, start_index: Any = 0) -> Any:
        """The vectors of `length` positions from `start_index` on, `(length, D)`."""
        if self.positions == "sinusoidal":
            nothing = ops.zeros((1, length, self.output_dim), self.compute_dtype)
            return self.position_encoding(nothing, start_index=start_index)[0]
        return self.position_embeddings(
            ops.arange(length, dtype="int32") + ops.cast(start_index, "int32")
        )

    def _check_positions(self, length: int | None, start_index: Any) -> None:
        start = start_index if isinstance(start_index, int) else 0
        if start < 0:
            raise ValueError(
                f"Layer {self.name!r} expected a start_index from 0 on. "
                f"Received: start_index={start_index!r}"
            )
        # A length can also be None or, while JAX traces a shape, an expression.
        known = isinstance(length, int) and self.sequence_length is not None
        if known and start + length > self.sequence_length:
            raise ValueError(
                f"Layer {self.name!r} expected at most sequence_length={self.sequence_length} "
                f"positions. Received: {start + length}"
            )

    def compute_output_shape(self, inputs_shape: tuple, *others: Any, **more: Any) -> tuple:
        """The shape of the vectors of ids, for what wraps the layer."""
        return (*inputs_shape, self.output_dim)

    def compute_output_spec(self, *arguments: Any, **options: Any) -> Any:
        # Traced, not made of the shape above: with `reverse` it is another one.
        return keras.Operation.compute_output_spec(self, *arguments, **options)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        # Inputs of rank 3 are hidden states on their way to the vocabulary: their mask
        # goes on to the loss.
        if len(inputs.shape) > 2:
            return previous_mask
        return ops.not_equal(inputs, 0) if self.mask_zero else None

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "sequence_length": self.sequence_length,
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "positions": self.positions,
            "scale": self.scale,
            "mask_zero": self.mask_zero,
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
        }
