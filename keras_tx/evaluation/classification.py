"""How good a classifier is: accuracy, F1, confusions, ROC-AUC, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_tx.data import LabelledTexts, MultiLabelledTexts
from keras_tx.evaluation.calibration import calibration_error
from keras_tx.models import TextClassifier


def classification_scores(
    scores: np.ndarray, labels: np.ndarray, label_names: Sequence[str]
) -> dict[str, Any]:
    """What the scores of a classifier are worth.

    Args:
        scores: the probabilities of the classes, `(N, C)`.
        labels: the true classes `(N,)`; or, where a text may have several, ones among zeros
            `(N, C)`. A class is predicted then when its score is 0.5 or more; otherwise the one
            with the highest score.
        label_names: names of the classes, `C` of them.

    Returns:
        `accuracy`: the share of texts whose labels are all right.
        `f1`: the mean over the classes, each counted alike (macro-F1). A class that neither
        occurs nor is predicted has an F1 of 0.
        `f1_by_label`.
        `roc_auc`: see `roc_auc`; of two classes that of the second, otherwise the mean over
        those that have one; `None` if none has.
        `calibration_error`: of the predicted class's score, or of all scores where a text may
        have several labels (see `keras_tx.evaluation.calibration_error`).
        `confusion_matrix`: of the texts of each true class (rows), how many were predicted to
        be of each class (columns); with several labels a `[[no, no but predicted], [yes but
        not predicted, yes]]` for each label by name.
        `count`: the number of texts.

    Raises:
        ValueError: when the numbers differ or there are none.

    Example:
        >>> import numpy as np
        >>> from keras_tx.evaluation.classification import classification_scores
        >>> scores = np.array([[0.8, 0.2], [0.4, 0.6], [0.3, 0.7]])
        >>> found = classification_scores(scores, np.array([0, 1, 0]), ["no", "yes"])
        >>> found["accuracy"], found["roc_auc"], found["confusion_matrix"]
        (0.6667, 0.5, [[1, 1], [0, 1]])
    """
    scores, labels = np.asarray(scores), np.asarray(labels)
    if len(scores) != len(labels) or not len(labels):
        raise ValueError(
            "labels expected one for each of one or more predictions. "
            f"Received: {len(labels)} labels, {len(scores)} predictions"
        )
    several = labels.ndim == 2
    classes = np.arange(len(label_names))
    best = scores.argmax(axis=1)
    predicted = scores >= 0.5 if several else best[:, None] == classes
    true = labels == 1 if several else labels[:, None] == classes
    hits, total = (predicted & true).sum(axis=0), predicted.sum(axis=0) + true.sum(axis=0)
    by_label = 2 * hits / np.maximum(total, 1)
    if several:
        # A score of 0.2 says as much as one of 0.8: that the label is absent, to 80%.
        chances, right = np.where(predicted, scores, 1 - scores), predicted == true
    else:
        chances, right = scores.max(axis=1), best == labels
    # Sums of single precision may exceed 1 by a hair.
    error = calibration_error(np.clip(chances.ravel(), 0, 1), right.ravel())
    return {
        "accuracy": round(float((predicted == true).all(axis=1).mean()), 4),
        "f1": round(float(by_label.mean()), 4),
        "f1_by_label": {
            name: round(float(value), 4) for name, value in zip(label_names, by_label, strict=True)
        },
        "roc_auc": _mean_auc(scores, true, opposites=not several and len(label_names) == 2),
        "calibration_error": round(error, 4),
        "confusion_matrix": _confusions(predicted, true, label_names, several),
        "count": len(labels),
    }


def roc_auc(scores: Sequence[float], belongs: Sequence[bool]) -> float | None:
    """The area under the ROC curve: how often a member of a class scores above a stranger.

    Args:
        scores: the class's score of each example.
        belongs: whether the example is of the class.

    Returns:
        From 0 to 1; equal scores count half. `None` if all are of the class, or none.

    Example:
        >>> from keras_tx.evaluation.classification import roc_auc
        >>> roc_auc([0.1, 0.4, 0.35, 0.8], [False, False, True, True])
        0.75

    Source: Fawcett 2006, "An Introduction to ROC Analysis", section 7; as the statistic of
    Mann and Whitney.
    """
    belongs = np.asarray(belongs, bool)
    inside, outside = int(belongs.sum()), int((~belongs).sum())
    if not inside or not outside:
        return None
    _, places, counts = np.unique(np.asarray(scores), return_inverse=True, return_counts=True)
    # The rank, from 1, of equal scores is the mean of the ranks that they share.
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return float((ranks[belongs].sum() - inside * (inside + 1) / 2) / (inside * outside))


def _mean_auc(scores: np.ndarray, true: np.ndarray, opposites: bool) -> float | None:
    columns = [1] if opposites else range(true.shape[1])
    areas = [roc_auc(scores[:, number], true[:, number]) for number in columns]
    known = [area for area in areas if area is not None]
    return round(float(np.mean(known)), 4) if known else None


def _confusions(
    predicted: np.ndarray, true: np.ndarray, label_names: Sequence[str], several: bool
) -> Any:
    if not several:
        return (true.T.astype(int) @ predicted.astype(int)).tolist()
    return {
        name: [
            [int((~said & ~there).sum()), int((said & ~there).sum())],
            [int((~said & there).sum()), int((said & there).sum())],
        ]
        for name, said, there in zip(label_names, predicted.T, true.T, strict=True)
    }


def evaluate_classifier(
    classifier: TextClassifier,
    examples: LabelledTexts | MultiLabelledTexts,
    batch_size: int = 32,
) -> dict[str, Any]:
    """Classify labelled texts and score the result (`classification_scores`).

    Args:
        classifier: the model.
        examples: texts with the classifier's label names, in any order.
        batch_size: texts at once. Default 32.

    Returns:
        See `classification_scores`.

    Raises:
        ValueError: when the examples have labels that the classifier does not know, or several
            for a text where the classifier gives one.

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
    places = [classifier.labels.index(name) for name in examples.label_names]
    if classifier.multi_label:
        labels = np.zeros((len(examples), len(classifier.labels)), int)
        labels[:, places] = MultiLabelledTexts.of(examples).matrix()
    elif isinstance(examples, LabelledTexts):
        labels = np.asarray(places)[examples.labels]
    else:
        raise ValueError(
            "examples expected one label a text, as the classifier gives. "
            f"Received: {type(examples).__name__}"
        )
    found = classifier.classify(examples.texts, batch_size=batch_size)
    scores = np.array([[result.scores[name] for name in classifier.labels] for result in found])
    return classification_scores(scores, labels, classifier.labels)
