"""Checks of arguments: what they let through, and what they say."""

from __future__ import annotations

import re

import numpy as np
import pytest

from keras_tx.layers.validation import one_of, optional, positive_integer, rate


@pytest.mark.parametrize("value", [1, 7, np.int64(7)])
def test_positive_integer_gives_an_int(value):
    assert type(positive_integer("size", value)) is int
    assert positive_integer("size", value) == value


@pytest.mark.parametrize("value", [0, -3, 2.0, True, "4", None])
def test_positive_integer_refuses(value):
    message = re.escape(f"size expected a positive integer. Received: size={value!r}")
    with pytest.raises(ValueError, match=message):
        positive_integer("size", value)


@pytest.mark.parametrize("value", [0, 0.5, np.float32(0.25)])
def test_rate_gives_a_float(value):
    assert type(rate("dropout", value)) is float
    assert rate("dropout", value) == value


@pytest.mark.parametrize("value", [1, 1.5, -0.1, True, "0.1", None, float("nan")])
def test_rate_refuses(value):
    message = re.escape(f"dropout expected a number in [0, 1). Received: dropout={value!r}")
    with pytest.raises(ValueError, match=message):
        rate("dropout", value)


def test_one_of():
    assert one_of("kind", "b", ("a", "b")) == "b"
    with pytest.raises(ValueError, match="kind expected one of 'a', 'b'. Received: kind='c'"):
        one_of("kind", "c", ("a", "b"))


def test_optional_lets_none_pass_and_checks_the_rest():
    assert optional(positive_integer, "size", None) is None
    assert optional(positive_integer, "size", 3) == 3
    with pytest.raises(ValueError, match="size expected a positive integer. Received: size=0"):
        optional(positive_integer, "size", 0)
