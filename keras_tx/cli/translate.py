"""`keras-tx translate`."""

from __future__ import annotations

from typing import Any

import click

from keras_tx.cli.loading import load_model
from keras_tx.cli.text_lines import text_options, transform_lines


@click.command()
@click.option(
    "--model",
    metavar="NAME|PATH",
    default="translator_en_fr",
    show_default=True,
    help="A shipped model, a .keras file, or a directory of `train`.",
)
@text_options
def translate(
    model: str,
    input_path: str | None,
    output_path: str | None,
    batch_size: int,
    texts: tuple[str, ...],
) -> None:
    """Translate each TEXT, or each line of the input.

    Exactly one line comes out for each line that goes in. Texts that begin with a dash come
    after `--`.
    """

    def prepare() -> Any:
        translator = load_model(model, "Translator")
        return lambda chunk: translator.translate(chunk, batch_size)

    transform_lines(texts, input_path, output_path, prepare)
