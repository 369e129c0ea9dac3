"""The figures of a classifier against sums done by hand."""

import itertools

import numpy as np
import pytest

from keras_tx.data import LabelledTexts, MultiLabelledTexts
from keras_tx.evaluation import evaluate_classifier
from keras_tx.evaluation.classification import classification_scores, roc_auc
from keras_tx.models import TextClassifier
from keras_tx.text import WordTokenizer


def sure(predicted, classes=3):
    """Scores of 0.8 for the predicted classes, the rest shared by the others."""
    scores = np.full((len(predicted), classes), 0.2 / (classes - 1))
    scores[np.arange(len(predicted)), predicted] = 0.8
    return scores


def test_hand_worked():
    # a: 2 of 3 predictions hit, 2 of 2 found; b: 1 of 1, 1 of 3; c: 0 of 1, none there.
    scores = classification_scores(sure([0, 0, 0, 1, 2]), [0, 0, 1, 1, 1], ["a", "b", "c"])
    by_label = {"a": 0.8, "b": 0.5, "c": 0.0}
    # a: both members above two strangers, equal to the third: (4 + 2 / 2) / 6 = 5/6.
    # b: one of three members above both strangers, the others equal: (2 + 4 / 2) / 6 = 2/3.
    assert scores == {
        "accuracy": 0.6, "f1": 0.4333, "f1_by_label": by_label, "roc_auc": 0.75,
        "calibration_error": 0.2, "confusion_matrix": [[2, 0, 0], [1, 1, 1], [0, 0, 0]],
        "count": 5,
    }  # fmt: skip


def test_classes_that_do_not_occur():
    scores = classification_scores(sure([1, 1], 2), [1, 1], ["a", "b"])
    assert scores["f1_by_label"] == {"a": 0.0, "b": 1.0} and scores["accuracy"] == 1.0
    assert scores["roc_auc"] is None


def test_several_labels_by_hand():
    scores = np.array([[0.9, 0.5], [0.6, 0.1], [0.2, 0.3], [0.8, 0.7]])
    labels = np.array([[1, 1], [0, 0], [0, 1], [1, 0]])
    found = classification_scores(scores, labels, ["x", "y"])
    assert found["accuracy"] == 0.25  # The first text alone has all labels right.
    assert found["f1_by_label"] == {"x": 0.8, "y": 0.5} and found["f1"] == 0.65
    assert found["confusion_matrix"] == {"x": [[1, 1], [0, 2]], "y": [[1, 1], [1, 1]]}
    # x: both members above both strangers; y: 0.5 above 0.1 alone, 0.3 above 0.1 alone.
    assert found["roc_auc"] == 0.75
    # Said are 0.9, 0.6, 0.8, 0.8 and 0.5, 0.9, 0.7, 0.7; wrong are the 0.6 and both 0.7.
    # In bins of 1/15: 0.5 (right), 0.6 (wrong), 0.7 twice (wrong), 0.8 twice and 0.9 twice.
    expected = (0.5 + 0.6 + 2 * 0.7 + 2 * 0.2 + 2 * 0.1) / 8
    assert found["calibration_error"] == pytest.approx(expected, abs=1e-4)


def test_roc_auc_counts_pairs():
    generator = np.random.default_rng(0)
    scores = generator.integers(0, 8, 60) / 8  # Many are equal.
    belongs = generator.random(60) < 0.4
    pairs = list(itertools.product(scores[belongs], scores[~belongs]))
    wins = sum((inside > outside) + 0.5 * (inside == outside) for inside, outside in pairs)
    assert roc_auc(scores, belongs) == pytest.approx(wins / len(pairs))
    assert roc_auc([1, 2, 3], [False, False, True]) == 1.0
    assert roc_auc([1, 2], [True, True]) is None


def test_errors():
    with pytest.raises(ValueError, match="Received: 0 labels, 0 predictions"):
        classification_scores(np.zeros((0, 2)), [], ["a", "b"])
    with pytest.raises(ValueError, match="Received: 2 labels, 1 predictions"):
        classification_scores(sure([1], 2), [1, 0], ["a", "b"])


@pytest.fixture(scope="module")
def classifier():
    tokenizer = WordTokenizer().fit(["calm pond", "loud drum"])
    return TextClassifier.from_preset("tiny", tokenizer, labels=["calm", "loud"])


def test_labels_go_by_their_names(classifier):
    texts = ["calm pond", "loud drum", "drum drum pond", "loud", "pond"]
    found = [result.label for result in classifier.classify(texts)]
    names = ("loud", "calm")  # The other way round than in the model.
    examples = LabelledTexts(texts, [names.index(label) for label in found], names)
    scores = evaluate_classifier(classifier, examples, batch_size=2)
    assert scores["accuracy"] == 1.0 and scores["count"] == 5
    wrong = LabelledTexts(texts, [1 - label for label in examples.labels], names)
    assert evaluate_classifier(classifier, wrong)["accuracy"] == 0.0


def test_several_labels_go_by_their_names():
    tokenizer = WordTokenizer().fit(["calm pond", "loud drum"])
    model = TextClassifier.from_preset(
        "tiny", tokenizer, labels=["calm", "loud", "sour"], multi_label=True
    )
    texts = ["calm pond", "loud drum", "drum drum pond", "loud", "pond"]
    # Biases with which each label counts for three of the five texts.
    chances = np.array([list(result.scores.values()) for result in model.classify(texts)])
    logits = np.sort(np.log(chances / (1 - chances)), axis=0)
    layer = model.network.get_layer("logits")
    layer.set_weights([layer.get_weights()[0], -(logits[1] + logits[2]) / 2])
    found = [result.labels for result in model.classify(texts)]
    assert sum(len(labels) for labels in found) == 9
    names = ("sour", "loud", "calm")
    labels = [[names.index(label) for label in one] for one in found]
    assert evaluate_classifier(model, MultiLabelledTexts(texts, labels, names))["accuracy"] == 1.0
    # Without one of the labels each text that has it is wrong, and only those.
    labels = [[number for number in one if number != 1] for one in labels]
    scores = evaluate_classifier(model, MultiLabelledTexts(texts, labels, names))
    assert scores["accuracy"] == 1 - sum("loud" in one for one in found) / 5


def test_unknown_labels(classifier):
    examples = LabelledTexts(["a"], [0], ("calm", "sour"))
    with pytest.raises(ValueError, match=r"among \['calm', 'loud'\]. Received: \['sour'\]"):
        evaluate_classifier(classifier, examples)
    several = MultiLabelledTexts(["a"], [()], ("calm", "loud"))
    with pytest.raises(ValueError, match="one label a text.*Received: MultiLabelledTexts"):
        evaluate_classifier(classifier, several)


def test_chances_that_exceed_one_by_a_hair():
    scores = np.array([[np.nextafter(np.float32(1), np.float32(2)), 0], [0, 1]], "float32")
    found = classification_scores(scores, np.array([0, 1]), ("a", "b"))
    assert found["calibration_error"] == 0 and found["accuracy"] == 1
