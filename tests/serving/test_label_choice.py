"""Which labels count: by threshold, with one label a text and with several."""

import math

import pytest

from keras_tx.serving.label_choice import choose_labels

SCORES = {"a": 0.2, "b": 0.5, "c": 0.3}


def test_one_label():
    found = choose_labels(SCORES)
    assert (found.label, found.score, found.scores, found.labels) == ("b", 0.5, SCORES, ("b",))
    assert choose_labels(SCORES, threshold=0.5).label == "b"
    assert choose_labels({"x": 0.1, "y": 0.1}).label == "x"  # Whatever its probability.


def test_abstaining():
    found = choose_labels(SCORES, threshold=0.51)
    assert (found.label, found.score, found.scores, found.labels) == ("", 0.5, SCORES, ())


def test_several_labels_stand_in_the_order_of_their_scores():
    scores = {"a": 0.5, "b": 0.9, "c": 0.49, "d": 0.7}
    assert choose_labels(scores, multi_label=True).labels == ("b", "d", "a")
    assert choose_labels(scores, multi_label=True).label == "b"
    assert choose_labels(scores, 0.8, multi_label=True).labels == ("b",)
    none = choose_labels(scores, 0.95, multi_label=True)
    assert (none.label, none.score, none.labels) == ("", 0.9, ())
    assert choose_labels(scores, 0, multi_label=True).labels == ("b", "d", "a", "c")


@pytest.mark.parametrize("threshold", [-0.1, 1.5, math.nan])
def test_errors(threshold):
    with pytest.raises(ValueError, match="threshold expected a number from 0 to 1. Received"):
        choose_labels(SCORES, threshold)
