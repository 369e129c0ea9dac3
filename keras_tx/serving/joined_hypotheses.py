"""Hypotheses of a text's pieces -> hypotheses of the text."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from keras_tx.serving.results import Hypothesis
from keras_tx.text import SplitText


def join_hypotheses(
    split: SplitText, found: Sequence[Sequence[Hypothesis]], count: int
) -> list[Hypothesis]:
    """The best hypotheses of a text that was translated piece by piece.

    Args:
        split: the text in pieces.
        found: the hypotheses of each piece, the best first; at least one each.
        count: how many are wanted.

    Returns:
        The `count` best combinations, the best first, or as many as there are. Their score and
        log-probability are the sums over the pieces, whose texts stand between the separators
        of the split.

    Example:
        >>> from keras_tx.models import Hypothesis
        >>> from keras_tx.serving.joined_hypotheses import join_hypotheses
        >>> from keras_tx.text import SplitText
        >>> first = [Hypothesis("Un.", -0.1, -0.2), Hypothesis("Une.", -0.4, -0.8)]
        >>> second = [Hypothesis("Deux.", -0.2, -0.4)]
        >>> split = SplitText(("One.", "Two."), ("", " ", ""))
        >>> [one.text for one in join_hypotheses(split, [first, second], 5)]
        ['Un. Deux.', 'Une. Deux.']
    """
    # What is among the best of all pieces is among the best of the first ones: a combination
    # with a worse beginning only loses.
    best: list[tuple[float, float, tuple[str, ...]]] = [(0.0, 0.0, ())]
    for hypotheses in found:
        longer = (
            (score + one.score, total + one.log_probability, (*texts, one.text))
            for score, total, texts in best
            for one in hypotheses
        )
        best = heapq.nlargest(count, longer, key=lambda combination: combination[0])
    return [Hypothesis(split.join(texts), score, total) for score, total, texts in best]
