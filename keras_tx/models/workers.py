"""Batches side by side: how many, how large, and their results."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import keras
import tensorflow as tf

from keras_tx.serving.client_batches import length_batches, side_by_side

Batch = TypeVar("Batch")
Result = TypeVar("Result")

# Of two processors a tenth of a second: what a call costs by itself does not count then. What a
# larger batch computes would be too much for the processors' caches, which costs more.
BATCH_OPERATIONS = 1e10
BYTES_PER_TOKEN = 4  # About, in languages of Latin letters.


def worker_count() -> int:
    """How many batches this process can run at a time.

    The steps of a search are many small operations. To share each of them between two threads
    costs about what it saves, so a process that searches does better with one thread for an
    operation and a batch for each processor. How many threads an operation gets is settled when
    TensorFlow starts: by the environment variable `TF_NUM_INTRAOP_THREADS`, or by
    `tf.config.threading.set_intra_op_parallelism_threads`. Without either it gets all, which is
    best for training, and batches run one by one.

    Returns:
        The processors that this process may use, over the threads of an operation; at least 1.

    Example:
        >>> from keras_tx.models.workers import worker_count
        >>> worker_count() >= 1
        True
    """
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    asked = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    threads = threads or (int(asked) if asked.isdigit() else 0) or available
    return max(available // threads, 1)


def share_of(count: int, batch_size: int) -> int:
    """The size of batches of `count` texts, of which each worker gets a part.

    Example:
        >>> from keras_tx.models.workers import share_of
        >>> share_of(100, batch_size=5)
        5
    """
    return min(batch_size, -(-count // worker_count()))


def batches_for(network: keras.Model, texts: Sequence[bytes], batch_size: int) -> list[list[int]]:
    """The numbers of the texts in each batch for an encoder: texts of similar length together.

    Args:
        network: what the texts go through. The larger its matrices, the smaller the batches.
        texts: any number of texts.
        batch_size: the most texts in a batch.

    Returns:
        Each text in one batch, from short ones to long ones.

    Example:
        >>> import keras
        >>> from keras_tx.models.workers import batches_for
        >>> network = keras.Sequential([keras.Input((9,)), keras.layers.Dense(9)])
        >>> batches_for(network, [b"a film", b"", b"good"], batch_size=2)
        [[1, 2], [0]]
    """
    kernels = [weight for weight in network.weights if weight.name == "kernel"]
    operations = 2 * sum(math.prod(kernel.shape) for kernel in kernels)  # For each token.
    most_bytes = BYTES_PER_TOKEN * BATCH_OPERATIONS / max(operations, 1)
    lengths = [len(text) for text in texts]
    return list(length_batches(lengths, share_of(len(texts), batch_size), most_bytes))


def run_batches(
    function: Callable[[Batch], Result], batches: Sequence[Batch]
) -> Iterator[tuple[Batch, Result]]:
    """Each batch and what the function makes of it; several run at a time.

    Args:
        function: of a batch.
        batches: from short ones to long ones. They are run, and returned, from the last one to
            the first: a long one that began last would leave the other processors without work.

    Example:
        >>> from keras_tx.models.workers import run_batches
        >>> list(run_batches(sum, [[1, 2], [3]]))
        [([3], 3), ([1, 2], 3)]
    """
    batches = batches[::-1]
    return zip(batches, side_by_side(function, batches, worker_count()), strict=True)
