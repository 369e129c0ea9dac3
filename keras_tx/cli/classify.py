"""`keras-tx classify`."""

from __future__ import annotations

import json
from typing import Any

import click

from keras_tx.cli.loading import load_model
from keras_tx.cli.text_lines import text_options, transform_lines


@click.command()
@click.option(
    "--model",
    metavar="NAME|PATH",
    default="sentiment_imdb",
    show_default=True,
    help="A shipped model, a .keras file, or a directory of `train`.",
)
@click.option(
    "--format",
    "line_format",
    type=click.Choice(["tsv", "jsonl"]),
    default="tsv",
    show_default=True,
    help="tsv: label, tab, score. jsonl: a JSON object with all scores.",
)
@text_options
def classify(
    model: str,
    line_format: str,
    input_path: str | None,
    output_path: str | None,
    batch_size: int,
    texts: tuple[str, ...],
) -> None:
    """Give each TEXT, or each line of the input, a label and a score.

    Exactly one line comes out for each line that goes in. Texts that begin with a dash come
    after `--`.
    """
    to_line = _LINES[line_format]

    def prepare() -> Any:
        classifier = load_model(model, "TextClassifier")
        return lambda chunk: [to_line(found) for found in classifier.classify(chunk, batch_size)]

    transform_lines(texts, input_path, output_path, prepare)


def _tab_line(found: Any) -> str:
    return f"{' '.join(found.label.split())}\t{found.score:.4f}"


def _json_line(found: Any) -> str:
    scores = {label: round(score, 6) for label, score in found.scores.items()}
    content = {"label": found.label, "score": scores[found.label], "scores": scores}
    return json.dumps(content, ensure_ascii=False)


_LINES = {"tsv": _tab_line, "jsonl": _json_line}
