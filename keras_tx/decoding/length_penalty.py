"""How hypotheses of different lengths are compared."""

from __future__ import annotations

import dataclasses
from typing import Any

from keras import ops

KINDS = ("average", "gnmt")


@dataclasses.dataclass(frozen=True)
class LengthPenalty:
    """Divides log-probabilities, of which longer hypotheses have gathered more.

    `"average"`: `length ** exponent`; with the exponent 1 the mean log-probability of a
    token. `"gnmt"`: `((5 + length) / 6) ** exponent`. The end counts as a token.

    Args:
        exponent: `α`, at least 0. Default 1; 0 compares plain log-probabilities.
        kind: `"average"` (default) or `"gnmt"`.

    Raises:
        ValueError: for a negative exponent or an unknown kind.

    Example:
        >>> from keras_tx.decoding import LengthPenalty
        >>> float(LengthPenalty(0.5)(4)), float(LengthPenalty(1.0, "gnmt")(7))
        (2.0, 2.0)

    Source: Wu et al. 2016, "Google's Neural Machine Translation System", section 7;
    Koehn and Knowles 2017, "Six Challenges for Neural Machine Translation", section 3.6.
    """

    exponent: float = 1.0
    kind: str = "average"

    def __post_init__(self) -> None:
        if not self.exponent >= 0:
            raise ValueError(
                f"length_penalty expected a number of at least 0. Received: {self.exponent!r}"
            )
        if self.kind not in KINDS:
            raise ValueError(f"kind expected one of {KINDS}. Received: kind={self.kind!r}")

    def __call__(self, length: Any) -> Any:
        """The penalty of hypotheses of this length; it grows with the length."""
        length = ops.cast(length, "float32")
        if self.kind == "gnmt":
            length = (5.0 + length) / 6.0
        return length**self.exponent
