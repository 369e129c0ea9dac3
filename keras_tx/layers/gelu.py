"""GELU with its gradient written out."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from keras_tx.layers.written_gradient import written_gradient


def gelu(inputs: Any) -> Any:
    """`x Φ(x)` for training, where `Φ` is the normal distribution's function.

    Its derivative, `Φ(x) + x φ(x)` with the density `φ`, needs what the function has computed.
    What a backend derives from its operations makes many arrays more, which take twice the time.

    Args:
        inputs: of any shape, floats. Computed in float32 at least.

    Returns:
        Of the shape and the type of the inputs.

    Example:
        >>> import numpy as np
        >>> from keras_tx.layers.gelu import gelu
        >>> np.asarray(gelu(np.array([-1.0, 0.0, 1.0], "float32"))).round(3).tolist()
        [-0.1589999943971634, 0.0, 0.8410000205039978]

    Source: Hendrycks and Gimpel 2016, "Gaussian Error Linear Units (GELUs)".
    """

    @written_gradient
    def activated(inputs: Any) -> Any:
        x = ops.cast(inputs, wide)
        below = 0.5 * ops.erf(x * math.sqrt(0.5)) + 0.5

        def gradient(upstream: Any) -> Any:
            density = ops.exp(-0.5 * ops.square(x)) * (1 / math.sqrt(2 * math.pi))
            return ops.cast(ops.cast(upstream, wide) * (below + x * density), dtype)

        return ops.cast(x * below, dtype), gradient

    inputs = ops.convert_to_tensor(inputs)
    dtype = keras.backend.standardize_dtype(inputs.dtype)
    wide = keras.backend.result_type(dtype, "float32")
    return activated(inputs)
