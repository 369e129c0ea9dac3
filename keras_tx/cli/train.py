"""`keras-tx train`: the group of its commands."""

from __future__ import annotations

import click

from keras_tx.cli.train_classifier import classifier, sentiment
from keras_tx.cli.train_translator import translator


@click.group()
def train() -> None:
    """Train a model of your own."""


for command in (classifier, sentiment, translator):
    train.add_command(command)
