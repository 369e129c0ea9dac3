"""R-Drop: a NumPy twin, and nothing to pay for two passes that agree."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_tx.training import RDropCrossentropy, TokenCrossentropy, inputs_twice
from keras_tx.training.r_drop import symmetric_divergence


def log_softmax(logits):
    return logits - np.log(np.sum(np.exp(logits), axis=-1, keepdims=True))


def twin(labels, first, second, weights, alpha, smoothing):
    """One token at a time, term by term as the paper has them."""
    total = 0.0
    for place in np.ndindex(labels.shape):
        log_p, log_q = log_softmax(first[place]), log_softmax(second[place])
        wanted = np.full(len(log_p), smoothing / len(log_p))
        wanted[labels[place]] += 1 - smoothing
        entropies = -wanted @ log_p - wanted @ log_q
        divergences = np.exp(log_p) @ (log_p - log_q) + np.exp(log_q) @ (log_q - log_p)
        total += weights[place] * (entropies / 2 + alpha * divergences / 2)
    return total / weights.sum()


@pytest.fixture
def batch():
    generator = np.random.default_rng(0)
    labels = generator.integers(1, 6, (3, 4))
    labels[1, 2:] = labels[2, 1:] = 0
    first, second = generator.normal(size=(2, 3, 4, 6)).astype("float32") * 2
    return labels, first, second


@pytest.mark.parametrize("alpha, smoothing", [(0.0, 0.1), (1.0, 0.0), (2.5, 0.1)])
def test_it_is_the_slow_twin(batch, alpha, smoothing):
    labels, first, second = batch
    loss = RDropCrossentropy(alpha, smoothing, padding_id=0)
    logits = np.concatenate([first, second])
    real = (labels != 0).astype(float)
    expected = twin(labels, first, second, real, alpha, smoothing)
    np.testing.assert_allclose(float(loss(labels, logits)), expected, rtol=1e-5)
    weights = np.random.default_rng(1).uniform(size=(3, 4)).astype("float32")
    expected = twin(labels, first, second, real * weights, alpha, smoothing)
    np.testing.assert_allclose(float(loss(labels, logits, weights)), expected, rtol=1e-5)
    expected = twin(labels, first, second, real * weights[:, :1], alpha, smoothing)
    np.testing.assert_allclose(float(loss(labels, logits, weights[:, 0])), expected, rtol=1e-5)


def test_passes_that_agree_and_single_ones_cost_their_crossentropy(batch):
    labels, first, _ = batch
    loss, plain = RDropCrossentropy(3.0, 0.1, 0), TokenCrossentropy(0.1, 0)
    expected = float(plain(labels, first))
    np.testing.assert_allclose(
        float(loss(labels, np.concatenate([first, first]))), expected, rtol=1e-6
    )
    np.testing.assert_allclose(float(loss(labels, first)), expected, rtol=1e-6)


def test_the_divergence_of_far_apart_logits_is_a_number():
    logits = np.array([[0.0, 3000.0]], "float32")
    found = keras.ops.convert_to_numpy(symmetric_divergence(logits, logits[:, ::-1]))
    np.testing.assert_allclose(found, [3000.0])
    shifted = keras.ops.convert_to_numpy(symmetric_divergence(logits, logits + 7))
    np.testing.assert_allclose(shifted, [0.0], atol=1e-5)  # The same distribution.


def test_ids_that_are_forbidden_in_both_passes():
    logits = tf.constant([[0.0, 1.0, -np.inf], [1.0, 0.0, -np.inf]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = RDropCrossentropy(alpha=1.0)(np.array([0]), logits)
    gradient = tape.gradient(loss, logits).numpy()
    whole = RDropCrossentropy(alpha=1.0)(np.array([0]), logits[:, :2])
    np.testing.assert_allclose(loss, whole, rtol=1e-6)
    assert np.isfinite(gradient).all() and (gradient[:, 2] == 0).all()


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_in_training_only_dropout_costs(batch, dropout):
    """Also with the mask of a network, on all rows of which it must count."""
    ids = batch[0]
    labels = np.where(ids == 0, 3, ids)  # Wrong labels where the mask must rule.
    inputs = keras.Input((4,), dtype="int32")
    x = keras.layers.Embedding(6, 8, mask_zero=True)(inputs)
    x = keras.layers.Dropout(dropout, seed=1)(x)
    network = keras.Model(inputs, keras.layers.Dense(6)(x))
    data = tf.data.Dataset.from_tensors((ids, labels))
    network.compile(keras.optimizers.SGD(0.0), TokenCrossentropy(0.1), jit_compile=False)
    plain = network.evaluate(data, verbose=0)
    network.compile(keras.optimizers.SGD(0.0), RDropCrossentropy(100.0, 0.1), jit_compile=False)
    np.testing.assert_allclose(network.evaluate(data, verbose=0), plain, rtol=1e-5)
    trained = network.fit(inputs_twice(data), verbose=0).history["loss"][0]
    if dropout:
        assert trained > plain + 0.01
    else:
        np.testing.assert_allclose(trained, plain, rtol=1e-5)


def test_inputs_twice_labels_once():
    source, target, labels = np.array([[1, 2], [3, 0]]), np.array([[4], [5]]), np.array([[6], [7]])
    data = tf.data.Dataset.from_tensors(((source, target), labels))
    (((sources, targets), found),) = inputs_twice(data).as_numpy_iterator()
    assert sources.tolist() == [[1, 2], [3, 0], [1, 2], [3, 0]]
    assert targets.tolist() == [[4], [5], [4], [5]]
    assert found.tolist() == labels.tolist()


def test_whole_texts_with_weights():
    logits = np.random.default_rng(5).normal(size=(4, 3)).astype("float32")
    labels, weights = np.array([2, 0]), np.array([1.0, 3.0], "float32")
    data = tf.data.Dataset.from_tensors((logits[:2], labels, weights))
    (batch,) = inputs_twice(data).as_numpy_iterator()
    assert [len(part) for part in batch] == [4, 2, 2]
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    entropies = -np.log(chances[range(4), [2, 0, 2, 0]])
    ratios = np.log(chances[:2] / chances[2:])
    divergences = 0.5 * ((chances[:2] - chances[2:]) * ratios).sum(axis=1)
    expected = 0.5 * (entropies[:2] + entropies[2:]) + 2.0 * divergences
    found = float(RDropCrossentropy(2.0)(labels, logits, weights))
    np.testing.assert_allclose(found, (expected * weights).sum() / 4, rtol=1e-5)


def test_serialization_and_errors():
    loss = RDropCrossentropy(2.0, 0.2, padding_id=7)
    same = keras.losses.deserialize(keras.losses.serialize(loss))
    assert isinstance(same, RDropCrossentropy) and same.get_config() == loss.get_config()
    assert (same.alpha, same.label_smoothing, same.padding_id) == (2.0, 0.2, 7)
    with pytest.raises(ValueError, match="from 0 on. Received: alpha=-1"):
        RDropCrossentropy(-1)
