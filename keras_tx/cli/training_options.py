"""What the trainings at the command line share: their options, their reports, their results."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import click

from keras_tx.cli.numbers import no_nan
from keras_tx.cli.text_lines import print_json
from keras_tx.cli.training_directory import TrainingDirectory

HELD_OUT_SHARE, MOST_HELD_OUT = 10, 5000
# Up to so many examples, batches are small and passes many: else there would be few steps.
SMALL_DATA = 2000


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
            callback=no_nan,
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


def held_out_count(count: int, share: int = HELD_OUT_SHARE) -> int:
    """How many of the examples to hold out when there are no others to validate on."""
    return min(max(count // share, 1), MOST_HELD_OUT)


def fit_model(
    model: Any, directory: TrainingDirectory, examples: Any, held_out: Any, **options: Any
) -> None:
    """Train, with a bar in a terminal and a line a round elsewhere."""
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


def finish(model: Any, directory: TrainingDirectory, metrics: dict[str, Any]) -> None:
    """Write model and figures, and tell the figures."""
    model.save(directory.model_path)
    directory.write_metrics(metrics)
    print_json(metrics)
