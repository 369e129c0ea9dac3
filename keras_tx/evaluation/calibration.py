"""Whether scores are probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def calibration_error(chances: Sequence[float], hits: Sequence[bool], bins: int = 15) -> float:
    """The expected calibration error: how far scores are from the shares of right answers.

    The answers are sorted into `bins` equally wide bins by their scores; summed up is
    `share of the answers in the bin * |share of right ones - mean score|`. Of a model that says
    0.8 a hundred times and is right eighty times, it is 0.

    Args:
        chances: the scores of the answers, from 0 to 1.
        hits: whether each answer was right.
        bins: how many bins. Default 15.

    Returns:
        The error, from 0 to 1.

    Raises:
        ValueError: when the numbers differ or there are none, a score is outside of [0, 1], or
            `bins` is not positive.

    Example:
        >>> from keras_tx.evaluation import calibration_error
        >>> calibration_error([0.75, 0.75, 0.75, 0.75], [True, True, True, False])
        0.0
        >>> calibration_error([1.0, 1.0, 0.5, 0.5], [True, False, True, False])
        0.25

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 2.
    """
    if bins < 1:
        raise ValueError(f"bins expected a positive integer. Received: bins={bins!r}")
    chances, hits = np.asarray(chances, "float64"), np.asarray(hits, "float64")
    if chances.shape != hits.shape or not chances.size:
        raise ValueError(
            "hits expected one for each of one or more chances. "
            f"Received: {hits.size} hits, {chances.size} chances"
        )
    if not ((chances >= 0) & (chances <= 1)).all():
        raise ValueError(
            "chances expected numbers from 0 to 1. "
            f"Received: from {chances.min()} to {chances.max()}"
        )
    # A score on the edge of two bins belongs to the upper one, and 1 to the last.
    places = np.minimum((chances * bins).astype(int), bins - 1)
    # In each bin (count / N) * |hits / count - chances / count|: the counts cancel.
    gaps = np.bincount(places, hits - chances, minlength=bins)
    return float(np.abs(gaps).sum() / len(chances))
