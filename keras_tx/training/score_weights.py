"""What the scores of several classifiers count in their sum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def fit_score_weights(
    scores: np.ndarray,
    labels: Sequence[int] | np.ndarray,
    prior: float = 1.0,
    example_weights: np.ndarray | None = None,
) -> np.ndarray:
    """One factor for each classifier, so that their summed scores predict the labels best.

    Minimizes the cross-entropy of `softmax(sum(weights[s] * scores[:, s]))`, plus
    `prior * sum((weights - 1)²) / 2`, by Newton's method. With one classifier the factor is
    the inverse of its temperature (Guo et al. 2017). The examples must be others than those
    the classifiers learned from, which they know too well.

    Args:
        scores: logits of `S` classifiers for `N` examples and `C` classes, `(N, S, C)`.
        labels: the true classes, `(N,)`; or, where classes do not exclude each other, ones
            among zeros, `(N, C)`: the sum over all classes of the binary cross-entropy of
            `sigmoid(sum(weights[s] * scores[:, s]))` is minimized then.
        prior: how firmly the factors stay near 1: that of as many examples. Default 1.
        example_weights: how much each label counts, of the labels' shape. Default: alike.

    Returns:
        The factors, `(S,)`.

    Raises:
        ValueError: when the numbers of examples differ or there are none, or `prior` is not
            positive.

    Example:
        >>> import numpy as np
        >>> from keras_tx.training import fit_score_weights
        >>> good = np.where(np.eye(2)[[0, 1] * 50], 2.0, 0.0)
        >>> noise = np.tile([[3.0, 0.0]], (100, 1))
        >>> good_weight, noise_weight = fit_score_weights(np.stack([good, noise], 1), [0, 1] * 50)
        >>> bool(good_weight > 2 and abs(noise_weight) < 0.2)
        True

    Source: stacking: Wolpert 1992, "Stacked Generalization".
    """
    scores, labels = np.asarray(scores, "float64"), np.asarray(labels)
    if scores.ndim != 3 or len(scores) != len(labels) or not len(labels):
        raise ValueError(
            "scores expected the shape (examples, classifiers, classes), with one label an "
            f"example. Received: shape {scores.shape}, {len(labels)} labels"
        )
    counts = np.ones(labels.shape) if example_weights is None else np.asarray(example_weights)
    counts = counts.ravel().astype("float64")
    if labels.ndim == 2:  # Each class is one of two choices, of which the other has the score 0.
        scores = np.moveaxis(scores, 1, 2).reshape(-1, scores.shape[1], 1)  # (N * C, S, 1)
        scores = np.concatenate([np.zeros_like(scores), scores], axis=2)
        labels = labels.ravel()
    if prior <= 0:
        raise ValueError(f"prior expected a number above 0. Received: prior={prior!r}")
    # What counts is how far each class lies below or above the true one.
    scores = scores - scores[np.arange(len(labels)), :, labels][:, :, None]  # (N, S, C)
    weights = np.ones(scores.shape[1])

    def objective(weights: np.ndarray) -> float:
        logits = np.einsum("s,nsc->nc", weights, scores)
        losses = counts @ np.logaddexp.reduce(logits, axis=1)
        return losses + prior * ((weights - 1) ** 2).sum() / 2

    for _ in range(100):
        logits = np.einsum("s,nsc->nc", weights, scores)
        chances = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
        means = np.einsum("nc,nsc->ns", chances, scores)
        gradient = counts @ means + prior * (weights - 1)
        squares = np.einsum("n,nc,nsc,ntc->st", counts, chances, scores, scores, optimize=True)
        hessian = squares - (counts * means.T) @ means + prior * np.eye(len(weights))
        step = np.linalg.solve(hessian, gradient)
        if gradient @ step < 1e-9:
            break
        # The full step may go too far where the chances are all but certain.
        size, before = 1.0, objective(weights)
        while objective(weights - size * step) > before - 1e-4 * size * (gradient @ step):
            size /= 2
            if size < 1e-9:
                return weights
        weights = weights - size * step
    return weights
