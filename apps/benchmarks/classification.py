"""Speed of classification: ours against PyTorch, KerasHub and scikit-learn, on real reviews.

    pip install 'keras_tx[benchmark]'
    python apps/benchmarks/classification.py --data aclImdb

The reviews are of those that `apps/train_imdb.py` holds out. Each system runs in a process of
its own, does everything once before it is measured, and counts the best of `--repeats` passes:

- `peak`: what the machine reaches in products of large float32 matrices;
- `shipped`: `classify` of the shipped model;
- `ours`, `pytorch`, `keras-hub`: one encoder (see `classification_encoders.py`) with the same
  weights in three libraries. The whole way is from strings to labels: ours is `classify`, the
  others get our tokenizer's ids in batches sorted by length. "Network" is from ids to scores, in
  these batches and in batches of 32 reviews as they come. Training is steps of Adam;
- `scikit-learn`: naive Bayes and logistic regression on n-grams, for what costs next to nothing.

Inference is measured in two ways, each in a process of its own, of which the faster one counts in
each cell: batches one by one, with all threads for each operation, and batches side by side, with
one thread for an operation. Training goes batch by batch; `classification_training.py` compares it
with less of the machine's wandering.

Ends with a table, and in brackets how many times as fast as PyTorch. GFLOP/s are those of the
matrix products for real tokens, in sorted batches. With `--precision mixed_bfloat16` it also
tells how many labels of the shipped model change. A system that fails is left out of the table, and
the exit code is 1 then.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from classification_table import COLUMNS, ENCODERS, faster, remarks, table
from from_apps import names_of, one_line_errors, positive_integer

SYSTEMS = ("peak", "shipped", "ours", "pytorch", "keras-hub", "scikit-learn")
WARM_UP_STEPS = 4


def best_seconds(work: Callable[[], Any], repeats: int) -> float:
    """The least seconds that the work takes, once it has been done."""
    work()
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def run_peak(arguments: argparse.Namespace, reviews: dict) -> dict:
    """GFLOP/s of products of large matrices."""
    import tensorflow as tf

    product = tf.function(tf.matmul)
    best = 0.0
    for size in (1024, 2048):
        matrix = tf.random.normal((size, size))
        seconds = best_seconds(lambda matrix=matrix: product(matrix, matrix).numpy(), 16)
        best = max(best, 2 * size**3 / seconds / 1e9)
    return {"peak": best}


def run_shipped(arguments: argparse.Namespace, reviews: dict) -> dict:
    """The model that people load, from strings to labels."""
    import keras_tx

    texts, precision = reviews["texts"], arguments.precision
    labels, computing = None, None
    if precision != "float32":
        labels = [result.label for result in keras_tx.load(arguments.model).classify(texts)]
        computing = "bfloat16"  # What is only run needs no weights that take small steps.
    classifier = keras_tx.load(arguments.model, precision=computing)
    found = [result.label for result in classifier.classify(texts)]
    changed = sum(map(str.__ne__, found, labels or found))
    seconds = best_seconds(lambda: classifier.classify(texts), arguments.repeats)
    return {COLUMNS[0]: len(texts) / seconds, "changed": changed}


def run_linear(arguments: argparse.Namespace, reviews: dict) -> dict:
    """A linear classifier of n-grams, learned from a part of the training reviews."""
    from sentiment_baselines import baselines

    classifier = baselines()["NB, logistic regression, binary 1–3-grams"]
    classifier.fit(reviews["train_texts"], reviews["train_labels"])
    seconds = best_seconds(lambda: classifier.predict(reviews["texts"]), arguments.repeats)
    return {COLUMNS[0]: len(reviews["texts"]) / seconds}


def new_encoder(arguments: argparse.Namespace) -> tuple[Any, Any, Any]:
    """Our classifier, the system's encoder with the same weights, and their shape."""
    import keras
    from classification_encoders import KerasHubEncoder, OurEncoder, Shape, reference_classifier

    import keras_tx

    tokenizer = keras_tx.load(arguments.model).tokenizer
    keras.config.set_dtype_policy(arguments.precision)
    shape = Shape(*arguments.shape)
    classifier = reference_classifier(tokenizer, shape)
    if arguments.system == "pytorch":
        # What PyTorch has for GPUs brings an LLVM that crashes beside TensorFlow's.
        sys.modules["triton"] = None
        import torch
        from classification_pytorch import PyTorchEncoder

        torch.set_num_threads(arguments.threads // arguments.workers)
        return classifier, PyTorchEncoder(classifier.network, shape, arguments.precision), shape
    if arguments.system == "keras-hub":
        return classifier, KerasHubEncoder(classifier, shape), shape
    return classifier, OurEncoder(classifier), shape


def run_encoder(arguments: argparse.Namespace, reviews: dict) -> dict:
    """One of the libraries on the same encoder, the same ids and the same batches."""
    from keras_tx.data import TokenBatches

    classifier, encoder, shape = new_encoder(arguments)

    def packed() -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
        ids, lengths = (part.numpy() for part in classifier.pack_for_encoders(reviews["texts"]))
        plan = TokenBatches(lengths, arguments.tokens_per_batch, shuffle=False)
        return ids, lengths, list(plan.plan(epoch=0))

    def scores(ids: np.ndarray, lengths: np.ndarray, batches: Sequence[np.ndarray]) -> np.ndarray:
        found = np.zeros((len(ids), 2), "float32")

        def run(rows: np.ndarray) -> None:
            found[rows] = encoder.scores(ids[rows, : lengths[rows].max()])

        with ThreadPoolExecutor(arguments.workers) as pool:
            list(pool.map(run, batches))
        return found

    def whole_way() -> None:
        if arguments.system == "ours":
            classifier.classify(reviews["texts"])
        else:
            scores(*packed()).argmax(axis=-1)

    ids, lengths, by_length = packed()
    as_they_come = np.split(np.arange(len(ids)), range(32, len(ids), 32))
    seconds = [
        best_seconds(whole_way, arguments.repeats),
        best_seconds(lambda: scores(ids, lengths, by_length), arguments.repeats),
        best_seconds(lambda: scores(ids, lengths, as_they_come), arguments.repeats),
    ]
    result = dict(zip(COLUMNS, (len(ids) / part for part in seconds), strict=False))
    result |= {
        "operations": shape.operations(lengths),
        "tokens": int(lengths.sum()),
        "gigaflops": shape.operations(lengths) / seconds[1] / 1e9,
        "scores": scores(ids, lengths, by_length).tolist(),
    }
    if arguments.workers > 1:
        return result
    # Last, because it changes the weights.
    result[COLUMNS[3]] = training_speed(encoder, ids, lengths, reviews["labels"], arguments)
    return result


def training_speed(
    encoder: Any, ids: np.ndarray, lengths: np.ndarray, labels: list[int], arguments: Any
) -> float:
    """Real tokens a second, after the first steps."""
    from keras_tx.data import TokenBatches

    plan = TokenBatches(lengths, arguments.tokens_per_batch, seed=0)
    rows = list(itertools.islice(plan.stream(), WARM_UP_STEPS + arguments.steps))
    true = np.asarray(labels, "int32")
    ended = encoder.train([(ids[part, : lengths[part].max()], true[part]) for part in rows])
    tokens = sum(int(lengths[part].sum()) for part in rows[WARM_UP_STEPS:])
    return tokens / (ended[-1] - ended[WARM_UP_STEPS - 1])


def run_system(arguments: argparse.Namespace) -> None:
    """Measure one system; print one JSON object."""
    reviews = json.loads(pathlib.Path(arguments.reviews).read_text(encoding="utf-8"))
    runs = {"peak": run_peak, "shipped": run_shipped, "scikit-learn": run_linear}
    result = runs.get(arguments.system, run_encoder)(arguments, reviews)
    print(json.dumps(result))


def write_reviews(arguments: argparse.Namespace, path: pathlib.Path) -> None:
    """The reviews to classify, and those that the linear classifier learns from."""
    from keras_tx.data import download, read_imdb, split_labelled

    reviews = read_imdb(arguments.data or download("imdb"), split="train")
    train, held_out = split_labelled(reviews, 5000, seed=0)
    parts = {}
    for prefix, part, count in (
        ("", held_out, arguments.count),
        ("train_", train, arguments.train_count),
    ):
        # Evenly from all: they are sorted by label.
        rows = np.linspace(0, len(part.texts) - 1, count).astype(int)
        parts[f"{prefix}texts"] = [part.texts[row] for row in rows]
        parts[f"{prefix}labels"] = [int(part.labels[row]) for row in rows]
    path.write_text(json.dumps(parts), encoding="utf-8")


def parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path, help="default: downloaded")
    parser.add_argument("--model", default="sentiment_imdb")
    parser.add_argument("--count", type=positive_integer, default=600, help="reviews to classify")
    parser.add_argument(
        "--train-count", type=positive_integer, default=4000, help="those of scikit-learn"
    )
    parser.add_argument(
        "--steps", type=positive_integer, default=40, help="training steps that count"
    )
    parser.add_argument("--repeats", type=positive_integer, default=2)
    parser.add_argument("--quick", action="store_true", help="200 reviews, a pass, few steps")
    parser.add_argument("--tokens-per-batch", type=positive_integer, default=4096)
    parser.add_argument("--precision", choices=("float32", "mixed_bfloat16"), default="float32")
    parser.add_argument("--threads", type=positive_integer, default=2)
    parser.add_argument(
        "--shape", type=positive_integer, nargs=4, default=(2, 128, 512, 4),
        metavar=("LAYERS", "SIZE", "INNER", "HEADS"), help="default: 2 128 512 4",
    )  # fmt: skip
    parser.add_argument("--systems", type=names_of(SYSTEMS), default=",".join(SYSTEMS))
    parser.add_argument("--system", choices=SYSTEMS, help=argparse.SUPPRESS)
    parser.add_argument("--reviews", help=argparse.SUPPRESS)
    parser.add_argument("--workers", type=int, default=1, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.count, arguments.train_count = 200, 500
        arguments.steps, arguments.repeats = 6, 1
    return arguments


def environment(threads: int, workers: int) -> dict[str, str]:
    """Of a process with a number of threads and of batches at a time."""
    names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
    return {
        **os.environ,
        **dict.fromkeys(names, str(threads // workers)),
        "TF_NUM_INTEROP_THREADS": str(threads),
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONWARNINGS": "ignore",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TF_ENABLE_ONEDNN_OPTS": "1",  # For every system: `import keras_tx` does it for ours.
    }


def measured(command: Sequence[str], threads: int, workers: int) -> dict | None:
    """What a process of its own prints, with a number of batches at a time; None if it failed."""
    command = [sys.executable, __file__, *command, "--workers", str(workers)]
    process = subprocess.run(command, env=environment(threads, workers), stdout=subprocess.PIPE)
    return json.loads(process.stdout.splitlines()[-1]) if process.returncode == 0 else None


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    arguments = parsed(argv)
    if arguments.system:
        run_system(arguments)
        return
    given = sys.argv[1:] if argv is None else argv
    results, failed = {}, False
    with tempfile.TemporaryDirectory() as directory:
        reviews = pathlib.Path(directory, "reviews.json")
        write_reviews(arguments, reviews)
        for system in arguments.systems:
            command = [*given, "--system", system, "--reviews", str(reviews)]
            found = [measured(command, arguments.threads, 1)]
            if system in (*ENCODERS, "shipped") and arguments.threads > 1:
                found.append(measured(command, arguments.threads, arguments.threads))
            good = [result for result in found if result]
            if good:
                results[system] = functools.reduce(faster, good)
            failed |= len(good) < len(found)
            print(system, "measured" if len(good) == len(found) else "failed", file=sys.stderr)
    print("\n".join(table(results)), end="\n\n")
    print("\n".join(remarks(results, arguments.count, arguments.precision)))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
