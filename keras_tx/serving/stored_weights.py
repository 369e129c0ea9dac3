"""Weights that an export stores small, and that its graph makes large again."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

STORED_WEIGHTS = ("float32", "float16", "int8")
# Below that there is nothing to gain; biases and normalizations stay as they are.
SMALLEST = 1024

Signatures = Mapping[str, tuple[Callable, list[tf.TensorSpec]]]


class StoredWeights:
    """Copies of weights in fewer bits, from which graph functions read instead.

    float16 is a cast. int8 is one number of 8 bits a weight and one scale in float32 for each
    vector along the last axis: `weight ~ scale * integer`, integer in -127…127 (symmetric
    round-to-nearest, as in Jacob et al. 2018, "Quantization and Training of Neural Networks for
    Efficient Integer-Arithmetic-Only Inference", section 2.1, with zero point 0). Products are
    computed in float32. In the graph there are casts and products, which every server has.

    Args:
        weights: Keras variables. Those with two or more axes and at least 1,024 numbers of a
            float dtype are stored small, the others are left alone; so are those which would not
            get smaller, such as a table in float16 with one number a row.
        kind: `"float16"` or `"int8"`.

    Attributes:
        parts: for each stored weight, its TensorFlow variables. An export tracks them; it must
            not track the weights themselves.

    Raises:
        ValueError: for another kind, and for weights that are not finite.

    Example:
        >>> import keras, numpy as np, tensorflow as tf
        >>> from keras_tx.serving.stored_weights import StoredWeights
        >>> weight = keras.Variable(np.linspace(-1, 1, 2048).reshape(2, 1024), dtype="float32")
        >>> stored = StoredWeights([weight], "int8")
        >>> sum(part.numpy().nbytes for parts in stored.parts for part in parts)
        2056
        >>> total = stored.reading(lambda x: {"sum": tf.reduce_sum(weight * x, axis=1)})
        >>> total(tf.ones([2, 1]))["sum"].numpy().round(2).tolist()
        [-512.25, 512.25]
    """

    def __init__(self, weights: Sequence[keras.Variable], kind: str) -> None:
        if kind not in STORED_WEIGHTS[1:]:
            raise ValueError(
                f"weights expected one of {STORED_WEIGHTS}. Received: weights={kind!r}"
            )
        self._weights = [
            weight for weight in _unique(weights) if _is_large(weight) and _shrinks(weight, kind)
        ]
        for weight in self._weights:
            if not np.isfinite(weight.numpy()).all():
                raise ValueError(
                    f"weights expected finite numbers. Received: {weight.path}, with others"
                )
        store = _as_float16 if kind == "float16" else _as_int8
        self.parts = [store(weight.numpy()) for weight in self._weights]

    def reading(self, function: Callable) -> Callable:
        """`function`, with the weights that it reads made from the stored ones."""

        @functools.wraps(function)
        def from_stored(*inputs: Any) -> Any:
            values = [
                (weight, tf.cast(_large_again(parts), weight.dtype))
                for weight, parts in zip(self._weights, self.parts, strict=True)
            ]
            with keras.StatelessScope(state_mapping=values):
                return function(*inputs)

        return from_stored

    def signatures(self, signatures: Signatures) -> dict[str, tuple[Callable, list]]:
        """`reading` for each of a model's signatures."""
        return {
            name: (self.reading(function), specification)
            for name, (function, specification) in signatures.items()
        }


def _unique(weights: Sequence[keras.Variable]) -> list[keras.Variable]:
    return list({id(weight): weight for weight in weights}.values())


def _is_large(weight: keras.Variable) -> bool:
    is_float = keras.backend.is_float_dtype(weight.dtype)
    return is_float and len(weight.shape) > 1 and weight.numpy().size >= SMALLEST


def _shrinks(weight: keras.Variable, kind: str) -> bool:
    array = weight.numpy()
    stored = 2 * array.size if kind == "float16" else array.size + 4 * array.size // array.shape[-1]
    return stored < array.nbytes


def _as_float16(array: Any) -> list[tf.Variable]:
    limit = tf.float16.max  # What is larger would become infinite.
    stored = tf.cast(tf.clip_by_value(array, -limit, limit), tf.float16)
    return [tf.Variable(stored, trainable=False)]


def _as_int8(array: Any) -> list[tf.Variable]:
    array = tf.cast(array, tf.float32)  # Of small weights in float16 a scale would be zero.
    largest = tf.reduce_max(tf.abs(array), axis=-1, keepdims=True)
    scale = tf.where(largest > 0, largest / 127.0, 1.0)
    numbers = tf.cast(tf.round(array / scale), tf.int8)
    return [tf.Variable(part, trainable=False) for part in (numbers, scale)]


def _large_again(parts: list[tf.Variable]) -> tf.Tensor:
    numbers, *scale = parts
    numbers = tf.cast(numbers, tf.float32)
    return numbers * scale[0] if scale else numbers
