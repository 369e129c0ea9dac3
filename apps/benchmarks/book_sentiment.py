"""What the book's Transformer reaches on the reviews that the recipe holds out.

    python apps/benchmarks/book_sentiment.py --data aclImdb

The classifier with positions of Chollet 2021, "Deep Learning with Python", listing 11.25, with
this toolkit's layers: 20,000 lower-cased words without punctuation, the first 600 of a review,
one post-norm encoder, global maximum (over padding, too), dropout 0.5, RMSprop, batches of 32,
and the epoch with the lowest loss on the held-out reviews. One thing is not the book's: reviews
of about the same length share a batch, so that less padding has to be computed. Prints a table
of all epochs.
"""

from __future__ import annotations

import argparse
import pathlib
import time
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf
from from_apps import one_line_errors, positive_integer

from keras_tx.data import download, read_imdb, split_labelled
from keras_tx.layers import PositionalEmbedding, TransformerEncoder

WORDS, LENGTH, BATCH = 20_000, 600, 32


def book_classifier() -> keras.Model:
    """The network: word ids `(B, T)` to the probability of a positive review `(B, 1)`."""
    ids = keras.Input((None,), dtype="int64")
    x = PositionalEmbedding(LENGTH, WORDS, 256, positions="learned")(ids)
    x = TransformerEncoder(256, 32, 2, key_dim=256)(x)
    x = keras.layers.GlobalMaxPooling1D()(x)
    x = keras.layers.Dropout(0.5)(x)
    outputs = keras.layers.Dense(1, activation="sigmoid", dtype="float32")(x)
    model = keras.Model(ids, outputs)
    model.compile("rmsprop", "binary_crossentropy", metrics=["accuracy"], jit_compile=False)
    return model


def batches(ids: np.ndarray, labels: np.ndarray, seed: int | None = None) -> tf.data.Dataset:
    """Reviews of about the same length together; with a seed in a new order each epoch."""
    lengths = (ids != 0).sum(axis=1)
    generator = None if seed is None else np.random.default_rng(seed)

    def epoch() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        # Noise, so that neighbours in length are others each time.
        noise = 0 if generator is None else generator.uniform(0, 20, len(lengths))
        order = np.argsort(lengths + noise, kind="stable")
        rows = np.split(order, range(BATCH, len(order), BATCH))
        if generator:
            generator.shuffle(rows)
        for chosen in rows:
            # Few widths: kernels are compiled for each.
            width = min(-(-lengths[chosen].max() // 50) * 50, LENGTH)
            yield ids[chosen, :width], labels[chosen]

    signature = (tf.TensorSpec([None, None], tf.int64), tf.TensorSpec([None], tf.int64))
    return tf.data.Dataset.from_generator(epoch, output_signature=signature).prefetch(4)


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path, help="default: downloaded")
    parser.add_argument("--epochs", type=positive_integer, default=5)
    # Half precision pays only where the processor has instructions for it.
    parser.add_argument("--precision", default="float32", help="or mixed_bfloat16")
    arguments = parser.parse_args()
    reviews = read_imdb(arguments.data or download("imdb"), split="train")
    train, held_out = split_labelled(reviews, 5000, seed=0)
    vectorization = keras.layers.TextVectorization(WORDS, output_sequence_length=LENGTH)
    vectorization.adapt(train.texts)
    training, validation = (
        batches(np.asarray(vectorization(part.texts)), np.asarray(part.labels), seed)
        for part, seed in ((train, 0), (held_out, None))
    )
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(arguments.precision)
    model = book_classifier()
    print("| epoch | loss | held-out loss | held-out accuracy | minutes |")
    print("|---|---|---|---|---|")
    started, rows = time.monotonic(), []
    for epoch in range(1, arguments.epochs + 1):
        fitted = model.fit(training, validation_data=validation, shuffle=False, verbose=0)
        loss, val_loss, accuracy = (
            fitted.history[name][-1] for name in ("loss", "val_loss", "val_accuracy")
        )
        minutes = (time.monotonic() - started) / 60
        rows.append((val_loss, epoch, accuracy))
        row = f"| {epoch} | {loss:.3f} | {val_loss:.3f} | {accuracy:.2%} | {minutes:.1f} |"
        print(row, flush=True)
    _, epoch, accuracy = min(rows)
    print(f"The lowest held-out loss: epoch {epoch}, accuracy {accuracy:.2%}")


if __name__ == "__main__":
    main()
