"""A server in a process of its own, and many clients of it; a part of `serving.py`."""

from __future__ import annotations

import collections
import json
import os
import pathlib
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_tx.serving import Client, ServerError

NAME = "classifier"
TOLERANCE = 1e-3


class ServerProcess:
    """The server in a process of its own, which can be killed and started again."""

    def __init__(self, directory: str, batch_size: int | None) -> None:
        self.command = [
            *(sys.executable, "-m", "keras_tx.serving.loopback_server", directory, "--name", NAME),
            *(["--batch-size", str(batch_size)] if batch_size else []),
        ]
        self.start()

    def start(self, *ports: str) -> None:
        self.process = subprocess.Popen(
            [*self.command, *ports],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        self.addresses = json.loads(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def restart(self) -> None:
        ports = {kind: address.rsplit(":", 1)[1] for kind, address in self.addresses.items()}
        self.start("--grpc-port", ports["grpc"], "--rest-port", ports["rest"])

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    def memory(self) -> float:
        """Megabytes in use."""
        try:
            lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
            return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))
        except (OSError, StopIteration):  # It has been killed.
            return float("nan")


class Load:
    """Requests of many clients at a time, each answer checked.

    Args:
        address: the server's.
        texts, expected: what is asked, and what the answer must be.
        requests, clients: how many.
        until: more requests follow until this is true, ten times as many at most. Default:
            none do.
    """

    def __init__(
        self,
        address: str,
        texts: Sequence[str],
        expected: Sequence[Any],
        requests: int,
        clients: int,
        until: Callable[[Load], bool] = lambda load: True,
    ) -> None:
        self.address, self.texts, self.expected = address, texts, expected
        self.requests, self.clients, self.until = requests, clients, until
        self.asked = 0
        self.seconds: dict[int, float] = {}
        self.problems: collections.Counter = collections.Counter()
        self.versions: collections.Counter = collections.Counter()
        self.errors: list[str] = []
        self._lock = threading.Lock()

    def run(self, events: Sequence[tuple[float, Callable[[], None]]] = ()) -> float:
        """Seconds until all are answered. An event happens when a share of them has been."""
        threads = [threading.Thread(target=self._client) for _ in range(self.clients)]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for share, event in events:
            while len(self.seconds) < share * self.requests and any(
                thread.is_alive() for thread in threads
            ):
                time.sleep(0.02)
            event()
        for thread in threads:
            thread.join()
        return time.perf_counter() - start

    def _client(self) -> None:
        with Client(self.address, NAME, deadline=120, attempts=100) as client:
            for number in iter(self._next, None):
                generator = random.Random(number)
                asked = generator.choices(range(len(self.texts)), k=generator.choice([1, 1, 2, 4]))
                start = time.perf_counter()
                try:
                    outputs = client.predict({"text": [self.texts[place] for place in asked]})
                except ServerError as error:
                    with self._lock:
                        self.problems["lost"] += 1
                        self.errors.append(str(error))
                    continue
                self._check(number, asked, outputs, time.perf_counter() - start)

    def _next(self) -> int | None:
        with self._lock:
            if self.asked >= self.requests and (
                self.until(self) or self.asked >= 10 * self.requests
            ):
                return None
            self.asked += 1
            return self.asked

    def _check(self, number: int, asked: list[int], outputs: dict, seconds: float) -> None:
        right = is_right(outputs, [self.texts[i] for i in asked], [self.expected[i] for i in asked])
        with self._lock:
            self.problems["mixed up"] += not right
            self.versions.update({version.decode() for version in outputs["export"]})
            self.seconds[number] = seconds


def is_right(outputs: dict[str, Any], asked: Sequence[str], expected: Sequence[Any]) -> bool:
    """Whether an answer is the one to these texts."""
    scores = np.array([list(result.scores.values()) for result in expected])
    return (
        outputs["asked"].tolist() == [text.encode() for text in asked]
        and outputs["scores"].shape == scores.shape
        and bool(np.abs(outputs["scores"] - scores).max() < TOLERANCE)
    )
