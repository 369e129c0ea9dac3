"""A search that XLA compiles: once for each bucket of shapes."""

from __future__ import annotations

import bisect
import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from keras_tx.decoding import BeamHypotheses
from keras_tx.layers.onednn import portable_operations

LARGEST_BATCH = 2**20


def length_buckets(longest: int) -> list[int]:
    """16, 24, 32, 48, 64, … up to `longest`: each at most half as long again as the last.

    Example:
        >>> from keras_tx.models.compiled_search import length_buckets
        >>> length_buckets(60)
        [16, 24, 32, 48, 60]
    """
    sizes, size = [], 16
    while size < longest:
        sizes.append(size)
        size = size * 3 // 2 if size & (size - 1) == 0 else size // 3 * 4
    return [*sizes, longest]


def search_bucket(rows: int, longest: int, sequence_length: int) -> tuple[int, int]:
    """The sizes to which `CompiledSearch` pads so many rows and so long a source.

    Example:
        >>> from keras_tx.models.compiled_search import search_bucket
        >>> search_bucket(rows=20, longest=17, sequence_length=60)
        (32, 24)
    """
    lengths = length_buckets(sequence_length)
    return 1 << (rows - 1).bit_length(), lengths[bisect.bisect_left(lengths, longest)]


class CompiledSearch:
    """Pads what a search takes to the next bucket, and runs it compiled.

    XLA compiles a function anew for each shape. So batches are padded to a power of two with
    empty rows and sequences to one of `length_buckets`. A row's result does not depend on what
    is padded.

    Args:
        search: `search(source_ids=(B, Ts), max_lengths=(B,), …) -> BeamHypotheses`, each
            with rows as first axis.
        sequence_length: the longest source.

    Example:
        >>> import tensorflow as tf
        >>> from keras_tx.decoding import BeamHypotheses
        >>> from keras_tx.models.compiled_search import CompiledSearch
        >>> def search(source_ids, max_lengths):  # What it is given.
        ...     shapes = tf.zeros_like(source_ids) + tf.shape(source_ids)
        ...     return BeamHypotheses(shapes, max_lengths, max_lengths, max_lengths)
    """

    def __init__(self, search: Callable[..., BeamHypotheses], sequence_length: int) -> None:
        self.search = search
        self.lengths = length_buckets(sequence_length)
        self.batch_sizes = [1 << power for power in range(LARGEST_BATCH.bit_length())]
        self._function: Any = None

    def __call__(self, inputs: dict[str, tf.Tensor]) -> BeamHypotheses:
        if self._function is None:
            names = list(inputs)
            specification = [
                tf.TensorSpec([None] * len(x.shape), x.dtype, name) for name, x in inputs.items()
            ]
            self._function = tf.function(
                functools.partial(self._searched, names),
                input_signature=specification,
                jit_compile=True,
                autograph=False,
            )
        rows = tf.shape(inputs["source_ids"])[0]
        found = self._function(*(self._padded(x) for x in inputs.values()))
        return BeamHypotheses(*(part[:rows] for part in found))

    def _searched(self, names: list[str], *padded: tf.Tensor) -> BeamHypotheses:
        with portable_operations():  # XLA compiles what others have kernels for.
            return self.search(**dict(zip(names, padded, strict=True)))

    def _padded(self, x: tf.Tensor) -> tf.Tensor:
        shape = tf.shape(x)
        sizes = [_next(self.batch_sizes, shape[0])]
        if len(x.shape) > 1:
            sizes.append(_next(self.lengths, shape[1]))
        return tf.pad(x, [[0, size - shape[axis]] for axis, size in enumerate(sizes)])


def _next(sizes: list[int], size: tf.Tensor) -> tf.Tensor:
    """The smallest of the sizes that is not smaller."""
    return tf.gather(tf.constant(sizes), tf.searchsorted(sizes, size[None])[0])
