"""Checks of layer arguments, with errors that say what was expected and what came."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any


def positive_integer(name: str, value: Any) -> int:
    """Return `value` as an `int`, or raise if it is no whole number above zero."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} expected a positive integer. Received: {name}={value!r}")
    return int(value)


def optional(check: Callable, name: str, value: Any) -> Any:
    """Return what `check` makes of `value`; `None` passes."""
    return None if value is None else check(name, value)


def rate(name: str, value: Any) -> float:
    """Return `value` as a `float`, or raise if it is no number in [0, 1)."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool) or not 0 <= value < 1:
        raise ValueError(f"{name} expected a number in [0, 1). Received: {name}={value!r}")
    return float(value)


def one_of(name: str, value: Any, choices: tuple) -> Any:
    """Return `value`, or raise if it is not among `choices`."""
    if value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name} expected one of {listed}. Received: {name}={value!r}")
    return value
