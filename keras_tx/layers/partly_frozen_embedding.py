"""Token vectors of which a part is known in advance and stays as it is."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_tx.layers.validation import positive_integer


@keras.saving.register_keras_serializable(package="keras_tx")
class PartlyFrozenEmbedding(keras.layers.Layer):
    """Token ids to vectors from two tables side by side; only the second one is trained.

    Args:
        input_dim: number of ids, `N`.
        frozen_dim: columns of the table that is not trained.
        trained_dim: columns of the table that is.
        frozen_dtype: dtype in which the first table is kept, such as `"float16"`: where no
            small steps are added up, half the precision is enough. Default: as the second one.

    Call arguments:
        inputs: ids `(B, T)`; 0 is padding.

    Returns:
        `(B, T, frozen_dim + trained_dim)`, with the mask "id is not 0".

    Raises:
        ValueError: when a size is not a positive integer.

    Example:
        >>> import numpy as np
        >>> from keras_tx.layers.partly_frozen_embedding import PartlyFrozenEmbedding
        >>> embedding = PartlyFrozenEmbedding(50, 3, 2)
        >>> tuple(embedding(np.array([[7, 8, 0]])).shape)
        (1, 3, 5)
        >>> [tuple(weight.shape) for weight in embedding.trainable_weights]
        [(50, 2)]

    Source: Johnson and Zhang 2015, "Semi-supervised Convolutional Neural Networks for Text
    Categorization via Region Embedding", section 3, with fixed and trained vectors.
    """

    def __init__(
        self,
        input_dim: int,
        frozen_dim: int,
        trained_dim: int,
        frozen_dtype: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.input_dim = positive_integer("input_dim", input_dim)
        self.frozen_dim = positive_integer("frozen_dim", frozen_dim)
        self.trained_dim = positive_integer("trained_dim", trained_dim)
        self.output_dim = self.frozen_dim + self.trained_dim
        self.frozen_dtype = frozen_dtype
        self.supports_masking = True
        # Not in `build`: which ids come changes nothing, and other models set the first table.
        self.frozen = self.add_weight(
            shape=(input_dim, frozen_dim),
            initializer="zeros",
            dtype=frozen_dtype or self.variable_dtype,
            trainable=False,
            name="frozen",
        )
        self.trained = self.add_weight(
            shape=(input_dim, trained_dim),
            # Small: the first table knows more.
            initializer=keras.initializers.RandomNormal(stddev=0.01),
            name="trained",
        )
        self.built = True

    def call(self, inputs: Any) -> Any:
        tables, ids = (self.frozen, self.trained), ops.cast(inputs, "int32")
        vectors = [ops.take(ops.convert_to_tensor(table), ids, axis=0) for table in tables]
        return ops.concatenate([ops.cast(part, self.compute_dtype) for part in vectors], axis=-1)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return ops.not_equal(inputs, 0)

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return (*inputs_shape, self.output_dim)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "frozen_dim": self.frozen_dim,
            "trained_dim": self.trained_dim,
            "frozen_dtype": self.frozen_dtype,
        }
