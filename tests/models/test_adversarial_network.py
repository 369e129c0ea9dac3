"""Steps of adversarial training, against the same loss put together by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_tx.models import EncoderNetwork, RegionEncoder, classification_network
from keras_tx.models.adversarial_network import AdversarialNetwork
from keras_tx.models.embedding_split import EmbeddingSplit
from keras_tx.models.encoder_network import encoder_settings
from keras_tx.training import AdversarialTraining, TokenCrossentropy, answer_divergence

IDS = np.array([[5, 6, 7, 8, 9, 3], [8, 3, 0, 0, 0, 0]], "int32")
OTHERS = np.array([[4, 7, 6, 3, 0], [5, 7, 8, 9, 3]], "int32")
LABELS = np.array([0, 1])
TINY = {"embed_dim": 8, "dense_dim": 12, "num_heads": 2, "num_layers": 1}
NETWORKS = {
    "own encoders": lambda dropout: classification_network(
        vocabulary_size=20, num_classes=2, sequence_length=8, **TINY,
        dropout=dropout, token_dropout=dropout,
    ),
    "backbone in windows": lambda dropout: classification_network(
        vocabulary_size=20, num_classes=2, sequence_length=8, dropout=dropout,
        token_dropout=dropout, encoder=encoder_settings(EncoderNetwork(20, **TINY)),
        mask_id=19, window=4,
    ),
}  # fmt: skip


@pytest.fixture(params=NETWORKS)
def new_network(request):
    def new(dropout=0.0):
        keras.utils.set_random_seed(5)
        network = NETWORKS[request.param](dropout)
        generator = np.random.default_rng(0)
        for weight in network.weights:
            weight.assign(generator.normal(scale=0.4, size=weight.shape))
        network.get_layer("pooled_dropout").rate = dropout
        return network

    return new


def steps(network, options, inputs, rate=1.0, count=1):
    """The network's weights before and after steps of plain gradient descent."""
    model = AdversarialNetwork(network, options)
    # A single step is done before its graph would be traced.
    model.compile(keras.optimizers.SGD(rate), loss=TokenCrossentropy(), run_eagerly=count == 1)
    before = [np.array(weight) for weight in network.trainable_weights]
    losses = [model.train_on_batch(inputs, LABELS) for _ in range(count)]
    return before, [np.array(weight) for weight in network.trainable_weights], losses


def by_length(direction, ids, split, length):
    """A shift of that length for each text, in NumPy."""
    rows = np.repeat(np.arange(len(ids)), len(direction) // len(ids))
    real = np.asarray(split.windows(tf.constant(ids))) != 0
    direction = np.asarray(direction) * real[:, :, None]
    sums = np.zeros(len(ids))
    np.add.at(sums, rows, (direction**2).sum(axis=(1, 2)))
    return direction * (length / np.sqrt(sums))[rows][:, None, None]


def test_a_step_goes_down_the_loss_of_texts_and_shifted_texts(new_network):
    options = AdversarialTraining(shift=0.7, adversarial=0.6, virtual=0.0)
    network = new_network()
    split, error = EmbeddingSplit(network), TokenCrossentropy()

    def loss(shift):
        return error(LABELS, split.logits_in_training(split.embed(IDS)[0] + shift, IDS))

    with tf.GradientTape() as tape:
        start = tf.zeros(split.embed(IDS)[0].shape)
        tape.watch(start)
        value = loss(start)
    shift = by_length(tape.gradient(value, start), IDS, split, 0.7).astype("float32")
    with tf.GradientTape() as tape:
        value = loss(0.0) + 0.6 * loss(shift)
    gradients = tape.gradient(value, network.trainable_weights)
    before, after, losses = steps(network, options, IDS, rate=0.1)
    assert losses[0] == pytest.approx(float(value), rel=1e-4)
    for old, new, gradient in zip(before, after, gradients, strict=True):
        np.testing.assert_allclose(new, old - 0.1 * np.array(tf.convert_to_tensor(gradient)),
                                   atol=1e-5)  # fmt: skip


def test_texts_without_labels_count_by_their_entropy(new_network):
    options = AdversarialTraining(adversarial=0.0, virtual=0.0, entropy=0.5)
    network = new_network()
    logits = np.asarray(network(OTHERS), "float64")
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = float(TokenCrossentropy()(LABELS, network(IDS)))
    expected += 0.5 * -(chances * np.log(chances)).sum(axis=1).mean()
    _, _, losses = steps(network, options, (IDS, OTHERS))
    assert losses[0] == pytest.approx(expected, rel=1e-4)


def test_the_virtual_shift_changes_more_than_others_of_its_length(new_network):
    network = new_network()
    model = AdversarialNetwork(network, AdversarialTraining(shift=0.5, adversarial=0, entropy=0))
    model.compile(keras.optimizers.SGD(0.0), loss=TokenCrossentropy(), run_eagerly=True)
    plain = float(TokenCrossentropy()(LABELS, network(IDS)))
    found = model.train_on_batch(IDS, LABELS) - plain
    split = EmbeddingSplit(network)
    points, generator = split.embed(IDS)[0], np.random.default_rng(1)
    changes = [
        float(tf.reduce_mean(answer_divergence(network(IDS), split.logits(points + shift, IDS))))
        for shift in (
            by_length(generator.normal(size=points.shape), IDS, split, 0.5).astype("float32")
            for _ in range(50)
        )
    ]
    assert found > np.quantile(changes, 0.9) > 0


def test_the_divergence_is_that_of_all_texts_together(new_network):
    # The same texts with and without labels: as much as with labels alone.
    options = AdversarialTraining(shift=0.5, adversarial=0, entropy=0)
    alone = steps(new_network(), options, IDS, rate=0.0)[2][0]
    both = steps(new_network(), options, (IDS, IDS), rate=0.0)[2][0]
    # Their shifts begin at random.
    plain = steps(new_network(), AdversarialTraining(0.5, 0, 0, 0), IDS, rate=0.0)[2][0]
    assert both - plain == pytest.approx(alone - plain, rel=0.3) and alone > plain


def test_all_passes_of_a_step_drop_the_same(new_network):
    # Without a shift to speak of, nothing else makes answers differ.
    options = AdversarialTraining(shift=1e-6, adversarial=0.0, virtual=1e4, entropy=0.0)
    network = new_network(dropout=0.5)
    model = AdversarialNetwork(network, options)
    model.compile(keras.optimizers.SGD(0.0), loss=TokenCrossentropy())
    losses = [float(model.train_on_batch(IDS, LABELS)) for _ in range(3)]
    assert max(losses) < 20  # Cross-entropies; a divergence counts 10,000 times.
    assert len(set(losses)) == 3  # From step to step other values are dropped.


def test_training_goes_down(new_network):
    options = AdversarialTraining(shift=0.1)
    _, _, losses = steps(new_network(), options, (IDS, OTHERS), rate=0.05, count=20)
    assert losses[-1] < losses[0] / 2


def test_validation_is_the_networks(new_network):
    network = new_network(dropout=0.5)
    model = AdversarialNetwork(network, AdversarialTraining())
    model.compile("sgd", loss=TokenCrossentropy())
    expected = float(TokenCrossentropy()(LABELS, network(IDS)))
    assert model.evaluate(IDS, LABELS, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_regions_have_no_token_vectors():
    encoder = RegionEncoder(vocabulary_size=20, embed_dim=8, region_size=3)
    network = classification_network(
        vocabulary_size=20, num_classes=2, sequence_length=8, encoder=encoder_settings(encoder)
    )
    with pytest.raises(ValueError, match="adversarial expected an encoder of token vectors"):
        AdversarialNetwork(network, AdversarialTraining())
