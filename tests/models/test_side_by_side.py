"""Batches on several threads: the same results in the same order."""

import os
import subprocess
import sys
import threading

import pytest

from keras_tx.models.side_by_side import side_by_side, worker_count

COUNT = "from keras_tx.models.side_by_side import worker_count as count; print(count())"


def test_results_come_in_the_order_of_the_batches():
    released = threading.Event()

    def work(number):
        if number == 0:  # Waits for the second one: both must run at a time.
            assert released.wait(20)
        released.set()
        return number

    assert list(side_by_side(work, range(5), workers=2)) == [0, 1, 2, 3, 4]


def test_one_worker_stays_on_the_caller_s_thread():
    threads = side_by_side(lambda _: threading.get_ident(), [1, 2], workers=1)
    assert set(threads) == {threading.get_ident()}


def test_an_error_is_raised_and_what_waits_is_given_up():
    begun = []

    def work(number):
        begun.append(number)
        if number == 1:
            raise ValueError("second")
        return number

    found = side_by_side(work, range(1000), workers=2)
    assert next(found) == 0
    with pytest.raises(ValueError, match="second"):
        list(found)
    assert len(begun) < 1000


@pytest.mark.parametrize("threads, workers", [("1", None), ("", 1), ("1000", 1), ("many", 1)])
def test_workers_are_the_processors_over_the_threads_of_an_operation(threads, workers):
    environment = {**os.environ, "TF_NUM_INTRAOP_THREADS": threads}
    process = subprocess.run([sys.executable, "-c", COUNT], env=environment, capture_output=True)
    expected = workers or len(os.sched_getaffinity(0))
    assert process.stdout.split() == [str(expected).encode()], process.stderr[-300:]


def test_what_tensorflow_was_told_in_python_counts():
    told = "import tensorflow as tf; tf.config.threading.set_intra_op_parallelism_threads(1);"
    process = subprocess.run([sys.executable, "-c", told + COUNT], capture_output=True)
    assert process.stdout.split() == [str(len(os.sched_getaffinity(0))).encode()]


def test_this_process_has_not_been_told():
    assert worker_count() == 1 or "TF_NUM_INTRAOP_THREADS" in os.environ
