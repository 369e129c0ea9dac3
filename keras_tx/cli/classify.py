"""`keras-tx classify`."""

from __future__ import annotations

import functools
import json
from typing import Any

import click

from keras_tx.cli.explanation import explaining
from keras_tx.cli.labelled_files import SEPARATOR
from keras_tx.cli.loading import load_model, precision_option
from keras_tx.cli.numbers import no_nan
from keras_tx.cli.server_option import open_client, server_option
from keras_tx.cli.text_lines import text_options, transform_lines


@click.command()
@click.option(
    "--model",
    metavar="NAME|PATH",
    default="sentiment_imdb",
    show_default=True,
    help="A shipped model (sentiment_imdb_fast is the faster one), a .keras file, or a directory "
    "of `train`.",
)
@click.option(
    "--format",
    "line_format",
    type=click.Choice(["tsv", "jsonl"]),
    default="tsv",
    show_default=True,
    help="tsv: label, tab, score. jsonl: a JSON object with all scores.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    callback=no_nan,
    help="The score that a label must reach. Where none does, the label is empty: the model "
    "abstains. Default: 0.5 for models that give several labels; else the best label counts.",
)
@click.option(
    "--separator",
    metavar="TEXT",
    default=SEPARATOR,
    show_default=True,
    help="Between the labels, and between their scores, of models that give several.",
)
@click.option(
    "--explain",
    is_flag=True,
    help="Also say what each token adds to the score of the best label (before it becomes a "
    "probability). On a terminal: the text, green what speaks for the label, red what against.",
)
@precision_option
@server_option
@text_options
def classify(
    model: str,
    server: str | None,
    line_format: str,
    threshold: float | None,
    separator: str,
    explain: bool,
    precision: str,
    input_path: str | None,
    output_path: str | None,
    batch_size: int,
    texts: tuple[str, ...],
) -> None:
    """Give each TEXT, or each line of the input, a label and a score.

    Exactly one line comes out for each line that goes in. Of several labels the most probable
    stands first. Texts that begin with a dash come after `--`.
    """
    if explain and threshold is not None:  # What is explained is the best label, sure or not.
        raise click.UsageError("expected --explain or --threshold. Received: both")
    if not separator:
        raise click.UsageError("expected one or more characters for --separator. Received: ''")
    to_line = functools.partial(_LINES[line_format], separator=separator)

    def prepare() -> Any:
        if explain and server is not None:
            raise ValueError(
                "--explain expected a model of this machine. "
                f"Received: --server {server!r}, whose signature `explain` gives the same"
            )
        if precision != "float32" and server is not None:
            raise ValueError(
                "--precision expected a model of this machine. "
                f"Received: --server {server!r}, where the export has decided it"
            )
        if server is not None:
            client = open_client(server, model, batch_size)
            several = client.is_multi_label()
            return lambda chunk: [
                to_line(found, several) for found in client.classify(chunk, threshold)
            ]
        classifier = load_model(model, "TextClassifier", precision)
        if explain:
            return explaining(classifier, line_format, output_path, batch_size)

        def to_lines(chunk: Any) -> list[str]:
            found = classifier.classify(chunk, batch_size, threshold)
            return [to_line(one, classifier.multi_label) for one in found]

        return to_lines

    transform_lines(texts, input_path, output_path, prepare)


def _tab_line(found: Any, multi_label: bool, separator: str) -> str:
    labels = found.labels if multi_label else [found.label]
    scores = [found.scores[label] for label in found.labels] if multi_label else [found.score]
    # Where the model abstains, the score is the one that was too low.
    texts = [f"{score:.4f}" for score in scores or [found.score]]
    names = [" ".join(label.split()) for label in labels]
    return f"{separator.join(names)}\t{separator.join(texts)}"


def _json_line(found: Any, multi_label: bool, separator: str) -> str:
    scores = {label: round(score, 6) for label, score in found.scores.items()}
    content = {"label": found.label, "score": round(found.score, 6), "scores": scores}
    if multi_label:
        content["labels"] = list(found.labels)
    return json.dumps(content, ensure_ascii=False)


_LINES = {"tsv": _tab_line, "jsonl": _json_line}
