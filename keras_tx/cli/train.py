"""`keras-tx train sentiment` and `keras-tx train translator`."""

from __future__ import annotations

import functools
import math
import operator
import sys
from collections.abc import Callable
from typing import Any

import click

from keras_tx.cli.loading import start_tensorflow
from keras_tx.cli.text_lines import print_json
from keras_tx.cli.training_directory import TrainingDirectory

HELD_OUT_SHARE, MOST_HELD_OUT = 10, 5000
# Up to so many examples, batches are small and passes many: else there would be few steps.
SMALL_DATA = 2000


@click.group()
def train() -> None:
    """Train a model of your own."""


def _number(context: click.Context, option: click.Parameter, value: float | None) -> float | None:
    if value is not None and math.isnan(value):  # It is in every range, and no limit at all.
        raise click.BadParameter("expected a number. Received: nan", context, option)
    return value


def training_options(presets: str) -> Callable:
    """Adds what both trainings take to a command."""
    options = (
        click.option(
            "--output",
            metavar="DIR",
            required=True,
            help="Gets DIR/NAME.keras, NAME being DIR's own name, metrics.json, the tokenizer "
            "and the checkpoints. `--model DIR` finds the model.",
        ),
        click.option(
            "--preset",
            help=f"Size of the network: {presets}. Default: tiny for the sample, small otherwise.",
        ),
        click.option("--vocabulary-size", type=click.IntRange(min=1)),
        click.option("--epochs", type=click.IntRange(min=1), help="Passes over the data."),
        click.option(
            "--max-minutes",
            type=click.FloatRange(min=0, min_open=True),
            callback=_number,
            help="Stop after this time; --resume goes on.",
        ),
        click.option(
            "--precision",
            type=click.Choice(["float32", "mixed_bfloat16"]),
            default="float32",
            show_default=True,
            help="Half precision is faster where the processor has it.",
        ),
        click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True),
        click.option("--resume", is_flag=True, help="Go on with the training in DIR, if any."),
        click.option("--overwrite", is_flag=True, help="Lose an earlier training in DIR."),
    )
    return lambda command: functools.reduce(lambda f, option: option(f), reversed(options), command)


@train.command()
@click.option(
    "--data",
    metavar="PATH",
    help="A .csv or .tsv table, the IMDB reviews (folder or archive), or a folder with one of "
    ".txt files for each class. Default: the sample reviews.",
)
@click.option("--dev", metavar="PATH", help="To validate on. Default: a tenth of the data.")
@click.option("--text-column", default="text", show_default=True, help="Of a table.")
@click.option("--label-column", default="label", show_default=True, help="Of a table.")
@click.option("--unquoted", is_flag=True, help='In a table, " is a character like any other.')
@training_options("tiny, small or book")
def sentiment(
    data: str | None,
    dev: str | None,
    text_column: str,
    label_column: str,
    unquoted: bool,
    output: str,
    resume: bool,
    overwrite: bool,
    **choices: Any,
) -> None:
    """Train a classifier: of sentiment, or of whatever the labels are."""
    if dev is not None and data is None:
        raise click.UsageError("expected --data with --dev. Received: --dev alone")
    directory = TrainingDirectory(output, resume, overwrite)
    start_tensorflow()
    from keras_tx.data import read_labelled, sample_reviews, split_labelled
    from keras_tx.models.presets import CLASSIFIER_PRESETS, preset_arguments

    preset = choices["preset"] or ("tiny" if data is None else "small")
    preset_arguments(CLASSIFIER_PRESETS, preset, {})  # A wrong name shows before the work begins.
    columns = {"text_column": text_column, "label_column": label_column, "quoted": not unquoted}
    if data is not None:
        examples = read_labelled(data, **columns)
    else:
        click.echo("No --data: training on the sample reviews of the package.", err=True)
        examples = sample_reviews()
    if dev is not None:
        names = examples.label_names
        parts = examples, read_labelled(dev, label_names=names, **columns)
    else:
        held_out = _held_out(len(examples), share=5 if data is None else HELD_OUT_SHARE)
        parts = split_labelled(examples, held_out, choices["seed"])
    _train_classifier(directory, *parts, **{**choices, "preset": preset})


def _train_classifier(
    directory: TrainingDirectory,
    examples: Any,
    held_out: Any,
    *,
    preset: str,
    vocabulary_size: int | None,
    epochs: int | None,
    seed: int,
    **fit_options: Any,
) -> None:
    import keras

    from keras_tx.evaluation import evaluate_classifier
    from keras_tx.models import SentimentClassifier, TextClassifier
    from keras_tx.text import SentencePieceTokenizer

    small = len(examples) <= SMALL_DATA
    kind, labels = TextClassifier, examples.label_names
    if labels == ("negative", "positive"):
        kind = SentimentClassifier
    if len(labels) < 2:
        raise ValueError(f"expected two or more labels in --data. Received: {list(labels)}")
    directory.prepare()
    new = SentencePieceTokenizer("unigram", vocabulary_size or (1000 if small else 16_000))
    tokenizer = directory.tokenizer(new, lambda: examples.texts)
    keras.utils.set_random_seed(seed)
    model = kind.from_preset(preset, tokenizer, labels=labels, **(_SMALL_NETWORK if small else {}))
    settings = _SMALL_CLASSIFIER if small else {"epochs": 5}
    settings = {**settings, **({"epochs": epochs} if epochs else {})}
    _fit(model, directory, examples, held_out, seed=seed, **settings, **fit_options)
    metrics = evaluate_classifier(model, held_out)
    _finish(model, directory, metrics)


# N-grams find more in few short texts than attention does.
_SMALL_NETWORK = {"ngram_buckets": 4000, "token_dropout": 0.1}
_SMALL_CLASSIFIER = {
    "epochs": 20,
    "tokens_per_batch": 256,
    "learning_rate": 5e-3,
    "average": "last",
}
_SMALL_TRANSLATOR = {
    "epochs": 40,
    "tokens_per_batch": 256,
    "learning_rate": 4e-3,
    "warmup_steps": 100,
    "steps_per_round": 100,
}


@train.command()
@click.option(
    "--train",
    "train_paths",
    metavar="PREFIX_OR_TSV",
    multiple=True,
    help="A file of tab-separated pairs, or the PREFIX of PREFIX.en and PREFIX.fr. May be given "
    "several times. Default: the sample sentences.",
)
@click.option(
    "--dev",
    "dev_paths",
    metavar="PREFIX_OR_TSV",
    multiple=True,
    help="To validate on; like --train. Default: a tenth of the data.",
)
@click.option("--source-language", default="en", show_default=True)
@click.option("--target-language", default="fr", show_default=True)
@training_options("tiny, small or base")
def translator(
    train_paths: tuple[str, ...],
    dev_paths: tuple[str, ...],
    source_language: str,
    target_language: str,
    output: str,
    resume: bool,
    overwrite: bool,
    **choices: Any,
) -> None:
    """Train a translator."""
    languages = (source_language, target_language)
    if dev_paths and not train_paths:
        raise click.UsageError("expected --train with --dev. Received: --dev alone")
    if not train_paths and languages != ("en", "fr"):
        raise click.UsageError(
            "expected --train for languages other than en and fr. "
            f"Received: {' and '.join(languages)}"
        )
    directory = TrainingDirectory(output, resume, overwrite)
    start_tensorflow()
    from keras_tx.data import read_pairs, sample_pairs, split_pairs
    from keras_tx.models.presets import TRANSLATOR_PRESETS, preset_arguments

    preset = choices["preset"] or ("small" if train_paths else "tiny")
    preset_arguments(TRANSLATOR_PRESETS, preset, {})

    def read_all(paths: tuple[str, ...]) -> Any:
        return functools.reduce(operator.add, [read_pairs(path, *languages) for path in paths])

    if train_paths:
        pairs = read_all(train_paths)
    else:
        click.echo("No --train: training on the sample sentences of the package.", err=True)
        pairs = sample_pairs()
    if dev_paths:
        parts = pairs, read_all(dev_paths)
    else:
        parts = split_pairs(pairs, _held_out(len(pairs)), choices["seed"])
    _train_translator(directory, languages, *parts, **{**choices, "preset": preset})


def _train_translator(
    directory: TrainingDirectory,
    languages: tuple[str, str],
    pairs: Any,
    held_out: Any,
    *,
    preset: str,
    vocabulary_size: int | None,
    epochs: int | None,
    seed: int,
    **fit_options: Any,
) -> None:
    import keras

    from keras_tx.evaluation import evaluate_translator
    from keras_tx.models import Translator
    from keras_tx.text import SentencePieceTokenizer

    small = len(pairs) <= SMALL_DATA
    directory.prepare()
    new = SentencePieceTokenizer("bpe", vocabulary_size or (1000 if small else 8000))
    tokenizer = directory.tokenizer(new, lambda: [*pairs.sources, *pairs.targets])
    keras.utils.set_random_seed(seed)
    model = Translator.from_preset(
        preset, tokenizer, source_language=languages[0], target_language=languages[1]
    )
    settings = _SMALL_TRANSLATOR if small else {"epochs": 20}
    settings = {**settings, **({"epochs": epochs} if epochs else {})}
    _fit(model, directory, pairs, held_out, seed=seed, **settings, **fit_options)
    _finish(model, directory, evaluate_translator(model, held_out))


def _held_out(count: int, share: int = HELD_OUT_SHARE) -> int:
    """How many of the examples to hold out when there are no others to validate on."""
    return min(max(count // share, 1), MOST_HELD_OUT)


def _fit(model: Any, directory: TrainingDirectory, examples: Any, held_out: Any, **options: Any):
    import keras

    terminal = sys.stderr is not None and sys.stderr.isatty()

    def report(round_number: int, logs: dict[str, Any]) -> None:
        figures = ", ".join(f"{name} {float(value):.4f}" for name, value in logs.items())
        click.echo(f"round {round_number + 1}: {figures}", err=True)

    model.fit(
        examples,
        held_out,
        directory=directory.path,
        resume=directory.resume,
        progress=terminal,
        # A bar is for a terminal; a log gets a line a round.
        callbacks=() if terminal else [keras.callbacks.LambdaCallback(on_epoch_end=report)],
        **options,
    )


def _finish(model: Any, directory: TrainingDirectory, metrics: dict[str, Any]) -> None:
    model.save(directory.model_path)
    directory.write_metrics(metrics)
    print_json(metrics)
