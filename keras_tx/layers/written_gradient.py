"""Functions whose gradient is written out, for any backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops


def written_gradient(function: Callable) -> Callable:
    """`keras.ops.custom_gradient` for a gradient function of one positional argument.

    TensorFlow passes the gradient of the outputs by name, JAX by position; here it always comes
    by position.

    Args:
        function: takes tensors and returns its output, one tensor, and a function that makes of
            the gradient for that output those for the tensors, a tuple if there are several.

    Returns:
        A function of the same tensors that returns the output.

    Example:
        >>> import keras
        >>> from keras_tx.layers.written_gradient import written_gradient
        >>> square = written_gradient(lambda x: (x * x, lambda upstream: 2 * x * upstream))
        >>> float(square(keras.ops.convert_to_tensor(3.0)))
        9.0
    """

    @ops.custom_gradient
    def derived(*tensors: Any) -> Any:
        output, gradient = function(*tensors)

        def backward(*arguments: Any, upstream: Any = None) -> Any:
            (upstream,) = arguments if upstream is None else (upstream,)
            return gradient(upstream)

        return output, backward

    return derived
