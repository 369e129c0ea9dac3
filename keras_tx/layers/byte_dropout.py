"""Dropout that needs a quarter of the random numbers."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_tx")
class ByteDropout(keras.layers.Dropout):
    """Dropout that draws one byte for each value, where Keras draws a float.

    On a processor the random numbers of dropout cost as much as the products of a small
    Transformer; four values share one number here. The rate is therefore rounded to a
    multiple of 1/256 (and is at least 1/256, at most 255/256, unless it is 0); what stays is
    divided by exactly the share that stays, so that the expected value is the input.

    Args:
        rate: share of the values that are set to 0, in [0, 1]. 0 draws nothing.
        seed: of the random numbers. Default `None`.

    Call arguments:
        inputs: `(…, D)`, floats.
        training: whether to drop.

    Returns:
        Of the shape and the type of the inputs.

    Raises:
        ValueError: when `rate` is outside [0, 1].

    Example:
        >>> import numpy as np
        >>> from keras_tx.layers.byte_dropout import ByteDropout
        >>> outputs = ByteDropout(0.5, seed=1)(np.ones((100, 100), "float32"), training=True)
        >>> sorted({float(value) for value in np.asarray(outputs).flat})
        [0.0, 2.0]

    Source: Srivastava et al. 2014, "Dropout".
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(rate, None, seed, **kwargs)  # Without a shape of its own for the noise.

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if not training or not self.rate:
            return inputs
        *rows, width = ops.shape(inputs)
        drawn = keras.random.randint(
            (*rows, (width + 3) // 4),
            minval=-(2**31),
            maxval=2**31 - 1,
            dtype="int32",
            seed=self.seed_generator,
        )
        values = ops.view(drawn, "uint8")  # Each number's four bytes stand side by side.
        values = ops.reshape(values, (*rows, (width + 3) // 4 * 4))[..., :width]
        dropped = min(max(round(self.rate * 256), 1), 255)
        # A product, whose gradient is another one; a choice between two arrays takes longer.
        stays = ops.cast(values >= dropped, inputs.dtype)
        return inputs * (stays * ops.cast(256 / (256 - dropped), inputs.dtype))

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["noise_shape"]
        return config
