"""How many batches run side by side."""

from __future__ import annotations

import os

import tensorflow as tf


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
