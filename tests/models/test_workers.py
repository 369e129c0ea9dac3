"""Batches side by side: how many, and how large."""

import os
import subprocess
import sys

import pytest

from keras_tx.models import workers
from keras_tx.models.workers import worker_count

COUNT = "from keras_tx.models.workers import worker_count as count; print(count())"


@pytest.mark.parametrize("threads, workers", [("1", None), ("", 1), ("1000", 1), ("many", 1)])
def test_workers_are_the_processors_over_the_threads_of_an_operation(monkeypatch, threads, workers):
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", threads)
    assert worker_count() == (workers or len(os.sched_getaffinity(0)))


def test_what_tensorflow_was_told_in_python_counts():
    # In a process of its own: it can only be told before it starts.
    told = "import tensorflow as tf; tf.config.threading.set_intra_op_parallelism_threads(1);"
    process = subprocess.run([sys.executable, "-c", told + COUNT], capture_output=True)
    assert process.stdout.split() == [str(len(os.sched_getaffinity(0))).encode()]


def test_this_process_has_not_been_told():
    assert worker_count() == 1 or "TF_NUM_INTRAOP_THREADS" in os.environ


def test_each_worker_gets_a_part_and_no_batch_is_larger_than_asked(monkeypatch):
    monkeypatch.setattr(workers, "worker_count", lambda: 3)
    assert [workers.share_of(count, batch_size=4) for count in (1, 3, 4, 9, 100)] == [1, 1, 2, 3, 4]
    assert list(workers.run_batches(sum, [[1, 2], [3]])) == [([1, 2], 3), ([3], 3)]
