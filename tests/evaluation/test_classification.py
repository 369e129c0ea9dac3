"""Accuracy and F1 against sums done by hand."""

import pytest

from keras_tx.data import LabelledTexts
from keras_tx.evaluation import evaluate_classifier
from keras_tx.evaluation.classification import classification_scores
from keras_tx.models import TextClassifier
from keras_tx.text import WordTokenizer


def test_hand_worked():
    # a: 2 of 3 predictions hit, 2 of 2 found; b: 1 of 1, 1 of 3; c: 0 of 1, none there.
    scores = classification_scores([0, 0, 0, 1, 2], [0, 0, 1, 1, 1], ["a", "b", "c"])
    by_label = {"a": 0.8, "b": 0.5, "c": 0.0}
    assert scores == {"accuracy": 0.6, "f1": 0.4333, "f1_by_label": by_label, "count": 5}


def test_classes_that_do_not_occur():
    scores = classification_scores([1, 1], [1, 1], ["a", "b"])
    assert scores["f1_by_label"] == {"a": 0.0, "b": 1.0} and scores["accuracy"] == 1.0


def test_errors():
    with pytest.raises(ValueError, match="Received: 0 labels, 0 predictions"):
        classification_scores([], [], ["a", "b"])
    with pytest.raises(ValueError, match="Received: 2 labels, 1 predictions"):
        classification_scores([1], [1, 0], ["a", "b"])


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


def test_unknown_labels(classifier):
    examples = LabelledTexts(["a"], [0], ("calm", "sour"))
    with pytest.raises(ValueError, match=r"among \['calm', 'loud'\]. Received: \['sour'\]"):
        evaluate_classifier(classifier, examples)
