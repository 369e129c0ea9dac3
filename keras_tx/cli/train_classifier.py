"""`keras-tx train classifier` and `keras-tx train sentiment`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from keras_tx.cli.labelled_files import SEPARATOR, read_examples
from keras_tx.cli.loading import load_model, start_tensorflow
from keras_tx.cli.numbers import no_nan
from keras_tx.cli.training_directory import TrainingDirectory, checksum
from keras_tx.cli.training_options import (
    HELD_OUT_SHARE,
    SMALL_DATA,
    finish,
    fit_model,
    held_out_count,
    training_options,
)

# N-grams find more in few short texts than attention does.
_SMALL_NETWORK = {"ngram_buckets": 4000, "token_dropout": 0.1}
# What a model that has learned something begins with: the table of the preset "small", and
# steps that do not undo what it knows.
_NGRAM_BUCKETS = 2**20
_BACKBONE_LEARNING_RATE = 1e-3
_SMALL_CLASSIFIER = {
    "epochs": 20,
    "tokens_per_batch": 256,
    "learning_rate": 5e-3,
    "average": "last",
}


def _data_options(default: str, required: bool) -> Callable:
    options = (
        click.option(
            "--data",
            metavar="PATH",
            required=required,
            help="A .csv or .tsv table, the IMDB reviews (folder or archive), or a folder with "
            f"one of .txt files for each class.{default}",
        ),
        click.option("--dev", metavar="PATH", help="To validate on. Default: a tenth of the data."),
        click.option("--text-column", default="text", show_default=True, help="Of a table."),
        click.option("--label-column", default="label", show_default=True, help="Of a table."),
        click.option(
            "--unquoted", is_flag=True, help='In a table, " is a character like any other.'
        ),
        click.option(
            "--class-weights",
            metavar="balanced|LABEL=WEIGHT",
            multiple=True,
            help="How much labels count in training: all labels alike, or as given, once for "
            "each label that does not count 1.",
        ),
    )
    return lambda command: functools.reduce(lambda f, option: option(f), reversed(options), command)


@click.command()
@_data_options("", required=True)
@click.option(
    "--multi-label", is_flag=True, help="A cell of a table holds several labels, or none."
)
@click.option(
    "--separator", metavar="TEXT", help=f"Between the labels of a cell. Default: {SEPARATOR}"
)
@click.option(
    "--backbone",
    metavar="MODEL",
    help="A classifier, such as sentiment_imdb, or a pre-trained encoder, to begin with.",
)
@click.option(
    "--unlabelled",
    metavar="PATH",
    help="Texts without labels to learn from as well: a table, the IMDB reviews, a folder of .txt "
    "files, or a file with a text a line. Training is adversarial then.",
)
@click.option(
    "--adversarial-shift",
    type=click.FloatRange(min=0, min_open=True),
    callback=no_nan,
    help="Ask for the same answers when the token vectors of a text are shifted so far, in the "
    "worst direction. A step takes four to nine times as long. Default: none; 5 with --unlabelled.",
)
@training_options("tiny, small or book")
def classifier(
    data: str, dev: str | None, multi_label: bool, separator: str | None, **choices: Any
) -> None:
    """Train a classifier for the labels of --data, whatever they are."""
    if separator is not None and not multi_label:
        raise click.UsageError("expected --multi-label with --separator. Received: none")
    if multi_label:
        _expect_none(choices, ("unlabelled", "adversarial_shift"), "--multi-label")
    if choices["backbone"] is not None:
        _expect_none(choices, ("preset", "vocabulary_size"), "--backbone, which has its own")
    if multi_label and separator is None:
        separator = SEPARATOR
    _train(data, dev, separator=separator, **choices)


@click.command()
@_data_options(" Default: the sample reviews.", required=False)
@training_options("tiny, small or book")
def sentiment(data: str | None, dev: str | None, **choices: Any) -> None:
    """Train a classifier of sentiment, of the package's sample reviews or your own."""
    if dev is not None and data is None:
        raise click.UsageError("expected --data with --dev. Received: --dev alone")
    _train(data, dev, separator=None, **choices)


def _expect_none(choices: dict[str, Any], names: tuple[str, ...], other: str) -> None:
    for name in names:
        if choices[name] is not None:
            option = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"expected {option} or {other}. Received: both")


def _train(
    data: str | None,
    dev: str | None,
    *,
    output: str,
    resume: bool,
    overwrite: bool,
    preset: str | None,
    class_weights: tuple[str, ...],
    backbone: str | None = None,
    unlabelled: str | None = None,
    adversarial_shift: float | None = None,
    **choices: Any,
) -> None:
    weights = _class_weights(class_weights)
    directory = TrainingDirectory(output, resume, overwrite)
    start_tensorflow(onednn=True)
    from keras_tx.models.presets import CLASSIFIER_PRESETS, preset_arguments

    preset = preset or ("tiny" if data is None else "small")
    preset_arguments(CLASSIFIER_PRESETS, preset, {})  # A wrong name shows before the work begins.
    begun = _backbone(backbone) if backbone is not None else None
    names = ("text_column", "label_column", "separator", "unquoted")
    reading = {name: choices.pop(name) for name in names}
    parts = _examples(data, dev, choices["seed"], **reading)
    arguments = {"class_weights": weights, "multi_label": reading["separator"] is not None}
    if unlabelled is not None or adversarial_shift is not None:
        arguments |= _adversarial(unlabelled, adversarial_shift, reading)
    with directory:
        _train_classifier(directory, *parts, preset=preset, begun=begun, **arguments, **choices)


def _backbone(name_or_path: str) -> Any:
    from keras_tx.models import Backbone, RegionBackbone, TextClassifier

    model = load_model(name_or_path)
    if not isinstance(model, Backbone | RegionBackbone | TextClassifier):
        raise ValueError(
            f"expected a backbone or a TextClassifier. Received: --backbone {name_or_path!r}, "
            f"which holds a {type(model).__name__}"
        )
    return model


def _adversarial(path: str | None, shift: float | None, reading: dict[str, Any]) -> dict[str, Any]:
    from keras_tx.data import read_unlabelled
    from keras_tx.training import AdversarialTraining

    columns = {"text_column": reading["text_column"], "quoted": not reading["unquoted"]}
    return {
        "unlabelled": read_unlabelled(path, **columns) if path is not None else (),
        "adversarial": AdversarialTraining() if shift is None else AdversarialTraining(shift),
    }


def _class_weights(given: tuple[str, ...]) -> Any:
    if not given or given == ("balanced",):
        return given[0] if given else None
    weights = {}
    for one in given:
        label, equals, number = one.rpartition("=")
        try:
            weights[label] = float(number)
        except ValueError:
            equals = ""
        if not equals or not label:
            raise click.UsageError(
                "expected balanced, or LABEL=WEIGHT, for --class-weights. "
                f"Received: {' '.join(given)!r}"
            )
    return weights


def _examples(
    data: str | None,
    dev: str | None,
    seed: int,
    *,
    text_column: str,
    label_column: str,
    separator: str | None,
    unquoted: bool,
) -> tuple[Any, Any]:
    """The examples to train on, and those to validate on."""
    from keras_tx.data import sample_reviews, split_labelled, split_multi_labelled

    def read(path: str, names: Any = None) -> Any:
        return read_examples(path, separator, text_column, label_column, names, not unquoted)

    if data is not None:
        examples = read(data)
    else:
        click.echo("No --data: training on the sample reviews of the package.", err=True)
        examples = sample_reviews()
    if dev is not None:
        return examples, read(dev, examples.label_names)
    held_out = held_out_count(len(examples), share=5 if data is None else HELD_OUT_SHARE)
    split = split_labelled if separator is None else split_multi_labelled
    return split(examples, held_out, seed)


def _further_settings(
    begun: Any,
    class_weights: Any = None,
    unlabelled: Any = None,
    adversarial: Any = None,
    **others: Any,
) -> dict[str, Any]:
    """What decides how a training goes, of the options that may be left out."""
    tokens = None if begun is None else begun.tokenizer.vocabulary
    return {
        # Another model's ids would mean other tokens.
        "backbone (its vocabulary's checksum)": tokens and checksum(tokens),
        "class weights": class_weights,
        "unlabelled texts (their checksum)": checksum(unlabelled) if unlabelled else None,
        "adversarial shift": adversarial and adversarial.shift,
    }


def _train_classifier(
    directory: TrainingDirectory,
    examples: Any,
    held_out: Any,
    *,
    preset: str,
    begun: Any,
    multi_label: bool,
    vocabulary_size: int | None,
    epochs: int | None,
    seed: int,
    **fit_options: Any,
) -> None:
    import keras
    import numpy as np

    from keras_tx.evaluation import evaluate_classifier
    from keras_tx.models import SentimentClassifier, TextClassifier
    from keras_tx.text import SentencePieceTokenizer
    from keras_tx.training import example_weights

    small = len(examples) <= SMALL_DATA
    kind, labels = TextClassifier, examples.label_names
    if labels == ("negative", "positive") and not multi_label:
        kind = SentimentClassifier
    if len(labels) < 2 and not multi_label:
        raise ValueError(f"expected two or more labels in --data. Received: {list(labels)}")
    # A wrong name shows before the work begins.
    example_weights(np.zeros(0, int), labels, fit_options["class_weights"])
    parts = [part for some in (examples, held_out) for part in (some.texts, some.labels)]
    directory.prepare(
        {
            "labels": list(labels),
            "seed": seed,
            "preset": preset,
            "vocabulary size": vocabulary_size,
            "examples (their checksum)": checksum(parts),
            **_further_settings(begun, **fit_options),
        }
    )
    keras.utils.set_random_seed(seed)
    arguments = {"labels": labels, "multi_label": multi_label, **(_SMALL_NETWORK if small else {})}
    settings = _SMALL_CLASSIFIER if small else {"epochs": 5}
    if begun is not None:
        # As many n-grams as in a new network: those of the model may be for far more texts.
        model = kind.from_backbone(begun, **{"ngram_buckets": _NGRAM_BUCKETS, **arguments})
        settings = {**settings, "learning_rate": _BACKBONE_LEARNING_RATE}
    else:
        new = SentencePieceTokenizer("unigram", vocabulary_size or (1000 if small else 16_000))
        tokenizer = directory.tokenizer(new, lambda: examples.texts)
        model = kind.from_preset(preset, tokenizer, **arguments)
    settings = {**settings, **({"epochs": epochs} if epochs else {})}
    fit_model(model, directory, examples, held_out, seed=seed, **settings, **fit_options)
    finish(model, directory, evaluate_classifier(model, held_out))
