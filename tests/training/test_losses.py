"""The token loss: a NumPy twin, what does not count, real training, several replicas."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_tx.training import TokenCrossentropy
from keras_tx.training.losses import smoothed_crossentropy

ROOT = Path(__file__).resolve().parents[2]


def twin(labels, logits, weights, smoothing=0.0):
    """One position at a time."""
    total = count = 0.0
    for place in np.ndindex(labels.shape):
        log_probabilities = logits[place] - np.log(np.sum(np.exp(logits[place])))
        one_hot = np.eye(logits.shape[-1])[labels[place]]
        wanted = (1 - smoothing) * one_hot + smoothing / logits.shape[-1]
        total -= weights[place] * float(wanted @ log_probabilities)
        count += weights[place]
    return total / count


@pytest.fixture
def batch():
    generator = np.random.default_rng(0)
    labels = generator.integers(1, 6, (4, 5))
    for row, length in enumerate([5, 1, 3, 2]):
        labels[row, length:] = 0
    return labels, generator.normal(size=(4, 5, 6)).astype("float32") * 3


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("padding_id", [None, 0])
def test_it_is_the_slow_twin(batch, smoothing, padding_id):
    labels, logits = batch
    counts = np.ones(labels.shape) if padding_id is None else (labels != 0).astype(float)
    loss = TokenCrossentropy(smoothing, padding_id)
    expected = twin(labels, logits, counts, smoothing)
    np.testing.assert_allclose(float(loss(labels, logits)), expected, rtol=1e-5)
    weights = np.random.default_rng(1).uniform(size=labels.shape).astype("float32")
    expected = twin(labels, logits, counts * weights, smoothing)
    np.testing.assert_allclose(float(loss(labels, logits, weights)), expected, rtol=1e-5)


def formula(labels, logits, smoothing):
    """As the definition has it, for the backend to differentiate."""
    size = logits.shape[-1]
    targets = keras.ops.one_hot(labels, size, dtype="float32")
    targets = targets * (1 - smoothing) + smoothing / size
    return -keras.ops.sum(targets * keras.ops.log_softmax(logits, axis=-1), axis=-1)


def gradient(function, logits):
    """Of a function of logits, compiled."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(jax.grad(function))(logits)
    import tensorflow as tf

    @tf.function
    def compiled(logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = function(logits)
        return tape.gradient(value, logits)

    return compiled(tf.constant(logits)).numpy()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_its_own_gradient_is_that_of_the_formula(smoothing, scale):
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 7, 5).astype("int32")
    logits = (generator.normal(size=(5, 7)) * scale).astype("float32")
    slopes = generator.normal(size=5).astype("float32")  # of what comes after the loss

    def total(function):
        return lambda logits: keras.ops.sum(function(labels, logits, smoothing) * slopes)

    # A label with a probability of e^-600: no logarithm of 0.
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(smoothed_crossentropy(labels, logits, smoothing)),
        keras.ops.convert_to_numpy(formula(labels, logits, smoothing)),
        rtol=1e-5,
        atol=1e-6,
    )
    found = gradient(total(smoothed_crossentropy), logits)
    expected = gradient(total(formula), logits)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_one_weight_a_row_also_where_the_batch_is_as_large_as_the_length(batch):
    labels, logits = batch[0][:, :4], batch[1][:, :4]
    weights = np.array([1, 0, 2, 0.5], "float32")
    expected = twin(labels, logits, np.repeat(weights[:, None], 4, axis=1))
    loss = float(TokenCrossentropy()(labels, logits, weights))
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_labels_of_rank_one(batch):
    labels, logits = batch[0][:, 0], batch[1][:, 0]
    expected = twin(labels, logits, np.ones(4), 0.2)
    np.testing.assert_allclose(float(TokenCrossentropy(0.2)(labels, logits)), expected, rtol=1e-5)


@pytest.mark.parametrize("padding_id", [-1, -100, 255])
def test_padding_need_not_be_an_id(batch, padding_id):
    labels, logits = batch
    logits = keras.Variable(logits)
    gradients = []
    for padding in (0, padding_id):
        loss = TokenCrossentropy(0.1, padding)
        with tf.GradientTape() as tape:
            value = loss(np.where(labels == 0, padding, labels), logits)
        gradients.append(tape.gradient(value, logits.value))
    np.testing.assert_array_equal(gradients[0], gradients[1])
    assert np.abs(gradients[0]).max() > 0


def test_weights_in_a_column(batch):
    labels, logits = batch[0][:, 0], batch[1][:, 0]
    weights = np.array([0.5, 1, 2, 0], "float32")
    expected = twin(labels, logits, weights)
    for given in (weights, weights[:, None]):
        np.testing.assert_allclose(
            float(TokenCrossentropy()(labels, logits, given)), expected, rtol=1e-5
        )


def test_all_padding_is_zero(batch):
    loss = TokenCrossentropy(0.1, padding_id=0)
    assert float(loss(np.zeros((4, 5), int), batch[1])) == 0.0


def test_half_precision_logits_are_summed_in_float32(batch):
    labels, logits = batch
    half = keras.ops.cast(logits, "bfloat16")
    rounded = keras.ops.convert_to_numpy(keras.ops.cast(half, "float32"))
    loss = TokenCrossentropy(0.1, padding_id=0)(labels, half)
    assert loss.dtype == "float32"
    expected = twin(labels, rounded, (labels != 0).astype(float), 0.1)
    np.testing.assert_allclose(float(loss), expected, rtol=1e-5)


def test_masks_of_a_network_reach_it_in_evaluate_and_fit(batch):
    labels = np.where(batch[0] == 0, 3, batch[0])  # Wrong labels where the mask must rule.
    ids = batch[0]
    inputs = keras.Input((5,), dtype="int32")
    x = keras.layers.Embedding(6, 8, mask_zero=True, embeddings_initializer="normal")(inputs)
    network = keras.Model(inputs, keras.layers.Dense(6)(x))
    network.compile(keras.optimizers.SGD(0.0), loss=TokenCrossentropy(0.1))
    logits = network.predict(ids, verbose=0)
    expected = twin(labels, logits, (ids != 0).astype(float), 0.1)
    without_mask = twin(labels, logits, np.ones(ids.shape), 0.1)
    assert abs(expected - without_mask) > 1e-4
    evaluated = network.evaluate(ids, labels, batch_size=4, verbose=0)
    np.testing.assert_allclose(evaluated, expected, rtol=1e-5)
    fitted = network.fit(ids, labels, batch_size=4, verbose=0).history["loss"][0]
    np.testing.assert_allclose(fitted, expected, rtol=1e-5)


# Logical devices must be there before TensorFlow starts: hence a process of its own.
REPLICAS = """
import json
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
import keras_tx

def build():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,), dtype="int32")
    x = keras.layers.Embedding(9, 8, mask_zero=True)(inputs)
    network = keras.Model(inputs, keras.layers.Dense(9)(x))
    loss = keras_tx.training.TokenCrossentropy(0.1, padding_id=0)
    network.compile(keras.optimizers.SGD(1.0), loss=loss, jit_compile=False)
    return network

ids = np.random.default_rng(0).integers(1, 9, (4, 6))
for row, length in enumerate([6, 5, 1, 0]):  # 11 tokens for one replica, 1 for the other
    ids[row, length:] = 0
data = tf.data.Dataset.from_tensor_slices((ids, ids)).batch(4)

def figures(network):
    before = network.evaluate(data, verbose=0)
    fitted = network.fit(data, verbose=0).history["loss"][0]
    weights = [np.asarray(weight).tolist() for weight in network.get_weights()]
    return {"evaluated": before, "fitted": fitted, "weights": weights}

one = figures(build())
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert strategy.num_replicas_in_sync == 2
with strategy.scope():
    network = build()
print("\\n" + json.dumps([one, figures(network)]))
"""


def test_two_replicas_are_one():
    process = subprocess.run(
        [sys.executable, "-c", REPLICAS],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    one, two = json.loads(process.stdout.splitlines()[-1])
    np.testing.assert_allclose(two["evaluated"], one["evaluated"], rtol=1e-5)
    np.testing.assert_allclose(two["fitted"], one["fitted"], rtol=1e-5)
    for expected, weights in zip(one["weights"], two["weights"], strict=True):
        np.testing.assert_allclose(weights, expected, atol=1e-5)


def test_serialization():
    loss = TokenCrossentropy(0.2, padding_id=7, name="tokens")
    twin = keras.losses.deserialize(keras.losses.serialize(loss))
    assert isinstance(twin, TokenCrossentropy)
    assert twin.get_config() == loss.get_config()
    assert (twin.label_smoothing, twin.padding_id, twin.name) == (0.2, 7, "tokens")


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_errors(smoothing):
    with pytest.raises(ValueError, match=rf"in \[0, 1\). Received: label_smoothing={smoothing}"):
        TokenCrossentropy(smoothing)


def test_there_is_one_reduction():
    TokenCrossentropy(reduction="mean_with_sample_weight")
    with pytest.raises(ValueError, match="the mean of what counts. Received: reduction='sum'"):
        TokenCrossentropy(reduction="sum")


def test_weights_below_one_do_not_make_the_loss_smaller():
    labels, logits = np.array([[1]]), np.array([[[1.0, 2.0]]], "float32")
    whole = float(TokenCrossentropy()(labels, logits))
    assert float(TokenCrossentropy()(labels, logits, np.array([[0.25]]))) == pytest.approx(whole)
