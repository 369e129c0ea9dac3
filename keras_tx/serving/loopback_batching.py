"""Dynamic batching: requests that wait at the same time go through the model together."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from keras_tx.serving.client_transport import UNAVAILABLE, ServerError

Arrays = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class DynamicBatching:
    """How requests are put together, as in TensorFlow Serving's batching parameters.

    Args:
        max_batch_size: the most rows that go through the model at once. Default 32.
        timeout_seconds: how long the first one waits for others. Default 0.002.
        max_enqueued: how many requests may wait; further ones are told to come back. Default
            1000.
        threads: how many batches are worked on at a time. Default 2.

    Raises:
        ValueError: for a number that does not fit.

    Example:
        >>> from keras_tx.serving import DynamicBatching
        >>> DynamicBatching(max_batch_size=64).threads
        2
    """

    max_batch_size: int = 32
    timeout_seconds: float = 0.002
    max_enqueued: int = 1000
    threads: int = 2

    def __post_init__(self) -> None:
        for name in ("max_batch_size", "max_enqueued", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name} expected at least 1. Received: {name}={getattr(self, name)!r}"
                )


class _Request(NamedTuple):
    inputs: Arrays
    rows: int
    answer: concurrent.futures.Future


class Batcher:
    """Calls a function with the rows of several requests at once.

    Args:
        function: name -> array in, name -> array out, with the rows as dimension 0.
        settings: how they are put together.

    Example:
        >>> import numpy as np
        >>> from keras_tx.serving.loopback_batching import Batcher, DynamicBatching
        >>> batcher = Batcher(lambda inputs: {"y": 2 * inputs["x"]}, DynamicBatching())
        >>> batcher({"x": np.array([1, 2])})["y"].tolist()
        [2, 4]
        >>> batcher.close()
    """

    def __init__(self, function: Callable[[Arrays], Arrays], settings: DynamicBatching) -> None:
        self._function = function
        self._settings = settings
        self._waiting: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._collecting = threading.Lock()
        self._kept: _Request | None = None  # Taken, but for the next batch.
        self._closed = False
        self._gate = threading.Lock()  # Nothing comes in behind the end.
        self._threads = [
            threading.Thread(target=self._work, daemon=True) for _ in range(settings.threads)
        ]
        for thread in self._threads:
            thread.start()

    def __call__(self, inputs: Arrays) -> Arrays:
        """The outputs for the rows of one request; waits for them.

        Raises:
            ServerError: when too many wait, the batcher is closed, or the outputs have
                another number of rows.
            Exception: what the function raises, for each request of the batch.
        """
        rows = len(next(iter(inputs.values())))
        request = _Request(inputs, rows, concurrent.futures.Future())
        with self._gate:
            if self._closed:
                raise ServerError("this version is no longer served", UNAVAILABLE)
            if self._waiting.qsize() >= self._settings.max_enqueued:
                raise ServerError("the queue of requests is full", UNAVAILABLE)
            self._waiting.put(request)
        return request.answer.result()

    def close(self) -> None:
        """Answers what waits, and ends the threads."""
        with self._gate:
            self._closed = True
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while True:
            with self._collecting:
                batch = self._collect()
            if not batch:
                return
            self._answer(batch)

    def _collect(self) -> list[_Request]:
        """Waits for a request, and a little for others; none means the end."""
        first, self._kept = self._kept, None
        first = first or self._waiting.get()
        if first is None:
            return []
        batch, rows = [first], first.rows
        end = time.monotonic() + self._settings.timeout_seconds
        while rows < self._settings.max_batch_size:
            try:
                other = self._waiting.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                break
            if other is None:
                self._waiting.put(None)  # The end, for the next turn.
                break
            if rows + other.rows > self._settings.max_batch_size or not _alike(first, other):
                self._kept = other
                break
            batch.append(other)
            rows += other.rows
        return batch

    def _answer(self, batch: list[_Request]) -> None:
        try:
            names = batch[0].inputs
            together = {
                name: np.concatenate([request.inputs[name] for request in batch]) for name in names
            }
            outputs = self._function(together)
            rows = sum(request.rows for request in batch)
            for name, values in outputs.items():
                if values.shape[:1] != (rows,):
                    raise ServerError(
                        f"expected {rows} rows of output {name}. Received: shape {values.shape}",
                        "INTERNAL",
                    )
        except BaseException as error:  # Whatever it is, those who wait shall have it.
            for request in batch:
                request.answer.set_exception(error)
            return
        start = 0
        for request in batch:
            end = start + request.rows
            request.answer.set_result({name: v[start:end] for name, v in outputs.items()})
            start = end


def _alike(one: _Request, other: _Request) -> bool:
    return all(
        array.shape[1:] == other.inputs[name].shape[1:] for name, array in one.inputs.items()
    )
