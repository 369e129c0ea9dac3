"""First part of the recipe of `saved_models/sentiment_imdb`: reviews to token ids.

    python apps/jax_training/imdb_prepare.py --data aclImdb --output runs/imdb

Writes the subword vocabulary and `ids.npz`, all that `imdb_pretrain.py` and `imdb_finetune.py`
need of the texts: those two run where there is an accelerator, and need no TensorFlow. `--data`
is the `aclImdb` folder or its archive; without it, the data set is downloaded (84 MB). Of the
25,000 labelled reviews 5,000 are held out, as in the other recipes.
"""

from __future__ import annotations

import argparse
import pathlib

import numpy as np
from from_apps import one_line_errors

from keras_tx.data import download, read_imdb, read_imdb_unlabelled, split_labelled
from keras_tx.text import SentencePieceTokenizer
from keras_tx.training import word_beginnings

CHUNK = 1000  # Reviews that are tokenized at once.
LARGEST_VOCABULARY = 2**16  # Ids are stored in two bytes.


def tokenized(tokenizer: SentencePieceTokenizer, texts: list[str]) -> list[np.ndarray]:
    rows: list[np.ndarray] = []
    for start in range(0, len(texts), CHUNK):
        ids = tokenizer.tokenize(texts[start : start + CHUNK])
        rows += np.split(ids.values.numpy().astype("uint16"), ids.row_splits.numpy()[1:-1])
    return rows


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--held-out", type=int, default=5000, help="reviews")
    # With the mask 12,000.
    parser.add_argument("--vocabulary-size", type=int, default=11999)
    arguments = parser.parse_args()
    data = arguments.data or download("imdb")
    train, held_out = split_labelled(read_imdb(data, split="train"), arguments.held_out, seed=0)
    parts = {
        "train": train.texts,
        "held_out": held_out.texts,
        "unlabelled": read_imdb_unlabelled(data),
    }
    tokenizer = SentencePieceTokenizer("unigram", vocabulary_size=arguments.vocabulary_size)
    # A quarter of the reviews holds all frequent words, and keeps the training short.
    tokenizer.fit((parts["train"] + parts["unlabelled"])[::4])
    if len(tokenizer.vocabulary) > LARGEST_VOCABULARY:
        raise ValueError(
            f"expected a vocabulary of at most {LARGEST_VOCABULARY:,} pieces. "
            f"Received: {len(tokenizer.vocabulary):,}"
        )
    directory = arguments.output / "tokenizer"
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save_assets(str(directory))
    arrays = {"begins_word": word_beginnings(tokenizer.vocabulary)}
    arrays |= {"train_labels": np.array(train.labels), "held_out_labels": np.array(held_out.labels)}
    for name, texts in parts.items():
        rows = tokenized(tokenizer, texts)
        arrays[f"{name}_ids"] = np.concatenate(rows)
        arrays[f"{name}_lengths"] = np.array([len(row) for row in rows], "int32")
        print(f"{name}: {len(rows):,} reviews, {len(arrays[f'{name}_ids']):,} tokens")
    np.savez_compressed(arguments.output / "ids.npz", **arrays)


if __name__ == "__main__":
    main()
