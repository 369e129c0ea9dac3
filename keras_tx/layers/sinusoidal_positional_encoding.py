"""The paper's sine and cosine positions."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_tx.layers.validation import positive_integer


@keras.saving.register_keras_serializable(package="keras_tx")
class SinusoidalPositionalEncoding(keras.layers.Layer):
    """Adds fixed sine/cosine position signals to a sequence of vectors, of any length.

    `PE(p, 2i) = sin(p / max_wavelength^(2i/D))`, `PE(p, 2i+1) = cos(the same)`:
    sines stand at the even, cosines at the odd places. A Keras mask passes through.

    Args:
        max_wavelength: base of the geometric progression. Default 10000.

    Call arguments:
        inputs: `(B, T, D)`.
        start_index: position of the first vector; an integer or a scalar tensor.
            Default 0.

    Returns:
        `(B, T, D)`, the inputs plus the encoding.

    Raises:
        ValueError: when `max_wavelength` is not a positive integer.

    Example:
        >>> import numpy as np, keras_tx
        >>> encode = keras_tx.layers.SinusoidalPositionalEncoding()
        >>> np.round(np.asarray(encode(np.zeros((1, 2, 4), "float32")))[0, 1], 4).tolist()
        [0.8414999842643738, 0.5403000116348267, 0.009999999776482582, 1.0]

    Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.5.
    """

    def __init__(self, max_wavelength: int = 10000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.max_wavelength = positive_integer("max_wavelength", max_wavelength)
        self.built = True

    def call(self, inputs: Any, start_index: Any = 0) -> Any:
        size = inputs.shape[-1]
        positions = ops.arange(ops.shape(inputs)[1], dtype="int32") + ops.cast(start_index, "int32")
        places = ops.arange(size, dtype="int32")
        exponents = ops.cast(2 * (places // 2), "float32") / size
        angles = ops.cast(positions, "float32")[:, None] * ops.power(
            float(self.max_wavelength), -exponents
        )
        encoding = ops.where(places % 2 == 0, ops.sin(angles), ops.cos(angles))
        return inputs + ops.cast(encoding, inputs.dtype)

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return inputs_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "max_wavelength": self.max_wavelength}
