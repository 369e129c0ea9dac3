"""Which labels count, given the probabilities of all."""

from __future__ import annotations

from collections.abc import Mapping

from keras_tx.serving.results import Classification


def choose_labels(
    scores: Mapping[str, float], threshold: float | None = None, multi_label: bool = False
) -> Classification:
    """The result that stands for the scores of one text.

    Args:
        scores: label -> probability, for all labels.
        threshold: the probability that a label must reach. Where none does, the classifier
            abstains: the label is `""`. Default: 0.5 with `multi_label`; otherwise the best
            label counts, whatever its probability.
        multi_label: whether several labels may count. Default `False`.

    Returns:
        The result. Its `score` is the highest probability, also where no label counts. Of
        equal ones the first counts.

    Raises:
        ValueError: when the threshold is not a number from 0 to 1.

    Example:
        >>> from keras_tx.serving.label_choice import choose_labels
        >>> choose_labels({"a": 0.4, "b": 0.6}).label
        'b'
        >>> choose_labels({"a": 0.4, "b": 0.6}, threshold=0.7).label
        ''
        >>> choose_labels({"a": 0.6, "b": 0.1, "c": 0.7}, multi_label=True).labels
        ('c', 'a')
    """
    least = checked_threshold(threshold, multi_label)
    ranked = sorted(scores, key=lambda label: -scores[label])
    counted = [label for label in ranked if scores[label] >= least]
    labels = tuple(counted if multi_label else counted[:1])
    return Classification(labels[0] if labels else "", scores[ranked[0]], dict(scores), labels)


def checked_threshold(threshold: float | None, multi_label: bool = False) -> float:
    """The threshold, or what stands for none, once it is known to be one."""
    if threshold is None:
        return 0.5 if multi_label else 0.0
    if not 0 <= threshold <= 1:  # Nor what is no number at all.
        raise ValueError(
            f"threshold expected a number from 0 to 1. Received: threshold={threshold!r}"
        )
    return threshold
