"""How badly a region's vector foretells the tokens around the region."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_tx.layers.region_embedding import window_sum
from keras_tx.layers.validation import positive_integer

# What is foretold has this length on the average: its 16,000 numbers are then of size 1, as
# optimizers like them.
TARGET_LENGTH = 50.0


@keras.saving.register_keras_serializable(package="keras_tx")
class ContextError(keras.layers.Layer):
    """The squared error of a linear guess, made of a region, of the bag of tokens around it.

    The bag counts the tokens on either side of the region; rare tokens weigh more, the most
    frequent ones nothing, and the average bag is taken off. The error is that of all tokens of
    the vocabulary, but costs no product with it: for the guess `W h` of the bag `y`

        `|W h - y|² - |y|² = h · (Wᵀ W) h - 2 h · (Wᵀ y)`

    and `Wᵀ y` is a sum of the rows of `W` of the tokens in the bag.

    Args:
        input_dim: number of token ids, `N`.
        region_size: tokens of a region.
        context_size: tokens on either side. Default 5.

    Call arguments:
        regions: `(B, T, D)`, of the regions around each position.
        ids: `(B, T)`, without padding.

    Returns:
        `(B, T)`, float32: the error over that of the average bag, so that below 0 something is
        known. Its lowest value is about `-TARGET_LENGTH ** 2`.

    Raises:
        ValueError: when a size is not a positive integer.

    Example:
        >>> import numpy as np
        >>> from keras_tx.layers.context_error import ContextError
        >>> layer = ContextError(9, region_size=3, context_size=2)
        >>> layer.build((None, None, 4))
        >>> layer.set_counts(np.arange(9), ignored=2)
        >>> regions = np.ones((1, 6, 4), "float32")
        >>> tuple(layer(regions, np.array([[1, 2, 3, 4, 5, 6]])).shape)
        (1, 6)

    Source: two-view embedding: Johnson and Zhang 2015, "Semi-supervised Convolutional Neural
    Networks for Text Categorization via Region Embedding", section 2; the error of all items at
    the cost of a few: Hu et al. 2008, "Collaborative Filtering for Implicit Feedback Datasets".
    """

    def __init__(
        self, input_dim: int, region_size: int, context_size: int = 5, **kwargs: Any
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.input_dim = positive_integer("input_dim", input_dim)
        self.region_size = positive_integer("region_size", region_size)
        self.context_size = positive_integer("context_size", context_size)
        self.supports_masking = True  # There is no padding: nothing is to be left out.

    def build(self, regions_shape: tuple, ids_shape: tuple | None = None) -> None:
        numbers = {"shape": (self.input_dim,), "initializer": "ones", "trainable": False}
        self.scales = self.add_weight(**numbers, name="scales")
        self.shares = self.add_weight(**numbers, name="shares")
        self.guesses = self.add_weight(
            shape=(self.input_dim, regions_shape[-1]),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
            name="guesses",
        )
        self.built = True

    def set_counts(
        self, counts: np.ndarray, ignored: int = 60, power: float = 0.25, fewest: int = 5
    ) -> None:
        """Tell how often each token occurs, before the training.

        Args:
            counts: `(N,)`.
            ignored: how many of the most frequent tokens are no part of a bag: of any text they
                tell the same. Default 60.
            power: a token weighs `share ** -power`. Default 0.25.
            fewest: tokens that occur less often are no part of a bag either. Default 5.
        """
        counts = np.asarray(counts, "float64")
        shares = counts / max(counts.sum(), 1)
        scales = np.where(counts >= fewest, np.maximum(shares, 1e-12) ** -power, 0.0)
        scales[np.argsort(-counts, kind="stable")[:ignored]] = 0
        length = np.sqrt(2 * self.context_size * np.sum(scales**2 * shares))
        if not self.built:
            raise ValueError("set_counts expected a layer that has been built. Received: a new one")
        self.scales.assign(scales * TARGET_LENGTH / max(length, 1e-12))
        self.shares.assign(shares)

    def call(self, regions: Any, ids: Any) -> Any:
        regions = ops.cast(regions, "float32")
        scales = ops.convert_to_tensor(self.scales)[:, None]
        guesses = ops.convert_to_tensor(self.guesses)
        scaled = guesses * scales
        average = ops.sum(scaled * ops.convert_to_tensor(self.shares)[:, None], axis=0)
        tokens = ops.take(scaled, ids, axis=0) - average  # (B, T, D)
        first = -((self.region_size - 1) // 2)
        last = self.region_size - 1 + first
        bags = window_sum(tokens, first - self.context_size, first - 1)
        bags += window_sum(tokens, last + 1, last + self.context_size)
        product = ops.matmul(ops.transpose(guesses), guesses)  # (D, D)
        return ops.sum(regions * (ops.matmul(regions, product) - 2 * bags), axis=-1)

    def compute_mask(self, regions: Any, ids: Any = None, mask: Any = None) -> None:
        return None

    def compute_output_shape(self, regions_shape: tuple, ids_shape: tuple | None = None) -> tuple:
        return tuple(regions_shape[:2])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "region_size": self.region_size,
            "context_size": self.context_size,
        }
