"""Numbers among the options."""

from __future__ import annotations

import math

import click


def no_nan(context: click.Context, option: click.Parameter, value: float | None) -> float | None:
    """A callback of `click.option` that refuses what is in every range, and no number at all."""
    if value is not None and math.isnan(value):
        raise click.BadParameter("expected a number. Received: nan", context, option)
    return value
