"""First part of the translators' recipe on an accelerator: sentence pairs to token ids.

    python apps/jax_training/translation_prepare.py --data en-fr --output runs/multi30k \
        --corpus multi30k --validate multi30k --vocabulary-size 6000 --variants 4

Needs the packages of keras_tx; what comes after it needs JAX and Keras only.
"""

from __future__ import annotations

import argparse
import pathlib

import numpy as np

import keras_tx
from keras_tx.data import SentencePairs, read_parallel
from keras_tx.text import SentencePieceTokenizer

LANGUAGES = ("en", "fr")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--corpus", nargs="+", required=True, metavar="NAME[=TIMES]",
                        help="of `train/`, and how often it is read in an epoch")  # fmt: skip
    parser.add_argument("--validate", nargs="+", required=True, metavar="NAME", help="of `dev/`")
    parser.add_argument("--vocabulary-size", type=int, default=8000)
    parser.add_argument("--tokenizer-of", metavar="MODEL", help="in place of a new one")
    parser.add_argument("--variants", type=int, default=0, help="draws of other pieces, of each")
    parser.add_argument("--subword-dropout", type=float, default=0.1, help="of these draws")
    return parser.parse_args()


def new_tokenizer(arguments: argparse.Namespace, texts: list[str]) -> SentencePieceTokenizer:
    if arguments.tokenizer_of:
        return keras_tx.load(arguments.tokenizer_of).tokenizer
    return SentencePieceTokenizer("bpe", vocabulary_size=arguments.vocabulary_size).fit(texts)


def side(
    tokenizer: SentencePieceTokenizer, texts: list[str], arguments: argparse.Namespace
) -> list[list[int]]:
    """The ids of the texts; then of each draw of other pieces."""
    rows = [row for row in tokenizer.tokenize(texts).to_list()]
    for seed in range(arguments.variants):
        rows += tokenizer.sample(texts, arguments.subword_dropout, seed)
    return rows


def main() -> None:
    arguments = options()
    chosen = dict(name.partition("=")[::2] for name in arguments.corpus)
    train = {name: read_parallel(arguments.data / "train" / name, *LANGUAGES) for name in chosen}
    dev = {
        f"dev_{name}": read_parallel(arguments.data / "dev" / name, *LANGUAGES)
        for name in arguments.validate
    }
    texts = [text for pairs in train.values() for text in (*pairs.sources, *pairs.targets)]
    tokenizer = new_tokenizer(arguments, texts)
    directory = arguments.output / "tokenizer"
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save_assets(str(directory))
    arrays = {f"{name}_times": np.array(float(times or 1)) for name, times in chosen.items()}
    plain = argparse.Namespace(**{**vars(arguments), "variants": 0})
    for name, pairs in (train | dev).items():
        each = plain if name in dev else arguments
        arrays |= pair_arrays(name, pairs, tokenizer, each)
        arrays[f"{name}_count"] = np.array(len(pairs))
    np.savez_compressed(arguments.output / "ids.npz", **arrays)
    print(f"{len(tokenizer.vocabulary):,} pieces")


def pair_arrays(
    name: str,
    pairs: SentencePairs,
    tokenizer: SentencePieceTokenizer,
    arguments: argparse.Namespace,
) -> dict[str, np.ndarray]:
    arrays = {}
    for language, texts in zip(LANGUAGES, (pairs.sources, pairs.targets), strict=True):
        rows = side(tokenizer, texts, arguments)
        arrays[f"{name}_{language}_ids"] = np.concatenate([np.array(row) for row in rows]).astype(
            "uint16"
        )
        arrays[f"{name}_{language}_lengths"] = np.array([len(row) for row in rows], "int32")
        print(f"{name}, {language}: {len(rows):,} rows, {sum(map(len, rows)):,} tokens")
    return arrays


if __name__ == "__main__":
    main()
