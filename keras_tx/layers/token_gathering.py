"""The vectors at some positions of a sequence."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_tx")
class TokenGathering(keras.layers.Layer):
    """Picks the vectors at given positions: `output[b, p] = vectors[b, positions[b, p]]`.

    What follows is computed for these positions alone. A masked language model asks for the
    tokens at one position in seven: the product with the whole vocabulary, its largest, then
    costs a seventh. The mask ends here.

    Call arguments:
        vectors: `(B, T, D)`.
        positions: integers `(B, P)` from 0 to `T - 1`; a position may come twice.

    Returns:
        `(B, P, D)`.

    Example:
        >>> import numpy as np, keras_tx
        >>> from keras_tx.layers.token_gathering import TokenGathering
        >>> vectors = np.array([[[1.0], [2.0], [3.0]]], "float32")
        >>> np.asarray(TokenGathering()(vectors, np.array([[2, 0]]))).tolist()
        [[[3.0], [1.0]]]

    Source: Devlin et al. 2019, "BERT", section 3.1, predicts the masked tokens alone.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)  # Half precision would change positions.
        self.supports_masking = True
        self.built = True

    def call(self, vectors: Any, positions: Any) -> Any:
        vectors, size = ops.cast(vectors, self.compute_dtype), vectors.shape[-1]
        batch, length = ops.shape(vectors)[0], ops.shape(vectors)[1]
        # Whole rows of one table: picking along an axis would pick each number by itself.
        starts = ops.arange(batch, dtype="int32")[:, None] * length
        rows = ops.take(
            ops.reshape(vectors, (-1, size)),
            ops.reshape(ops.cast(positions, "int32") + starts, (-1,)),
            axis=0,
        )
        return ops.reshape(rows, (*ops.shape(positions), size))

    def compute_mask(self, vectors: Any, mask: Any = None) -> None:
        return None

    def compute_output_shape(self, vectors_shape: tuple, positions_shape: tuple) -> tuple:
        return (*positions_shape, vectors_shape[-1])
