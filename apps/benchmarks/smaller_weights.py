"""Exports with weights in float32, float16 and int8: size, speed, and what they translate.

    python apps/benchmarks/smaller_weights.py --data test/multi30k_2016

`--data PREFIX` are the parallel files `PREFIX.en` and `PREFIX.fr`. Each export is loaded and its
`serving_default` is run in batches of similar length: once, and then for the time that counts.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import tempfile
import time
from collections.abc import Sequence

from from_apps import one_line_errors, positive_integer

KINDS = ("float32", "float16", "int8")


def translations(directory: pathlib.Path, batches: Sequence[list[str]]) -> tuple[list[str], float]:
    """What an export says of the sentences, and how many it does in a second."""
    import tensorflow as tf

    function = tf.saved_model.load(str(directory)).signatures["serving_default"]
    for _ in range(2):
        started = time.perf_counter()
        found = [function(text=tf.constant(batch))["translation"].numpy() for batch in batches]
        seconds = time.perf_counter() - started
    texts = [text.decode("utf-8") for batch in found for text in batch]
    return texts, len(texts) / seconds


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="translator_en_fr")
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--count", type=positive_integer, default=300)
    parser.add_argument("--batch-size", type=positive_integer, default=32)
    arguments = parser.parse_args(argv)

    import keras_tx
    from keras_tx.data import read_parallel
    from keras_tx.evaluation import translation_scores

    pairs = read_parallel(arguments.data, "en", "fr")
    pairs = pairs.take(range(min(arguments.count, len(pairs))))
    order = sorted(range(len(pairs)), key=lambda row: len(pairs.sources[row]))
    sources = [pairs.sources[row] for row in order]
    starts = range(0, len(sources), arguments.batch_size)
    batches = [sources[start : start + arguments.batch_size] for start in starts]
    references = [pairs.targets[row] for row in order]
    model = keras_tx.load(arguments.model)
    expected: list[str] = []
    print("| weights | export | sentences/s | BLEU | the same as float32 |\n|---|---|---|---|---|")
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as directory:
            export = model.export(directory, weights=kind)
            size = sum(path.stat().st_size for path in export.rglob("*") if path.is_file())
            found, speed = translations(export, batches)
        expected = expected or found
        same = sum(map(str.__eq__, found, expected))
        bleu = translation_scores(found, references)["bleu"]
        row = (
            kind,
            f"{size / 1e6:.1f} MB",
            f"{speed:.0f}",
            f"{bleu:.2f}",
            f"{same} of {len(found)}",
        )
        print(f"| {' | '.join(row)} |", flush=True)
    print(f"{len(sources)} sentences, beam {model.decoding.beam_size}", file=sys.stderr)


if __name__ == "__main__":
    main()
