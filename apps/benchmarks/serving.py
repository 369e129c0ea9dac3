"""Load and faults: many clients against a server that runs an exported classifier.

    python apps/benchmarks/serving.py --requests 20000 --clients 64

The server is `keras_tx.serving.LoopbackServer` in a process of its own: written in Python, for
tests. What is measured of it is no measure of TensorFlow Serving; what is checked is that the
export, the official messages and `keras_tx.serving.Client` lose nothing and mix nothing up.
Every answer is compared with what the model says of the same text in this process. Needs the extra
`serving`.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import pathlib
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from from_apps import one_line_errors, positive_integer
from serving_load import NAME, Load, ServerProcess, is_right
from serving_malformed import malformed_requests

import keras_tx
from keras_tx.data import sample_reviews
from keras_tx.models import TextClassifier
from keras_tx.serving import Client, export_saved_model


@one_line_errors
def main() -> None:
    options = parse_options()
    model = keras_tx.load(options.model)
    texts = mixed_texts(options.texts)
    print(f"{len(texts):,} texts of up to {max(map(len, texts)):,} characters", file=sys.stderr)
    expected = model.classify(texts, 64)
    with tempfile.TemporaryDirectory() as directory:
        export_with_texts(model, directory, "1")
        rows = [
            steady_load(directory, batch_size, texts, expected, options)
            for batch_size in (None, options.batch_size)
        ]
        rows.append(faults(model, directory, texts, expected, options))
        table(rows)
        found = malformed(model, directory, texts, expected, options)
    table(found)
    sound = not any(row[key] for row in rows for key in ("lost", "mixed up"))
    sys.exit(0 if sound and not any(row["not clear"] for row in found) else 1)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="sentiment_imdb", help="a classifier")
    parser.add_argument("--requests", type=positive_integer, default=20_000)
    parser.add_argument("--clients", type=positive_integer, default=64)
    parser.add_argument(
        "--texts", type=positive_integer, default=4_000, help="how many different ones"
    )
    parser.add_argument("--malformed", type=int, default=1_000, help="0 for none")
    parser.add_argument(
        "--batch-size", type=positive_integer, default=32, help="of dynamic batches"
    )
    return parser.parse_args()


def mixed_texts(count: int, seed: int = 0) -> list[str]:
    """Different texts, from one word to a few hundred, most of them short."""
    generator = random.Random(seed)
    words = sorted({word for text in sample_reviews().texts for word in text.split()})
    lengths = (int(np.exp(generator.uniform(0, 5.5))) for _ in range(count))
    return [
        f"{number} " + " ".join(generator.choices(words, k=length))
        for number, length in enumerate(lengths)
    ]


def export_with_texts(model: TextClassifier, directory: str, version: str) -> None:
    """The model's export whose answers also say what was asked, and which version answers."""
    classify, specification = model.signatures()["serving_default"]

    def answer(text: tf.Tensor) -> dict[str, tf.Tensor]:
        return {**classify(text), "asked": text, "export": tf.fill(tf.shape(text), version)}

    resources = [tokenizer.graph_resources for tokenizer in model.tokenizers()]
    export_saved_model({"serving_default": (answer, specification)}, directory, resources)


def measured(name: str, load: Load, server: ServerProcess, events: Sequence = ()) -> dict[str, Any]:
    """One row of the table."""
    memory = [server.memory()]  # A short load is over before the watcher has looked once.
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.25):
            memory.append(server.memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    seconds = load.run(events)
    done.set()
    watcher.join()
    for error in load.errors[:3]:
        print(error, file=sys.stderr)
    milliseconds = sorted(1000 * value for value in load.seconds.values())
    p50, p95, p99 = (np.percentile(milliseconds, share) for share in (50, 95, 99))
    quarter = max(len(memory) // 4, 1)
    return {
        "run": name,
        "requests": load.asked,
        "lost": load.asked - len(load.seconds),
        "mixed up": load.problems["mixed up"],
        "requests/s": f"{load.asked / seconds:.0f}",
        **{"p50 ms": f"{p50:.0f}", "p95 ms": f"{p95:.0f}", "p99 ms": f"{p99:.0f}"},
        # After the first quarter everything has been allocated once.
        "memory MB": f"{statistics.median(memory[quarter : 2 * quarter] or memory):.0f}",
        "at the end": f"{statistics.median(memory[-quarter:]):.0f}",
        "versions": " ".join(f"{key}: {value}" for key, value in sorted(load.versions.items())),
    }


def steady_load(
    directory: str, batch_size: int | None, texts: Any, expected: Any, options: argparse.Namespace
) -> dict[str, Any]:
    """All requests against a server that stays as it is."""
    name = f"batches of up to {batch_size}" if batch_size else "each alone"
    with ServerProcess(directory, batch_size) as server:
        address = server.addresses["grpc"]
        Load(address, texts, expected, options.clients * 4, options.clients).run()  # To warm up.
        load = Load(address, texts, expected, options.requests, options.clients)
        return measured(name, load, server)


def faults(
    model: Any, directory: str, texts: Any, expected: Any, options: argparse.Namespace
) -> dict[str, Any]:
    """A quarter of the requests; the server is killed meanwhile, and a version comes."""
    beside = pathlib.Path(directory, ".beside")  # No number: no server looks at it.
    export_with_texts(model, str(beside), "2")
    with ServerProcess(directory, options.batch_size) as server:
        address = server.addresses["grpc"]
        requests = max(options.requests // 4, 1)
        load = Load(address, texts, expected, requests, options.clients, _has_new_version)

        def kill_and_restart() -> None:
            server.kill()
            time.sleep(1)
            server.restart()

        def new_version() -> None:
            (beside / "1").rename(pathlib.Path(directory, "2"))

        events = [(0.3, kill_and_restart), (0.5, new_version)]
        row = measured("killed, new version", load, server, events)
        # Of two processes, and of two versions: nothing to compare.
        return {**row, "memory MB": "", "at the end": ""}


def _has_new_version(load: Load) -> bool:
    return load.versions["2"] >= load.clients


def malformed(
    model: Any, directory: str, texts: Any, expected: Any, options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Requests that are wrong, each followed by a good one."""
    found: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    with ServerProcess(directory, options.batch_size) as server:
        with Client(server.addresses["grpc"], NAME) as client:
            kinds: Iterator = itertools.cycle(malformed_requests(server.addresses, NAME, model))
            for number, (kind, send) in enumerate(itertools.islice(kinds, options.malformed)):
                answer = send()
                found[kind]["requests"] += 1
                found[kind]["not clear"] += not answer.is_clear
                found[kind][answer.code] += 1
                place = number % len(texts)
                good = client.predict({"text": [texts[place]]})
                found[kind]["not clear"] += not is_right(good, [texts[place]], [expected[place]])
    return [
        {
            "malformed": kind,
            "requests": counts.pop("requests"),
            "not clear": counts.pop("not clear", 0),
            "answer": " ".join(key for key in counts if counts[key]),
        }
        for kind, counts in found.items()
    ]


def table(rows: list[dict[str, Any]]) -> None:
    """Prints rows in Markdown, if there are any."""
    if not rows:
        return
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(map(str, row.values())) + " |")
    print(flush=True)


if __name__ == "__main__":
    main()
