"""`keras-tx export` and `keras-tx check-export`."""

from __future__ import annotations

import pathlib
from typing import Any

import click

from keras_tx.cli.errors import FAILED
from keras_tx.cli.loading import load_model, start_tensorflow
from keras_tx.cli.text_lines import print_line


@click.command()
@click.option("--model", metavar="NAME|PATH", required=True, help="The model to export.")
@click.option(
    "--output",
    metavar="DIR",
    required=True,
    help="For a SavedModel the model's base directory: the export goes into DIR/<next version>. "
    "Otherwise the new directory.",
)
@click.option(
    "--format",
    type=click.Choice(["saved_model", "ctranslate2"]),
    default="saved_model",
    show_default=True,
    help="saved_model for TensorFlow Serving; ctranslate2 (translators only) for that engine.",
)
def export(model: str, output: str, format: str) -> None:
    """Write a model for another program to run, and print where."""
    if pathlib.Path(output).exists() and not pathlib.Path(output).is_dir():
        raise NotADirectoryError(f"expected a directory. Received: --output {output!r}, a file")
    try:
        print_line(str(load_model(model).export(output, format=format)))
    except ImportError as error:  # A package of an extra: the message says which.
        raise click.ClickException(str(error)) from error


@click.command("check-export")
@click.argument("directory", metavar="DIR")
@click.option(
    "--model",
    metavar="NAME|PATH",
    help="The model whose outputs the export must give. Default: the one that the export "
    "names as its origin.",
)
def check_export(directory: str, model: str | None) -> None:
    """Check that the export in DIR runs as TensorFlow Serving runs it.

    DIR is a base directory, whose newest version is checked, or that of one version. The exit
    code is 1 when something is wrong.
    """
    start_tensorflow()
    from keras_tx.serving import check_export as run_check
    from keras_tx.serving.check import find_version

    version = find_version(directory)
    loaded = load_model(model) if model else _origin(version)
    report = run_check(version, model=loaded)
    for problem in report.problems:
        click.echo(f"Error: {' '.join(problem.split())}", err=True)
    if not report.passed:
        click.echo(f"fail: {report.version_directory}", err=True)
        click.get_current_context().exit(FAILED)
    compared = f"largest difference {report.max_difference:.2g}" if loaded else "not compared"
    print_line(f"pass: {report.version_directory}, {report.probes} probes, {compared}")


def _origin(version: pathlib.Path) -> Any:
    """The model that was exported, if the export names it and it is still there."""
    from keras_tx.serving import read_facts

    name = read_facts(version).get("model")
    reason = "the export names no model"
    if name:
        try:
            return load_model(name)
        except (FileNotFoundError, ValueError) as error:
            reason = str(error)
    click.echo(f"Nothing to compare with: {reason}. --model gives one.", err=True)
    return None
