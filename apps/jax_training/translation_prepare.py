"""First part of the translators' recipe on an accelerator: sentence pairs to token ids.

    python apps/jax_training/translation_prepare.py --data en-fr --output runs/multi30k_jax \
        --corpus multi30k --validate multi30k --vocabulary-size 6000 --variants 1

Needs the packages of keras_tx; what comes after it needs JAX (`pip install jax`) and Keras only.
"""

from __future__ import annotations

import argparse
import pathlib

import numpy as np
from from_apps import name_and_times, one_line_errors

import keras_tx
from keras_tx.data import SentencePairs, read_parallel
from keras_tx.text import SentencePieceTokenizer

LANGUAGES = ("en", "fr")
LARGEST_VOCABULARY = 2**16  # Ids are stored in two bytes.


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--corpus", nargs="+", required=True, type=corpus_and_times,
                        metavar="NAME[=TIMES]",
                        help="of `train/`, and how often it is read in an epoch")  # fmt: skip
    parser.add_argument("--validate", nargs="+", required=True, metavar="NAME", help="of `dev/`")
    parser.add_argument("--vocabulary-size", type=int, default=8000)
    parser.add_argument("--tokenizer-of", metavar="MODEL", help="in place of a new one")
    parser.add_argument("--variants", type=int, default=0, help="draws of other pieces, of each")
    parser.add_argument("--subword-dropout", type=float, default=0.1, help="of these draws")
    return parser.parse_args()


def corpus_and_times(text: str) -> tuple[str, float]:
    """Once, if nothing else is said."""
    return name_and_times(text if "=" in text else f"{text}=1")


def new_tokenizer(arguments: argparse.Namespace, texts: list[str]) -> SentencePieceTokenizer:
    if arguments.tokenizer_of:
        return keras_tx.load(arguments.tokenizer_of).tokenizer
    return SentencePieceTokenizer("bpe", vocabulary_size=arguments.vocabulary_size).fit(texts)


@one_line_errors
def main() -> None:
    arguments = options()
    chosen = dict(arguments.corpus)
    train = {name: read_parallel(arguments.data / "train" / name, *LANGUAGES) for name in chosen}
    dev = {
        f"dev_{name}": read_parallel(arguments.data / "dev" / name, *LANGUAGES)
        for name in arguments.validate
    }
    texts = [text for pairs in train.values() for text in (*pairs.sources, *pairs.targets)]
    tokenizer = new_tokenizer(arguments, texts)
    if len(tokenizer.vocabulary) > LARGEST_VOCABULARY:
        raise ValueError(
            f"expected a vocabulary of at most {LARGEST_VOCABULARY:,} pieces. "
            f"Received: {len(tokenizer.vocabulary):,}"
        )
    directory = arguments.output / "tokenizer"
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save_assets(str(directory))
    arrays = {f"{name}_times": np.array(times) for name, times in chosen.items()}
    for name, pairs in (train | dev).items():
        # What is measured on has the pieces that a translator will read.
        variants = 0 if name in dev else arguments.variants
        arrays |= pair_arrays(name, pairs, tokenizer, variants, arguments.subword_dropout)
    np.savez_compressed(arguments.output / "ids.npz", **arrays)
    print(f"{len(tokenizer.vocabulary):,} pieces")


def pair_arrays(
    name: str,
    pairs: SentencePairs,
    tokenizer: SentencePieceTokenizer,
    variants: int,
    subword_dropout: float,
) -> dict[str, np.ndarray]:
    """Ids and lengths of both languages: of the texts, then of each draw of other pieces."""
    arrays = {f"{name}_count": np.array(len(pairs))}
    for language, texts in zip(LANGUAGES, (pairs.sources, pairs.targets), strict=True):
        rows = tokenizer.tokenize(texts).to_list()
        for seed in range(variants):
            rows += tokenizer.sample(texts, subword_dropout, seed)
        ids = np.concatenate([np.array(row, "uint16") for row in rows])
        arrays[f"{name}_{language}_ids"] = ids
        arrays[f"{name}_{language}_lengths"] = np.array([len(row) for row in rows], "int32")
        print(f"{name}, {language}: {len(rows):,} rows, {len(ids):,} tokens")
    return arrays


if __name__ == "__main__":
    main()
