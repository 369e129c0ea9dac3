"""How the recipes and benchmarks answer bad input: one line, and an exit code."""

from __future__ import annotations

import argparse
import functools
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

LONGEST_MESSAGE = 1000


def is_expected(error: Exception) -> bool:
    """Whether files, packages or what was given are the reason: the library says what it expected.

    Anything else is a mistake of the program, of which the traceback is needed.
    """
    return isinstance(error, OSError | ModuleNotFoundError) or "xpected " in str(error)


def one_line_errors(main: Callable[..., None]) -> Callable[..., None]:
    """A decorator of `main`: `Error: …` and exit code 1; `python -X dev` shows where it was."""

    @functools.wraps(main)
    def program(*arguments: Any, **options: Any) -> None:
        try:
            main(*arguments, **options)
        except Exception as error:
            if sys.flags.dev_mode or not is_expected(error):
                raise
            text = " ".join(str(error).split()) or type(error).__name__
            sys.exit(f"Error: {text[:LONGEST_MESSAGE]}")

    return program


def positive_integer(text: str) -> int:
    """A type of `argparse`: a count."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on. Received: {text!r}")
    return int(text)


def names_of(known: Sequence[str]) -> Callable[[str], list[str]]:
    """A type of `argparse`: some of the known names, with commas between them."""

    def names(text: str) -> list[str]:
        found = list(dict.fromkeys(text.split(",")))
        wrong = [name for name in found if name not in known]
        if wrong:
            raise argparse.ArgumentTypeError(
                f"expected some of {','.join(known)}. Received: {wrong}"
            )
        return found

    return names


def name_and_times(text: str) -> tuple[str, float]:
    """A type of `argparse`: NAME=TIMES."""
    name, _, number = text.partition("=")
    try:
        times = float(number)
    except ValueError:
        times = math.nan
    if not name or not 0 <= times < math.inf:
        raise argparse.ArgumentTypeError(
            f"expected NAME=TIMES, with a number from 0 on. Received: {text!r}"
        )
    return name, times
