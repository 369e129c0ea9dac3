"""Trying again: later and later, and not all clients at the same moment."""

from __future__ import annotations

import dataclasses
import numbers
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from keras_tx.serving.client_transport import ServerError

LEAST_SECONDS = 1e-3  # For a request: libraries take no less, or none below zero.
MOST_SECONDS = 86_400.0  # A day, for libraries count time in integers that overflow.

Result = TypeVar("Result")


def check_positive(kind: type, **values: Any) -> None:
    """Refuses what is no positive number of a kind, `numbers.Integral` or `numbers.Real`.

    Raises:
        ValueError: with the name of the value.

    Example:
        >>> import numbers
        >>> from keras_tx.serving.client_retry import check_positive
        >>> check_positive(numbers.Integral, batch_size="8")
        Traceback (most recent call last):
        ValueError: batch_size expected a positive integer. Received: batch_size='8'
    """
    what = "integer" if kind is numbers.Integral else "number"
    for name, value in values.items():
        # NaN is not above zero, and not below it either.
        if not isinstance(value, kind) or isinstance(value, bool) or not value > 0:
            raise ValueError(f"{name} expected a positive {what}. Received: {name}={value!r}")


@dataclasses.dataclass(frozen=True)
class Backoff:
    """How often to try, and how long to wait in between.

    The wait before try `n + 1` is drawn evenly from the upper half of
    `min(longest, first · 2ⁿ⁻¹)` seconds: clients that failed together do not come back
    together.

    Args:
        attempts: how many tries in all. Default 10: about 20 seconds of waiting.
        first: the longest first wait in seconds. Default 0.1.
        longest: the longest wait in seconds. Default 5.

    Raises:
        ValueError: when `attempts` is no positive integer.

    Source: Brooker 2015, "Exponential Backoff and Jitter" ("equal jitter").
    """

    attempts: int = 10
    first: float = 0.1
    longest: float = 5.0

    def __post_init__(self) -> None:
        check_positive(numbers.Integral, attempts=self.attempts)

    def wait(self, failures: int, draw: float) -> float:
        """Seconds to wait after so many failures; `draw` is in [0, 1).

        Example:
            >>> from keras_tx.serving.client_retry import Backoff
            >>> [Backoff().wait(failures, draw=0.0) for failures in (1, 2, 3, 20)]
            [0.05, 0.1, 0.2, 2.5]
        """
        # Beyond that there is no wait that is not the longest; floats end at 2¹⁰²⁴.
        most = min(self.longest, self.first * 2 ** min(failures - 1, 64))
        return most / 2 * (1 + draw)


def with_retries(
    send: Callable[[float], Result],
    deadline: float,
    backoff: Backoff,
    draw: Callable[[], float] = random.random,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Result:
    """Sends a request until there is an answer, or no more hope or time.

    Args:
        send: sends it once; takes the seconds that are left.
        deadline: seconds for all tries and the waits between them; `math.inf` for no bound. A
            try gets a day at most.
        backoff: how often, and the waits.
        draw, clock, sleep: chance and time.

    Raises:
        ServerError: the last one. At once, if trying again would not help.

    Example:
        >>> from keras_tx.serving.client_retry import Backoff, with_retries
        >>> with_retries(lambda seconds: f"{seconds:.0f} s left", 60, Backoff())
        '60 s left'
    """
    start = clock()
    for failures in range(1, backoff.attempts + 1):
        try:
            # None is left when a wait took longer than it should: then as little as there is.
            seconds = max(deadline - (clock() - start), LEAST_SECONDS)
            return send(min(seconds, MOST_SECONDS))
        except ServerError as error:
            if not error.may_pass:
                raise
            last = error
        wait = backoff.wait(failures, draw())
        left = deadline - (clock() - start)
        if failures == backoff.attempts or wait >= left:
            break
        sleep(wait)
    tries = "once" if failures == 1 else f"{failures} times in {clock() - start:.1f} s"
    raise ServerError(f"{last} (tried {tries})", last.code) from last
