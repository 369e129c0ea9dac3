"""`keras-tx evaluate`."""

from __future__ import annotations

from typing import Any

import click

from keras_tx.cli.labelled_files import SEPARATOR, read_examples
from keras_tx.cli.loading import load_model, precision_option
from keras_tx.cli.text_lines import print_json


@click.command()
@click.option("--model", metavar="NAME|PATH", required=True, help="The model to evaluate.")
@click.option(
    "--data",
    metavar="PATH",
    required=True,
    help="Classifiers: a .csv or .tsv table, the IMDB reviews (folder or archive), or a folder "
    "with one of .txt files for each class. Translators: a file of tab-separated pairs, or the "
    "PREFIX of PREFIX.en and PREFIX.fr.",
)
@click.option(
    "--split",
    type=click.Choice(["train", "test"]),
    default="test",
    show_default=True,
    help="Part of the IMDB reviews.",
)
@click.option("--text-column", default="text", show_default=True, help="Of a table.")
@click.option("--label-column", default="label", show_default=True, help="Of a table.")
@click.option("--unquoted", is_flag=True, help='In a table, " is a character like any other.')
@click.option(
    "--separator",
    metavar="TEXT",
    default=SEPARATOR,
    show_default=True,
    help="Between the labels of a cell, for models that give several.",
)
@click.option("--batch-size", type=click.IntRange(min=1), default=32, show_default=True)
@click.option(
    "--protocol",
    type=click.Choice(["detokenized", "moses_lowercased"]),
    default="detokenized",
    show_default=True,
    help="Of translators: compare texts as they are, or lower-cased and tokenized as most "
    "papers on Multi30k do (needs sacremoses).",
)
@precision_option
def evaluate(model: str, data: str, precision: str, **options: Any) -> None:
    """Score a model on labelled texts or sentence pairs, as one JSON object."""
    try:
        print_json(_scores(load_model(model, precision=precision), data, **options))
    except ImportError as error:  # A package of an extra: the message says which.
        raise click.ClickException(str(error)) from error


def _scores(
    model: Any,
    data: str,
    *,
    split: str,
    text_column: str,
    label_column: str,
    unquoted: bool,
    separator: str,
    batch_size: int,
    protocol: str,
) -> dict[str, Any]:
    from keras_tx.data import read_pairs
    from keras_tx.data.readers_table import is_table
    from keras_tx.evaluation import evaluate_classifier, evaluate_translator
    from keras_tx.models import TextClassifier, Translator

    if isinstance(model, Translator):
        pairs = read_pairs(data, model.source_language, model.target_language)
        return evaluate_translator(model, pairs, batch_size=batch_size, protocol=protocol)
    if not isinstance(model, TextClassifier):
        raise ValueError(
            "expected a classifier or a translator. "
            f"Received: a model that is a {type(model).__name__}"
        )
    # Only a table may give the labels as numbers, or lack some of them.
    names = model.labels if is_table(data) else None
    several = separator if model.multi_label else None
    examples = read_examples(data, several, text_column, label_column, names, not unquoted, split)
    return evaluate_classifier(model, examples, batch_size=batch_size)
