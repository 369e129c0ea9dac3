"""Batches side by side: how many, and how large."""

import os
import subprocess
import sys

import keras
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


def dense_network(*sizes):
    layers = [keras.layers.Dense(size) for size in sizes[1:]]
    return keras.Sequential([keras.Input(sizes[:1]), *layers])


@pytest.mark.parametrize("operations, expected", [
    # 2 * (2 * 5 + 5 * 3) = 50 operations a token, four bytes a token.
    (50 * 1000, [[1, 3], [0, 4], [2]]),
    (50 * 5, [[1, 3], [0], [4], [2]]),
    (50 * 2, [[1], [3], [0], [4], [2]]),
])  # fmt: skip
def test_the_more_there_is_to_compute_the_smaller_a_batch(monkeypatch, operations, expected):
    monkeypatch.setattr(workers, "worker_count", lambda: 1)
    monkeypatch.setattr(workers, "BATCH_OPERATIONS", operations)
    texts = [b"x" * length for length in (11, 4, 400, 10, 12)]
    assert workers.batches_for(dense_network(2, 5, 3), texts, batch_size=2) == expected


def test_a_network_without_matrices_bounds_no_batch():
    network = keras.Sequential([keras.Input((3,)), keras.layers.Embedding(5, 2)])
    assert workers.batches_for(network, [b"x" * 10**6] * 3, 3) == [[0, 1, 2]]
    assert workers.batches_for(network, [], 3) == []


@pytest.mark.parametrize("count", [1, 3])
def test_long_batches_begin(monkeypatch, count):
    monkeypatch.setattr(workers, "worker_count", lambda: count)
    begun = []

    def total(batch):
        begun.append(batch)
        return sum(batch)

    found = list(workers.run_batches(total, [[1], [2, 3], [4, 5, 6]]))
    assert found == [([4, 5, 6], 15), ([2, 3], 5), ([1], 1)]
    assert begun[0] == [4, 5, 6]
