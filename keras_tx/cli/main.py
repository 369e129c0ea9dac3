"""`keras-tx`: the commands together.

Nothing here or in the commands' files imports TensorFlow or Keras at the top: `--help` and
`--version` answer at once, a command imports what it needs when it runs.
"""

from __future__ import annotations

import click

import keras_tx
from keras_tx.cli.classify import classify
from keras_tx.cli.errors import CommandGroup
from keras_tx.cli.evaluate import evaluate
from keras_tx.cli.export import check_export, export
from keras_tx.cli.info import info
from keras_tx.cli.serving_files import serving_files
from keras_tx.cli.train import train
from keras_tx.cli.translate import translate


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(keras_tx.__version__, prog_name="keras-tx")
@click.option(
    "--traceback",
    is_flag=True,
    envvar="KERAS_TX_TRACEBACK",
    help="Show where an error comes from, not only what it is.",
)
def main(traceback: bool) -> None:
    """Classify and translate texts, and train, evaluate and export the models for it."""
    # `traceback` is read by the group, which reports the errors.


for command in (classify, translate, train, evaluate, export, check_export, serving_files, info):
    main.add_command(command)
