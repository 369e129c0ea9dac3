"""Recipe of a backbone: a masked language model of the IMDB reviews, labelled and unlabelled.

    python apps/pretrain_mlm.py --data aclImdb --output runs/imdb_backbone --minutes 480

`--data` is the `aclImdb` folder or its archive; without it, the data set is downloaded (84 MB).
Of the 75,000 training reviews, the 5,000 labelled ones that the other recipes hold out are left
out, text and all; 500 of the unlabelled ones tell after each round how many missing tokens are
guessed right. The run keeps checkpoints in the output directory; after a stop the same command
with `--resume` goes on. `apps/finetune_imdb.py` makes a classifier of the result.
"""

from __future__ import annotations

import argparse
import json
import pathlib

import keras
from bad_input import one_line_errors
from run_directory import add_run_options, begin_run, require_a_round, write_json

from keras_tx.data import download, read_imdb, read_imdb_unlabelled, split_labelled
from keras_tx.models import BACKBONE_PRESETS, Backbone
from keras_tx.text import SentencePieceTokenizer

VALIDATION = 500  # reviews


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--minutes", type=float, help="training time of this call")
    parser.add_argument("--epochs", type=float, default=10)
    parser.add_argument("--preset", choices=sorted(BACKBONE_PRESETS), default="small")
    parser.add_argument("--embed-dim", type=int, help="default: the preset's")
    parser.add_argument("--dense-dim", type=int, help="default: the preset's")
    parser.add_argument("--num-heads", type=int, help="default: the preset's")
    parser.add_argument("--num-layers", type=int, help="default: the preset's")
    # With the mask 16,000: rows of the output layer then stay aligned.
    parser.add_argument("--vocabulary-size", type=int, default=15999)
    parser.add_argument("--sequence-length", type=int, default=256)
    parser.add_argument("--masking-rate", type=float, default=0.15)
    parser.add_argument("--pieces", action="store_true", help="mask pieces, not whole words")
    parser.add_argument("--optimizer", choices=["adam", "muon"], default="adam")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--warmup-steps", type=int, default=500)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--tokens-per-batch", type=int, default=4096)
    parser.add_argument("--steps-per-round", type=int, default=1000)
    # Half precision pays only where the processor has instructions for it.
    parser.add_argument("--precision", default="float32", help="or mixed_bfloat16")
    parser.add_argument("--seed", type=int, default=0)
    add_run_options(parser)
    return parser.parse_args()


def review_texts(data: pathlib.Path) -> tuple[list[str], list[str]]:
    """The reviews to learn from, and those to validate on."""
    labelled, _ = split_labelled(read_imdb(data, split="train"), 5000, seed=0)
    unlabelled = read_imdb_unlabelled(data)
    return labelled.texts + unlabelled[VALIDATION:], unlabelled[:VALIDATION]


def fitted_tokenizer(
    texts: list[str], size: int, directory: pathlib.Path, resume: bool
) -> SentencePieceTokenizer:
    """The subword vocabulary; that of the stopped run when it goes on."""
    tokenizer = SentencePieceTokenizer("unigram", vocabulary_size=size)
    if resume:
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
    tokenizer = fitted_tokenizer(
        train, arguments.vocabulary_size, arguments.output / "tokenizer", arguments.resume
    )
    sizes = ("embed_dim", "dense_dim", "num_heads", "num_layers")
    changes = {name: getattr(arguments, name) for name in sizes if getattr(arguments, name)}
    keras.utils.set_random_seed(arguments.seed)
    backbone = Backbone.from_preset(
        arguments.preset,
        tokenizer,
        sequence_length=arguments.sequence_length,
        dropout=arguments.dropout,
        **changes,
    )
    history = backbone.fit(
        train,
        validation,
        epochs=arguments.epochs,
        tokens_per_batch=arguments.tokens_per_batch,
        masking_rate=arguments.masking_rate,
        whole_words=not arguments.pieces,
        optimizer=arguments.optimizer,
        learning_rate=arguments.learning_rate,
        warmup_steps=arguments.warmup_steps,
        steps_per_round=arguments.steps_per_round,
        precision=arguments.precision,
        seed=arguments.seed,
        max_minutes=arguments.minutes,
        directory=arguments.output,
        resume=arguments.resume,
    )
    require_a_round(history, arguments)
    backbone.save(arguments.output / "imdb_backbone.keras")
    chosen = history[-1]
    metrics = {
        "masked_token_accuracy": round(chosen["val_accuracy"], 4),
        "masked_token_loss": round(chosen["val_loss"], 4),
        "step": chosen["step"],
        "minutes": chosen["minutes"],
    }
    write_json(arguments.output / "history.json", history)
    write_json(arguments.output / "metrics.json", metrics)
    print(json.dumps(metrics, indent=2))


if __name__ == "__main__":
    main()
