"""Numbers among the options."""

import math

import click
import pytest

from keras_tx.cli.numbers import no_nan


def test_no_number_is_refused():
    assert no_nan(None, None, None) is None
    assert no_nan(None, None, 0.5) == 0.5
    with pytest.raises(click.BadParameter, match="expected a number. Received: nan"):
        no_nan(None, None, math.nan)
