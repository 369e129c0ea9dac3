"""Batches that run side by side, each on a thread of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import tensorflow as tf

Batch, Result = TypeVar("Batch"), TypeVar("Result")


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
        >>> from keras_tx.models.side_by_side import worker_count
        >>> worker_count() >= 1
        True
    """
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    asked = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    threads = threads or (int(asked) if asked.isdigit() else 0) or available
    return max(available // threads, 1)


def side_by_side(
    function: Callable[[Batch], Result], batches: Sequence[Batch], workers: int | None = None
) -> Iterator[Result]:
    """The function's results in the order of the batches, several of which run at a time.

    What a batch raises is raised where its result would have come; those that wait are then
    given up.

    Args:
        function: called with a batch, from another thread if there are several workers.
        batches: what it is called with.
        workers: how many at a time. Default: `worker_count()`.

    Example:
        >>> from keras_tx.models.side_by_side import side_by_side
        >>> list(side_by_side(sum, [[1, 2], [3]], workers=2))
        [3, 3]
    """
    workers = min(worker_count() if workers is None else workers, len(batches))
    if workers < 2:
        yield from map(function, batches)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="keras_tx")
    try:
        yield from pool.map(function, batches)
    finally:
        pool.shutdown(cancel_futures=True)
