"""The share of right predictions, counted by hand."""

import keras
import numpy as np
import pytest

from keras_tx.training import TokenAccuracy

SCORES = np.eye(4, dtype="float32")[[[1, 2, 3], [1, 1, 1]]]  # The likeliest: 1 2 3, 1 1 1.


def test_padding_does_not_count():
    labels = np.array([[1, 3, 0], [1, 0, 0]])
    assert float(TokenAccuracy(padding_id=0)(labels, SCORES)) == pytest.approx(2 / 3)
    assert float(TokenAccuracy()(labels, SCORES)) == pytest.approx(2 / 6)


def test_batches_add_up_by_their_labels():
    accuracy = TokenAccuracy(padding_id=0)
    accuracy.update_state(np.array([[1, 2, 3], [1, 1, 1]]), SCORES)  # 6 of 6
    accuracy.update_state(np.array([[2, 0, 0], [2, 0, 0]]), SCORES)  # 0 of 2
    assert float(accuracy.result()) == pytest.approx(6 / 8)
    accuracy.reset_state()
    assert float(accuracy.result()) == 0


def test_whole_texts_and_weights():
    labels, scores = np.array([1, 2, 3]), SCORES[0][[0, 0, 2]]
    assert float(TokenAccuracy()(labels, scores)) == pytest.approx(2 / 3)
    assert float(TokenAccuracy()(labels, scores, [1.0, 3.0, 0.0])) == pytest.approx(1 / 4)
    assert float(TokenAccuracy()(np.array([[1, 2, 2], [2, 2, 2]]), SCORES, [1.0, 0.0])) == (
        pytest.approx(2 / 3)
    )


def test_of_two_passes_the_first_is_measured():
    twice = np.concatenate([SCORES, SCORES[:, ::-1][:, :, ::-1]])
    assert float(TokenAccuracy()(np.array([[1, 2, 3], [1, 1, 1]]), twice)) == 1


def test_it_agrees_with_keras():
    generator = np.random.default_rng(0)
    labels, scores = generator.integers(5, size=(6, 7)), generator.normal(size=(6, 7, 5))
    expected = float(keras.metrics.SparseCategoricalAccuracy()(labels, scores))
    assert float(TokenAccuracy()(labels, scores)) == pytest.approx(expected)


def test_what_a_mask_leaves_out_does_not_count():
    """As in the loss, and in Keras' own accuracy."""
    ids = keras.Input((None,), dtype="int32")
    embedding = keras.layers.Embedding(8, 8, mask_zero=True)
    network = keras.Model(ids, embedding(ids))
    embedding.set_weights([np.eye(8)])  # The likeliest id is the input's.
    both = {"metrics": [TokenAccuracy(name="ours"), keras.metrics.SparseCategoricalAccuracy("own")]}
    network.compile(loss="sparse_categorical_crossentropy", **both)
    labels = np.array([[1, 2, 7, 7]])
    found = network.evaluate(np.array([[1, 2, 3, 0]]), labels, verbose=0, return_dict=True)
    assert found["ours"] == pytest.approx(2 / 3) and found["own"] == pytest.approx(2 / 3)
    scores = embedding(np.array([[1, 2, 3, 0]] * 2))  # Of two passes, each with its mask.
    assert float(TokenAccuracy()(labels, scores)) == pytest.approx(2 / 3)


def test_config_round_trip():
    accuracy = TokenAccuracy(padding_id=3, name="mine")
    assert TokenAccuracy.from_config(accuracy.get_config()).get_config() == accuracy.get_config()
