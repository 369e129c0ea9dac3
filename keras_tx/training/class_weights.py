"""How much the examples of each class count in training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np


def example_weights(
    labels: np.ndarray,
    label_names: Sequence[str],
    class_weights: str | Mapping[str, float] | None,
) -> np.ndarray | None:
    """The weight of each label of each example.

    Args:
        labels: class numbers `(N,)`, or, where an example may have several labels, ones among
            zeros `(N, C)`.
        label_names: names of the classes, `C` of them.
        class_weights: `None` for none; the weights by name, 1 for a class that is not named;
            or `"balanced"`, which lets all classes weigh alike: `N / (C * n)` for a class of
            `n` examples; where an example may have several labels, `(N - n) / n` for each
            label that is there, against 1 for each that is not.

    Returns:
        `(N,)` or `(N, C)`, float32, as the labels; or `None` without class weights. The weight
        of a label that is not there is 1.

    Raises:
        ValueError: for another string, an unknown name, or a weight that is not a positive
            number.

    Example:
        >>> import numpy as np
        >>> from keras_tx.training import example_weights
        >>> example_weights(np.array([0, 0, 1, 1, 1, 1]), ["no", "yes"], "balanced").tolist()
        [1.5, 1.5, 0.75, 0.75, 0.75, 0.75]
        >>> example_weights(np.array([[1, 0], [1, 1]]), ["a", "b"], {"b": 3}).tolist()
        [[1.0, 1.0], [1.0, 3.0]]

    Source: "balanced": King and Zeng 2001, "Logistic Regression in Rare Events Data".
    """
    if class_weights is None:
        return None
    labels = np.asarray(labels)
    if class_weights == "balanced":
        weights = _balanced(labels, len(label_names))
    elif isinstance(class_weights, Mapping):
        weights = _named(class_weights, label_names)
    else:
        raise ValueError(
            "class_weights expected 'balanced', a mapping from label to weight, or None. "
            f"Received: class_weights={class_weights!r}"
        )
    return weights[labels] if labels.ndim == 1 else np.where(labels, weights, np.float32(1))


def _balanced(labels: np.ndarray, num_classes: int) -> np.ndarray:
    if labels.ndim == 1:
        counts = np.maximum(np.bincount(labels, minlength=num_classes), 1)
        return (len(labels) / (num_classes * counts)).astype("float32")
    counts = labels.sum(axis=0)
    # A label that all examples have, or none, has nothing to be balanced against.
    some = (counts > 0) & (counts < len(labels))
    return np.where(some, (len(labels) - counts) / np.maximum(counts, 1), 1).astype("float32")


def _named(class_weights: Mapping[str, float], label_names: Sequence[str]) -> np.ndarray:
    unknown = sorted(set(class_weights) - set(label_names))
    if unknown:
        raise ValueError(
            f"class_weights expected labels among {list(label_names)}. Received: {unknown}"
        )
    weights = [float(class_weights.get(name, 1)) for name in label_names]
    for name, weight in zip(label_names, weights, strict=True):
        if not 0 < weight < math.inf:
            raise ValueError(
                f"class_weights expected positive numbers. Received: {weight!r} for {name!r}"
            )
    return np.asarray(weights, "float32")
