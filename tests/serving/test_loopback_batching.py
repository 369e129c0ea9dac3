"""Requests that are put together get their own answers."""

import concurrent.futures
import threading
import time

import numpy as np
import pytest

from keras_tx.serving import DynamicBatching, ServerError
from keras_tx.serving.loopback_batching import Batcher


class Squares:
    """Squares numbers, and remembers how many at a time."""

    def __init__(self):
        self.sizes = []
        self.begun = threading.Event()
        self.go = threading.Event()
        self.go.set()

    def __call__(self, inputs):
        self.begun.set()
        self.go.wait(20)
        self.sizes.append(len(inputs["x"]))
        if (inputs["x"] < 0).any():
            raise ValueError("below zero")
        return {"y": inputs["x"] ** 2}


def ask_all(batcher, requests, threads=32):
    with concurrent.futures.ThreadPoolExecutor(threads) as executor:
        return list(executor.map(lambda x: batcher({"x": np.array(x)})["y"].tolist(), requests))


def test_each_gets_its_own_answer():
    function = Squares()
    batcher = Batcher(function, DynamicBatching(max_batch_size=10, timeout_seconds=0.01))
    generator = np.random.default_rng(0)
    requests = [generator.integers(0, 1000, generator.integers(1, 5)) for _ in range(300)]
    assert ask_all(batcher, requests) == [(x**2).tolist() for x in requests]
    batcher.close()
    assert sum(function.sizes) == sum(map(len, requests))
    assert max(function.sizes) <= 10 and len(function.sizes) < 300


def test_one_larger_than_a_batch_goes_alone():
    function = Squares()
    batcher = Batcher(function, DynamicBatching(max_batch_size=4, timeout_seconds=0.0, threads=1))
    assert ask_all(batcher, [np.arange(9), [2]]) == [(np.arange(9) ** 2).tolist(), [4]]
    batcher.close()
    assert 9 in function.sizes


def test_other_shapes_are_not_put_together():
    batcher = Batcher(Squares(), DynamicBatching(timeout_seconds=0.05))
    assert ask_all(batcher, [[[1, 2]], [3], [[4, 5]]]) == [[[1, 4]], [9], [[16, 25]]]
    batcher.close()


def test_errors_reach_those_who_wait():
    batcher = Batcher(Squares(), DynamicBatching(timeout_seconds=0.0))
    with pytest.raises(ValueError, match="below zero"):
        batcher({"x": np.array([-1])})
    assert batcher({"x": np.array([3])})["y"].tolist() == [9]
    batcher.close()
    wrong = Batcher(lambda inputs: {"y": np.zeros(3)}, DynamicBatching())
    with pytest.raises(ServerError, match=r"expected 1 rows of output y. Received: shape \(3,\)"):
        wrong({"x": np.array([1])})
    wrong.close()


def test_a_full_queue_and_a_closed_batcher():
    function = Squares()
    function.go.clear()
    settings = DynamicBatching(max_batch_size=1, max_enqueued=3, threads=1)
    batcher = Batcher(function, settings)
    with concurrent.futures.ThreadPoolExecutor(8) as executor:
        futures = [executor.submit(batcher, {"x": np.array([0])})]
        assert function.begun.wait(20)  # Else it might still be in the queue.
        futures += [executor.submit(batcher, {"x": np.array([n])}) for n in range(1, 8)]
        end = time.monotonic() + 20
        while sum(future.done() for future in futures) < 4 and time.monotonic() < end:
            time.sleep(0.01)
        function.go.set()
        batcher.close()
        refused = [future for future in futures if future.exception()]
    answered = [future for future in futures if not future.exception()]
    # One is being worked on, three wait, and what waited at the end is answered.
    assert len(refused) == len(answered) == 4 and answered[0].result()["y"].tolist() == [0]
    assert "queue of requests is full" in str(refused[0].exception())
    assert all(future.exception().may_pass for future in refused)
    with pytest.raises(ServerError, match="no longer served") as caught:
        batcher({"x": np.array([1])})
    assert caught.value.may_pass


def test_settings():
    for name in ("max_batch_size", "max_enqueued", "threads"):
        with pytest.raises(ValueError, match=f"{name} expected at least 1. Received: {name}=0"):
            DynamicBatching(**{name: 0})
