"""Speed of greedy decoding: ours against the book's loop, same weights, same sentences.

    python apps/benchmarks/decoding.py [--model translator_en_fr] [--sentences FILE]

The book calls the whole network again for each new token, and so does its loop here. Both
ways tokenize, decode and detokenize; both are warmed up first; their translations are
compared. Prints one JSON object with sentences a second and the ratio.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

import keras_tx
from keras_tx.data import sample_pairs
from keras_tx.models import Translator
from keras_tx.text import pack


def book_loop(translator: Translator, sentences: list[str]) -> list[str]:
    """Decode by `predict` on all tokens so far, a whole pass of the network each time."""
    tokenizer = translator.tokenizer
    source, lengths = pack(
        tokenizer.tokenize(sentences), translator.sequence_length, end_id=tokenizer.end_id
    )
    limits = np.minimum(2 * lengths.numpy() + 10, translator.sequence_length)
    target = np.full((len(sentences), 1), tokenizer.start_id, "int32")
    finished = np.zeros(len(sentences), bool)
    while not finished.all():
        logits = translator.network.predict([source.numpy(), target], verbose=0)[:, -1]
        chosen = np.where(finished, tokenizer.padding_id, logits.argmax(axis=-1))
        target = np.concatenate([target, chosen[:, None].astype("int32")], axis=1)
        finished |= (chosen == tokenizer.end_id) | (target.shape[1] - 1 >= limits)
    return [text.decode() for text in tokenizer.detokenize(tf.constant(target)).numpy()]


def measure(
    translate: Callable[[list[str]], list[str]], sentences: list[str], batch_size: int
) -> tuple[float, list[str]]:
    """Sentences a second, and the translations."""
    batches = [sentences[i : i + batch_size] for i in range(0, len(sentences), batch_size)]
    translate(batches[0])
    started = time.perf_counter()
    translations = [text for batch in batches for text in translate(batch)]
    return len(sentences) / (time.perf_counter() - started), translations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="translator_en_fr")
    parser.add_argument("--sentences", type=pathlib.Path, help="default: the sample pairs")
    parser.add_argument("--count", type=int, default=64)
    arguments = parser.parse_args()
    translator = keras_tx.load(arguments.model)
    if arguments.sentences:
        sentences = arguments.sentences.read_text(encoding="utf-8").split("\n")
    else:
        sentences = sample_pairs().sources
    sentences = [sentence for sentence in sentences if sentence][: arguments.count]
    results = {}
    for batch_size, count in ((1, 8), (32, len(sentences))):
        ours, translations = measure(
            lambda batch: translator.translate(batch, batch_size=len(batch)),
            sentences[:count],
            batch_size,
        )
        book, expected = measure(
            lambda batch: book_loop(translator, batch), sentences[:count], batch_size
        )
        same = sum(map(str.__eq__, translations, expected))
        results[f"batch_{batch_size}"] = {
            "ours": round(ours, 2),
            "book": round(book, 2),
            "ratio": round(ours / book, 1),
            "same_translations": f"{same}/{count}",
        }
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
