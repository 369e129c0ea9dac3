"""How a translator searches for its translations."""

from __future__ import annotations

import dataclasses
import numbers

from keras_tx.decoding import LengthPenalty, check_sampling

# Options that need not be whole numbers.
REAL = ("coverage_penalty", "max_length_ratio")


@dataclasses.dataclass(frozen=True)
class DecodingOptions:
    """Options of `Translator.translate` and of the exported signatures.

    Attributes:
        beam_size: how many hypotheses are followed; 1 is greedy search. Default 4.
        length_penalty: exponent of the length by which log-probabilities are divided.
            Default 1: hypotheses compete by the mean log-probability of their tokens.
        length_penalty_kind: `"average"` (default) or `"gnmt"`, see `LengthPenalty`.
        coverage_penalty: weight of what is left untranslated, beside what the length penalty
            leaves of the log-probability. Default 0: none. With `"gnmt"` 0.2 is usual; a mean is
            much smaller, and with `"average"` 0.1 can make translations endless, 0.01 not.
        stop: `"safe"` (default) searches until no live hypothesis can win, `"count"` until
            `beam_size` have ended, which is faster.
        min_length: the fewest tokens of a translation, its end included. Default 0.
        max_length: the most tokens of a translation, its end included. Default:
            `sequence_length`.
        max_length_ratio, max_length_offset: the most tokens too, by those of the source:
            `ratio · source + offset`, and those of a prefix. Default 2 and 10: a translation is
            seldom twice as long, and a model that repeats itself comes to an end.
        no_repeat_ngram_size: no n-gram of this size comes twice in a translation. Default
            0: no such rule.
        suppress_unknown: never write the unknown token. Default `True`.
        lower_capitals: read a text in capitals, whose words the vocabulary must spell out, in
            lower case, and write its translation in capitals. Default `True`: most models have
            never seen "HELLO". See `keras_tx.text.without_capitals`.
        temperature, top_k, top_p: of sampling, see `keras_tx.decoding.sample_tokens`. With
            a `temperature`, translations are drawn instead of searched for. Default `None`.
        jit_compile: let XLA compile the search, once for each bucket of batch sizes and
            source lengths (a few seconds each). `"auto"`: where that has been seen to pay, see
            `keras_tx.models.compilation_choice`; of two translations that are equally good to
            the last digits, either may come then. Default `False`.

    Raises:
        ValueError: for a number out of range, or sampling with a beam.

    Example:
        >>> from keras_tx.models import DecodingOptions
        >>> DecodingOptions(beam_size=1).length_penalty
        1.0
    """

    beam_size: int = 4
    length_penalty: float = 1.0
    length_penalty_kind: str = "average"
    coverage_penalty: float = 0.0
    stop: str = "safe"
    min_length: int = 0
    max_length: int | None = None
    max_length_ratio: float = 2.0
    max_length_offset: int = 10
    no_repeat_ngram_size: int = 0
    suppress_unknown: bool = True
    lower_capitals: bool = True
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    jit_compile: bool | str = False

    def __post_init__(self) -> None:
        LengthPenalty(self.length_penalty, self.length_penalty_kind)  # Raises if they are wrong.
        least = {
            "beam_size": 1,
            "coverage_penalty": 0,
            "min_length": 0,
            "max_length_ratio": 0,
            "max_length_offset": 0,
            "no_repeat_ngram_size": 0,
        }
        for name, lowest in least.items():
            kind = numbers.Real if name in REAL else numbers.Integral
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, kind) or not value >= lowest:
                noun = "a number" if name in REAL else "an integer"
                raise ValueError(
                    f"{name} expected {noun} of at least {lowest}. Received: {name}={value!r}"
                )
        if not isinstance(self.lower_capitals, bool):
            raise ValueError(
                "lower_capitals expected True or False. "
                f"Received: lower_capitals={self.lower_capitals!r}"
            )
        if not isinstance(self.jit_compile, bool) and self.jit_compile != "auto":
            raise ValueError(
                "jit_compile expected True, False or 'auto'. "
                f"Received: jit_compile={self.jit_compile!r}"
            )
        if self.stop not in ("safe", "count"):
            raise ValueError(f"stop expected 'safe' or 'count'. Received: stop={self.stop!r}")
        if self.max_length is not None and not (
            isinstance(self.max_length, numbers.Integral) and self.max_length >= 1
        ):
            raise ValueError(
                f"max_length expected a positive integer. Received: max_length={self.max_length!r}"
            )
        if self.temperature is None:
            if self.top_k is not None or self.top_p is not None:
                raise ValueError(
                    "top_k and top_p expected a temperature beside them. Received: "
                    f"top_k={self.top_k!r}, top_p={self.top_p!r}, temperature=None"
                )
            return
        check_sampling(self.temperature, self.top_k, self.top_p)
        if self.beam_size > 1:
            raise ValueError(
                "temperature expected beam_size=1: a draw follows one hypothesis. "
                f"Received: temperature={self.temperature!r}, beam_size={self.beam_size!r}"
            )
