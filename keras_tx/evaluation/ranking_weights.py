"""Weights of features that choose among translations, for the highest BLEU."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_STEPS = (1.0, 0.5, 0.25, 0.1, 0.05)
_LEAST_GAIN = 0.005


def fit_ranking_weights(
    hypotheses: Sequence[Sequence[str]],
    features: Sequence[np.ndarray],
    references: Sequence[str],
    start: Sequence[float],
) -> np.ndarray:
    """Weights with which the best-ranked translations have the highest corpus BLEU.

    A translation's rank is the weighted sum of its features. One weight after the other is
    moved up and down by shorter and shorter steps, in units of what its feature spreads by
    within a text, for as long as BLEU grows: minimum error rate training by a coordinate
    search.

    Args:
        hypotheses: for each of `N` texts its translations.
        features: for each text an array `(K, F)`, a row for each translation.
        references: one for each text.
        start: `F` weights to begin with.

    Returns:
        The weights, `(F,)`.

    Raises:
        ValueError: when there are no texts, or numbers differ.

    Example:
        >>> import numpy as np
        >>> from keras_tx.evaluation import fit_ranking_weights
        >>> features = [np.array([[0.0, 1.0], [1.0, 0.0]])]
        >>> weights = fit_ranking_weights([["un chat dort ici", "rien"]], features,
        ...     ["un chat dort ici"], start=[1.0, 0.5])
        >>> int(np.argmax(features[0] @ weights))
        0

    Source: Och 2003, "Minimum Error Rate Training in Statistical Machine Translation".
    """
    _check(hypotheses, features, references, start)
    statistics = [
        np.array([_bleu_statistics(hypothesis, reference) for hypothesis in row])
        for row, reference in zip(hypotheses, references, strict=True)
    ]
    spread = np.sqrt(np.mean([np.var(row, axis=0) for row in features], axis=0))
    steps = 1 / np.where(spread > 0, spread, np.inf)  # a feature that never differs is left

    def bleu(weights: np.ndarray) -> float:
        chosen = [np.argmax(row @ weights) for row in features]
        rows = zip(statistics, chosen, strict=True)
        return _corpus_bleu(np.sum([row[place] for row, place in rows], axis=0))

    weights = np.array(start, dtype=float)
    best = bleu(weights)
    for size in _STEPS:
        grew = True
        while grew:
            grew = False
            for place in np.flatnonzero(steps):
                for sign in (1, -1):
                    moved = weights.copy()
                    moved[place] += sign * size * steps[place]
                    value = bleu(moved)
                    if value > best + _LEAST_GAIN:
                        weights, best, grew = moved, value, True
    return weights


def _check(
    hypotheses: Sequence, features: Sequence, references: Sequence, start: Sequence[float]
) -> None:
    numbers = (len(hypotheses), len(features), len(references))
    if len(set(numbers)) > 1 or not references:
        raise ValueError(
            "hypotheses, features and references expected as many rows, one or more. "
            f"Received: {numbers[0]}, {numbers[1]} and {numbers[2]}"
        )
    for row, values in zip(hypotheses, features, strict=True):
        if np.shape(values) != (len(row), len(start)) or not row:
            raise ValueError(
                "features expected an array (hypotheses, weights) for each text. Received: "
                f"shape {np.shape(values)} for {len(row)} hypotheses and {len(start)} weights"
            )


def _bleu_statistics(hypothesis: str, reference: str) -> list[int]:
    """Matching n-grams, n-grams, and both lengths: what sums to a corpus' BLEU."""
    from sacrebleu.metrics import BLEU

    score = BLEU(effective_order=True).sentence_score(hypothesis, [reference])
    return [*score.counts, *score.totals, score.sys_len, score.ref_len]


def _corpus_bleu(sums: np.ndarray) -> float:
    from sacrebleu.metrics import BLEU

    sums = [int(value) for value in sums]
    return BLEU.compute_bleu(sums[:4], sums[4:8], sums[8], sums[9], smooth_method="exp").score
