"""Batches side by side: how many, how large, and their results."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import tensorflow as tf

from keras_tx.serving.client_batches import side_by_side

Batch = TypeVar("Batch")
Result = TypeVar("Result")


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


def run_batches(
    function: Callable[[Batch], Result], batches: Sequence[Batch]
) -> Iterator[tuple[Batch, Result]]:
    """Each batch and what the function makes of it, in order; several run at a time.

    Example:
        >>> from keras_tx.models.workers import run_batches
        >>> list(run_batches(sum, [[1, 2], [3]]))
        [([1, 2], 3), ([3], 3)]
    """
    return zip(batches, side_by_side(function, batches, worker_count()), strict=True)
