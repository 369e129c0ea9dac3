"""`keras-tx export` and `keras-tx check-export`."""

from __future__ import annotations

import pathlib
from typing import Any

import click

from keras_tx.cli.errors import FAILED
from keras_tx.cli.loading import load_model, precision_option, start_tensorflow
from keras_tx.cli.numbers import no_nan
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
@click.option(
    "--weights",
    type=click.Choice(["float32", "float16", "int8"]),
    help="How a SavedModel stores weights: as they are (the default), or smaller and less exact.",
)
@click.option(
    "--warm-up/--no-warm-up",
    default=None,
    help="Whether a SavedModel gets requests that the server runs before it takes others. "
    "Default: if the extra serving is installed.",
)
@click.option(
    "--xla",
    is_flag=True,
    default=None,
    help="Have the server compile a translator's searches; it must then be started with "
    "--xla_cpu_compilation_enabled. Default: a graph that runs on any server.",
)
@precision_option
def export(
    model: str,
    output: str,
    format: str,
    weights: str | None,
    warm_up: bool | None,
    xla: bool | None,
    precision: str,
) -> None:
    """Write a model for another program to run, and print where."""
    options = {
        name: value
        for name, value in (("weights", weights), ("warm_up", warm_up), ("xla", xla))
        if value is not None
    }
    if options and format != "saved_model":
        name = next(iter(options)).replace("_", "-")
        raise click.UsageError(f"--{name} expected --format saved_model. Received: {format}")
    if precision != "float32" and (format != "saved_model" or weights not in (None, "float32")):
        received = f"--format {format}" if format != "saved_model" else f"--weights {weights}"
        raise click.UsageError(
            "--precision bfloat16 expected --format saved_model and no other --weights. "
            f"Received: {received}"
        )
    if not output:  # Left empty by mistake, it would be the working directory.
        raise ValueError("expected a directory. Received: --output ''")
    if pathlib.Path(output).exists() and not pathlib.Path(output).is_dir():
        raise NotADirectoryError(f"expected a directory. Received: --output {output!r}, a file")
    try:
        loaded = load_model(model, "Translator" if xla else None, precision)
        if format == "saved_model" and warm_up is None:
            _say_without_warm_up()
        print_line(str(loaded.export(output, format=format, **options)))
    except ImportError as error:  # A package of an extra: the message says which.
        raise click.ClickException(str(error)) from error


def _say_without_warm_up() -> None:
    from keras_tx.serving import can_warm_up

    if not can_warm_up():
        click.echo(
            "No warm-up requests, for which the extra serving is needed: "
            "pip install 'keras_tx[serving]'",
            err=True,
        )


@click.command("check-export")
@click.argument("directory", metavar="DIR")
@click.option(
    "--model",
    metavar="NAME|PATH",
    help="The model whose outputs the export must give. Default: the one that the export "
    "names as its origin.",
)
@click.option(
    "--runtime",
    type=click.Choice(["python", "c", "tf-2.20"]),
    default="python",
    show_default=True,
    help="What runs it: this TensorFlow's session loader from Python or from a C program "
    "(needs a C compiler), or TensorFlow 2.20, of which the released TensorFlow Serving is "
    "made (downloads about 700 MB once, into the user's cache).",
)
@click.option(
    "--sentences",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="Further texts to compare, one in a line.",
)
@click.option(
    "--time-limit",
    metavar="SECONDS",
    # What the operating system can wait for ends at about 2 million.
    type=click.FloatRange(min=0, min_open=True, max=1e6),
    callback=no_nan,
    default=600.0,
    show_default=True,
    help="When to give up what runs it: a large model on a slow machine needs more.",
)
def check_export(
    directory: str, model: str | None, runtime: str, sentences: str | None, time_limit: float
) -> None:
    """Check that the export in DIR runs as TensorFlow Serving runs it.

    DIR is a base directory, whose newest version is checked, or that of one version. The exit
    code is 1 when something is wrong.
    """
    start_tensorflow()
    from keras_tx.data.text_files import read_text, split_lines
    from keras_tx.serving import check_export as run_check
    from keras_tx.serving.check import find_version

    version = find_version(directory)
    loaded = load_model(model, precision=_precision(version)) if model else _origin(version)
    lines = split_lines(read_text(sentences)) if sentences else []
    try:
        report = run_check(
            version, model=loaded, runtime=runtime, sentences=lines, time_limit=time_limit
        )
    except ImportError as error:  # A package of an extra: the message says which.
        raise click.ClickException(str(error)) from error
    for problem in report.problems:
        click.echo(f"Error: {' '.join(problem.split())}", err=True)
    if not report.passed:
        click.echo(f"fail: {report.version_directory}", err=True)
        click.get_current_context().exit(FAILED)
    compared = f"largest difference {report.max_difference:.2g}" if loaded else "not compared"
    further = [
        f"{count} {what}"
        for count, what in (
            (report.sentences, "sentences"),
            (report.warm_up_requests, "warm-up requests"),
        )
        if count
    ]
    parts = [f"{report.probes} probes", *further, compared]
    print_line(f"pass: {report.version_directory}, {', '.join(parts)}")


def _precision(version: pathlib.Path) -> str:
    """In which the export computes."""
    from keras_tx.serving import read_facts

    try:
        return "bfloat16" if read_facts(version).get("precision") == "bfloat16" else "float32"
    except ValueError:  # The check says what is wrong.
        return "float32"


def _origin(version: pathlib.Path) -> Any:
    """The model that was exported, if the export names it and it is still there."""
    from keras_tx.serving import read_facts

    name = read_facts(version).get("model")
    reason = "the export names no model"
    if isinstance(name, str) and name:  # Others' facts may hold anything.
        try:
            return load_model(name, precision=_precision(version))
        except (FileNotFoundError, ValueError) as error:
            reason = str(error)
    click.echo(f"Nothing to compare with: {reason}. --model gives one.", err=True)
    return None
