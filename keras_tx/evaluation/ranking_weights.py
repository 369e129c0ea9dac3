"""Weights of features that choose among translations, for the highest BLEU."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_ORDERS = 4
_STEPS = 200
_STEP_SIZE = 0.05
_DECAYS = (0.9, 0.999)  # Adam's
_PENALTY = 1e-4
_MOST_AT_FIRST = 3.0  # in spreads of a feature: of a steeper softmax there is nothing to climb


def fit_ranking_weights(
    hypotheses: Sequence[Sequence[str]],
    features: Sequence[np.ndarray],
    references: Sequence[str],
    start: Sequence[float],
) -> np.ndarray:
    """Weights with which the best-ranked translations have a high corpus BLEU.

    A translation's rank is the weighted sum of its features, and the softmax of the ranks of a
    text's translations is how probable each is. From `start` the weights climb to a
    high BLEU of the n-grams and lengths expected then. That is smooth, where the BLEU of the
    best-ranked ones jumps: its weights fit these texts less closely and other texts better than
    the ones of a search for the highest jump.

    Args:
        hypotheses: for each of `N` texts its translations.
        features: for each text an array `(K, F)`, a row for each translation.
        references: one for each text.
        start: `F` weights to begin with.

    Returns:
        The weights, `(F,)`; `start`, if the best-ranked translations' BLEU is no higher
        with any others that were found.

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

    Source: Smith and Eisner 2006, "Minimum Risk Annealing for Training Log-Linear Models".
    """
    _check(hypotheses, features, references, start)
    statistics = _padded(
        [
            np.array([_bleu_statistics(hypothesis, reference) for hypothesis in row], dtype=float)
            for row, reference in zip(hypotheses, references, strict=True)
        ]
    )
    there = _padded([np.ones(len(row)) for row in hypotheses]) > 0
    spread = np.sqrt(np.mean([np.var(row, axis=0) for row in features], axis=0))
    scale = np.where(spread > 0, spread, np.inf)  # a feature that never differs is left
    values = _padded([(row - np.mean(row, axis=0)) / scale for row in features])

    def best_ranked(weights: np.ndarray) -> float:
        chosen = np.where(there, values @ weights, -np.inf).argmax(1)
        return _corpus_bleu(statistics[np.arange(len(chosen)), chosen].sum(0))

    first = np.array(start, dtype=float) * spread
    first *= _MOST_AT_FIRST / max(_MOST_AT_FIRST, np.abs(first).max())
    found = _ascend(first, values, statistics, there)
    if best_ranked(found) <= best_ranked(first):
        return np.array(start, dtype=float)
    return np.where(spread > 0, found / scale, start)


def _ascend(
    weights: np.ndarray, values: np.ndarray, statistics: np.ndarray, there: np.ndarray
) -> np.ndarray:
    """Adam, on the logarithm of the expected BLEU less a small penalty of large weights."""
    mean, square = np.zeros_like(weights), np.zeros_like(weights)
    for step in range(1, _STEPS + 1):
        gradient = _gradient(weights, values, statistics, there) - 2 * _PENALTY * weights
        mean = _DECAYS[0] * mean + (1 - _DECAYS[0]) * gradient
        square = _DECAYS[1] * square + (1 - _DECAYS[1]) * gradient**2
        direction = mean / (1 - _DECAYS[0] ** step)
        size = np.sqrt(square / (1 - _DECAYS[1] ** step)) + 1e-8
        weights = weights + _STEP_SIZE * direction / size
    return weights


def _gradient(
    weights: np.ndarray, values: np.ndarray, statistics: np.ndarray, there: np.ndarray
) -> np.ndarray:
    """Of the expected BLEU's logarithm, by the weights."""
    ranks = np.where(there, values @ weights, -np.inf)
    probabilities = np.exp(ranks - ranks.max(1, keepdims=True))
    probabilities /= probabilities.sum(1, keepdims=True)
    sums = np.einsum("nk,nks->s", probabilities, statistics)
    # One n-gram more is found and one more there is, so that none at all has a logarithm too.
    by_sums = np.zeros_like(sums)
    by_sums[:_ORDERS] = 1 / (_ORDERS * (sums[:_ORDERS] + 1))
    by_sums[_ORDERS : 2 * _ORDERS] = -1 / (_ORDERS * (sums[_ORDERS : 2 * _ORDERS] + 1))
    length, reference_length = sums[2 * _ORDERS :]
    if 0 < length < reference_length:  # the brevity penalty
        by_sums[2 * _ORDERS] = reference_length / length**2
    gains = statistics @ by_sums
    gains -= (probabilities * gains).sum(1, keepdims=True)
    return np.einsum("nk,nkf->f", probabilities * gains, values)


def _padded(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of zeros behind the shorter ones."""
    longest = max(len(row) for row in rows)
    return np.array(
        [np.pad(row, [(0, longest - len(row))] + [(0, 0)] * (row.ndim - 1)) for row in rows]
    )


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
    return BLEU.compute_bleu(
        sums[:_ORDERS], sums[_ORDERS:-2], sums[-2], sums[-1], smooth_method="exp"
    ).score
