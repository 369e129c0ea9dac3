"""Recipe of a region backbone: vectors of regions from the IMDB reviews, labelled and unlabelled.

    python apps/pretrain_regions.py --data aclImdb --output runs/imdb_regions

`--data` is the `aclImdb` folder or its archive; without it, the data set is downloaded (84 MB).
Of the 75,000 training reviews, the 5,000 labelled ones that the other recipes hold out are left
out, text and all; 500 of the unlabelled ones validate. The run keeps checkpoints in the output
directory; after a stop the same command with `--resume` goes on. `apps/finetune_imdb.py` makes a
classifier of the result.
"""

from __future__ import annotations

import argparse
import json
import pathlib

import keras
from bad_input import one_line_errors
from run_directory import add_run_options, begin_run, require_a_round, write_json

import keras_tx
from keras_tx.data import download, read_imdb, read_imdb_unlabelled, split_labelled
from keras_tx.models import RegionBackbone
from keras_tx.text import SentencePieceTokenizer

VALIDATION = 500  # reviews


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--tokenizer-of", metavar="MODEL", help="default: a new vocabulary")
    parser.add_argument("--minutes", type=float, help="training time of this call")
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--vocabulary-size", type=int, default=16000)
    parser.add_argument("--region-size", type=int, default=5)
    parser.add_argument("--embed-dim", type=int, default=200)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--tokens-per-batch", type=int, default=16384)
    parser.add_argument("--steps-per-round", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    add_run_options(parser)
    return parser.parse_args()


def review_texts(data: pathlib.Path) -> tuple[list[str], list[str]]:
    """The reviews to learn from, and those to validate on."""
    labelled, _ = split_labelled(read_imdb(data, split="train"), 5000, seed=0)
    unlabelled = read_imdb_unlabelled(data)
    return labelled.texts + unlabelled[VALIDATION:], unlabelled[:VALIDATION]


def fitted_tokenizer(arguments: argparse.Namespace, texts: list[str]) -> SentencePieceTokenizer:
    """The subword vocabulary: of the model that is named, of the stopped run, or a new one."""
    if arguments.tokenizer_of:
        return keras_tx.load(arguments.tokenizer_of).tokenizer
    directory = arguments.output / "tokenizer"
    tokenizer = SentencePieceTokenizer("unigram", vocabulary_size=arguments.vocabulary_size)
    if arguments.resume:
        tokenizer.load_assets(str(directory))
    if not tokenizer.is_fitted:
        # A quarter of the reviews holds all frequent words, and keeps the training short.
        tokenizer.fit(texts[::4])
        directory.mkdir(parents=True, exist_ok=True)
        tokenizer.save_assets(str(directory))
    return tokenizer


@one_line_errors
def main() -> None:
    arguments = options()
    train, validation = review_texts(arguments.data or download("imdb"))
    begin_run(arguments)
    tokenizer = fitted_tokenizer(arguments, train)
    keras.utils.set_random_seed(arguments.seed)
    backbone = RegionBackbone(tokenizer, arguments.region_size, arguments.embed_dim)
    history = backbone.fit(
        train,
        validation,
        epochs=arguments.epochs,
        tokens_per_batch=arguments.tokens_per_batch,
        learning_rate=arguments.learning_rate,
        steps_per_round=arguments.steps_per_round,
        seed=arguments.seed,
        max_minutes=arguments.minutes,
        directory=arguments.output,
        resume=arguments.resume,
    )
    require_a_round(history, arguments)
    backbone.save(arguments.output / "imdb_regions.keras")
    chosen = history[-1]
    metrics = {name: chosen[name] for name in ("val_loss", "step", "minutes")}
    write_json(arguments.output / "history.json", history)
    write_json(arguments.output / "metrics.json", metrics)
    print(json.dumps(metrics, indent=2))


if __name__ == "__main__":
    main()
