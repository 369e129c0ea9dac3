"""The precision in which a model that is not to be trained computes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

COMPUTED = ("float32", "bfloat16")
ROUNDED = ("bfloat16", "int8", "uint8")  # The others are what Keras' `quantize` leaves.


@contextlib.contextmanager
def building_in(precision: str | None) -> Iterator[None]:
    """Networks that are built meanwhile have this precision, unless they are told another one.

    Args:
        precision: `"float32"`, `"bfloat16"`, or `None` for Keras' own setting.

    Raises:
        ValueError: for another one.

    Example:
        >>> import keras
        >>> from keras_tx.models.computing_precision import building_in
        >>> with building_in("bfloat16"):
        ...     layer = keras.layers.Dense(2)
        >>> layer.compute_dtype, keras.layers.Dense(2).compute_dtype
        ('bfloat16', 'float32')
    """
    if precision is not None and precision not in COMPUTED:
        raise ValueError(f"precision expected one of {COMPUTED}. Received: precision={precision!r}")
    former = keras.config.dtype_policy()
    if precision is not None:
        keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(former)


def has_rounded_weights(model: Any) -> bool:
    """Whether weights are numbers of 8 significant bits.

    Example:
        >>> import keras
        >>> from keras_tx.models.computing_precision import has_rounded_weights
        >>> has_rounded_weights(keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]))
        False
    """
    return any(weight.dtype == "bfloat16" for weight in model.weights)


def require_whole_weights(model: Any, purpose: str) -> None:
    """Raise `ValueError` for a model whose weights have been rounded.

    Example:
        >>> import keras
        >>> from keras_tx.models.computing_precision import require_whole_weights
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, dtype="bfloat16")])
        >>> require_whole_weights(model, "training")
        Traceback (most recent call last):
        ValueError: training expected a model loaded in float32. Received: one in bfloat16, ...
    """
    rounded = sorted({weight.dtype for weight in model.weights}.intersection(ROUNDED))
    if rounded:
        raise ValueError(
            f"{purpose} expected a model loaded in float32. Received: one in {rounded[0]}, whose "
            "weights are rounded"
        )
