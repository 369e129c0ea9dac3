"""What a text model says of a text, whether it runs here or on a server."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np

# The exported search fills up what it has not found with a score of -1e9.
_NOTHING = -5e8


class Classification(NamedTuple):
    """The result for one text.

    Attributes:
        label: the most probable label; `""` where the classifier abstains.
        score: the highest probability among the labels.
        scores: label -> probability, for all labels.
        labels: all labels that count, the most probable first (see `choose_labels`).

    Example:
        >>> from keras_tx.models import Classification
        >>> Classification("positive", 0.9, {"negative": 0.1, "positive": 0.9}).label
        'positive'
    """

    label: str
    score: float
    scores: dict[str, float]
    labels: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Hypothesis:
    """One of several translations of a text.

    Attributes:
        text: the translation.
        score: what hypotheses are ranked by, the log-probability divided by the length
            penalty.
        log_probability: of all tokens, the end included.

    Example:
        >>> from keras_tx.models import Hypothesis
        >>> Hypothesis("un chien", score=-0.25, log_probability=-0.75).text
        'un chien'
    """

    text: str
    score: float
    log_probability: float

    @classmethod
    def all_from_row(cls, row: dict[str, Any]) -> list[Hypothesis]:
        """From one row of the outputs of `TranslationFunctions.n_best`: what has been found."""
        columns = (row[name] for name in ("translations", "scores", "log_probabilities"))
        return [
            cls(text.decode("utf-8", errors="replace"), float(score), float(log_probability))
            for text, score, log_probability in zip(*columns, strict=True)
            if score > _NOTHING
        ]


@dataclasses.dataclass(frozen=True)
class TranslationScore:
    """How probable a given translation is.

    Attributes:
        log_probability: of all tokens, the end included.
        tokens: the translation's tokens, the end as last one.
        token_log_probabilities: one for each token.

    Example:
        >>> from keras_tx.models import TranslationScore
        >>> TranslationScore(-0.5, ["chien", "</s>"], [-0.4, -0.1]).log_probability
        -0.5
    """

    log_probability: float
    tokens: list[str]
    token_log_probabilities: list[float]

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> TranslationScore:
        """From one row of the outputs of `TranslationFunctions.score`."""
        length = int(row["lengths"])
        return cls(
            float(row["score"]),
            _words(row["tokens"], length),
            row["token_scores"][:length].tolist(),
        )


@dataclasses.dataclass(frozen=True)
class Alignment:
    """How much each token of a translation looks at each token of its source.

    Attributes:
        source_tokens: `Ts` tokens.
        target_tokens: `Tt` tokens.
        weights: `(Tt, Ts)`; each row sums to 1.

    Example:
        >>> import numpy as np
        >>> from keras_tx.models import Alignment
        >>> alignment = Alignment(["a", "dog"], ["un", "chien"], np.array([[0.9, 0.1], [0.2, 0.8]]))
        >>> alignment.pairs()
        [(0, 0), (1, 1)]
    """

    source_tokens: list[str]
    target_tokens: list[str]
    weights: np.ndarray

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Alignment:
        """From one row of the outputs of `TranslationFunctions.align`."""
        source, target = int(row["source_lengths"]), int(row["target_lengths"])
        return cls(
            _words(row["source_tokens"], source),
            _words(row["target_tokens"], target),
            row["alignment"][:target, :source],
        )

    def pairs(self) -> list[tuple[int, int]]:
        """`(source, target)` for each target token: the source token it looks at most."""
        if not self.source_tokens:
            return []
        return [(int(row.argmax()), place) for place, row in enumerate(self.weights)]


def _words(tokens: np.ndarray, length: int) -> list[str]:
    return [_word(token) for token in tokens[:length]]


def _word(token: bytes) -> str:
    return token.decode("utf-8", errors="replace")
