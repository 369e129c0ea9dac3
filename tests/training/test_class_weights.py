"""Weights of examples by their labels, by hand."""

import numpy as np
import pytest

from keras_tx.training import example_weights

NAMES = ("art", "law", "war")


def test_balanced_classes_weigh_alike():
    labels = np.array([0, 0, 0, 0, 1, 2, 2, 2])
    weights = example_weights(labels, NAMES, "balanced")
    # 8 examples, 3 classes: 8 / (3 * 4), 8 / (3 * 1), 8 / (3 * 3).
    np.testing.assert_allclose(weights[[0, 4, 5]], [2 / 3, 8 / 3, 8 / 9], rtol=1e-6)
    np.testing.assert_allclose(np.bincount(labels, weights), 8 / 3, rtol=1e-6)


def test_balanced_labels_weigh_as_much_as_their_absence():
    labels = np.array([[1, 0, 1], [0, 0, 1], [0, 0, 1], [0, 0, 1]])
    weights = example_weights(labels, NAMES, "balanced")
    assert weights[:, 0].tolist() == [3, 1, 1, 1]
    # What all have, or none, has nothing to be balanced against.
    assert (weights[:, 1:] == 1).all()


def test_named_weights():
    weights = example_weights(np.array([2, 0, 1, 2]), NAMES, {"war": 3, "art": 0.5})
    assert weights.tolist() == [3, 0.5, 1, 3] and weights.dtype == "float32"
    weights = example_weights(np.array([[1, 1, 0], [0, 0, 1]]), NAMES, {"art": 2})
    assert weights.tolist() == [[2, 1, 1], [1, 1, 1]] and weights.dtype == "float32"
    assert example_weights(np.array([0]), NAMES, None) is None


@pytest.mark.parametrize(
    ("class_weights", "message"),
    [
        ("even", "Received: class_weights='even'"),
        ({"sea": 1}, r"among \['art', 'law', 'war'\]. Received: \['sea'\]"),
        ({"art": 0}, "positive numbers. Received: 0.0 for 'art'"),
        ({"war": float("nan")}, "positive numbers. Received: nan for 'war'"),
    ],
)
def test_errors(class_weights, message):
    with pytest.raises(ValueError, match=message):
        example_weights(np.array([0]), NAMES, class_weights)
