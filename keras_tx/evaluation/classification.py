"""Accuracy and F1 of a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_tx.data import LabelledTexts
from keras_tx.models import TextClassifier


def classification_scores(
    predicted: Sequence[int], labels: Sequence[int], label_names: Sequence[str]
) -> dict[str, Any]:
    """Accuracy and F1 from class numbers.

    Args:
        predicted: the predicted classes.
        labels: the true ones.
        label_names: names of the classes.

    Returns:
        `accuracy`, `f1` (the mean over the classes, each counted alike), `f1_by_label`
        and `count`. A class that neither occurs nor is predicted has an F1 of 0.

    Raises:
        ValueError: when the numbers differ or there are none.

    Example:
        >>> from keras_tx.evaluation.classification import classification_scores
        >>> classification_scores([0, 1, 1], [0, 1, 0], ["no", "yes"])["accuracy"]
        0.6667
    """
    if len(predicted) != len(labels) or not len(labels):
        raise ValueError(
            "labels expected one for each of one or more predictions. "
            f"Received: {len(labels)} labels, {len(predicted)} predictions"
        )
    predicted, labels = np.asarray(predicted), np.asarray(labels)
    by_label = {}
    for number, name in enumerate(label_names):
        hits = np.sum((predicted == number) & (labels == number))
        total = np.sum(predicted == number) + np.sum(labels == number)
        by_label[name] = float(2 * hits / max(total, 1))
    return {
        "accuracy": round(float(np.mean(predicted == labels)), 4),
        "f1": round(float(np.mean(list(by_label.values()))), 4),
        "f1_by_label": {name: round(value, 4) for name, value in by_label.items()},
        "count": len(labels),
    }


def evaluate_classifier(
    classifier: TextClassifier, examples: LabelledTexts, batch_size: int = 32
) -> dict[str, Any]:
    """Classify labelled texts and score the result (`classification_scores`).

    Args:
        classifier: the model.
        examples: texts with the classifier's label names, in any order.
        batch_size: texts at once. Default 32.

    Returns:
        See `classification_scores`.

    Raises:
        ValueError: when the examples have labels that the classifier does not know.

    Example:
        >>> from keras_tx.data import LabelledTexts
        >>> from keras_tx.evaluation import evaluate_classifier
        >>> from keras_tx.models import SentimentClassifier
        >>> from keras_tx.text import WordTokenizer
        >>> model = SentimentClassifier.from_preset("tiny", WordTokenizer().fit(["good", "bad"]))
        >>> reviews = LabelledTexts(["good"], [1], ("negative", "positive"))
        >>> evaluate_classifier(model, reviews)["count"]
        1
    """
    unknown = sorted(set(examples.label_names) - set(classifier.labels))
    if unknown:
        raise ValueError(
            f"examples expected labels among {list(classifier.labels)}. Received: {unknown}"
        )
    found = classifier.classify(examples.texts, batch_size=batch_size)
    predicted = [classifier.labels.index(result.label) for result in found]
    labels = [classifier.labels.index(examples.label_names[label]) for label in examples.labels]
    return classification_scores(predicted, labels, classifier.labels)
