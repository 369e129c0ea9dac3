"""Two parts that make the whole: token ids to vectors, vectors to logits."""

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf

from keras_tx.layers import MeanMaxPooling1D
from keras_tx.models import EncoderNetwork, classification_network
from keras_tx.models.embedding_split import EmbeddingSplit, mean_and_steady_max
from keras_tx.models.encoder_network import encoder_settings

IDS = np.array([[5, 6, 7, 8, 9, 3], [8, 3, 0, 0, 0, 0]], "int32")
SHAPE = {"vocabulary_size": 20, "num_classes": 3, "sequence_length": 8}
TINY = {"embed_dim": 8, "dense_dim": 12, "num_heads": 2, "num_layers": 1}


def from_encoder(encoder, **changes):
    return classification_network(**SHAPE, encoder=encoder_settings(encoder), mask_id=19, **changes)


NETWORKS = {
    "own encoders": lambda: classification_network(**SHAPE, **TINY),
    "post-norm beside n-grams": lambda: classification_network(
        **SHAPE, **TINY, norm_first=False, ngram_buckets=50
    ),
    "backbone": lambda: from_encoder(EncoderNetwork(20, **TINY)),
    "backbone in windows": lambda: from_encoder(EncoderNetwork(20, **TINY), window=4),
    "BERT in windows": lambda: from_encoder(
        keras_hub.models.BertBackbone(20, 1, 2, 8, 12), window=4
    ),
    "RoBERTa": lambda: from_encoder(
        keras_hub.models.RobertaBackbone(20, 1, 2, 8, 12, max_sequence_length=8)
    ),
}


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    network = NETWORKS[request.param]()
    generator = np.random.default_rng(0)
    for weight in network.weights:
        if "float" in str(weight.dtype):
            weight.assign(generator.normal(scale=0.4, size=weight.shape))
    return network


def test_the_parts_make_the_whole(network):
    split = EmbeddingSplit(network)
    points, _ = split.embed(IDS)
    deep = keras.Model(network.input, network.get_layer("logits").output)
    expected = deep(IDS)
    np.testing.assert_allclose(split.logits(points, IDS), expected, atol=1e-4)
    others = split.logits(points[..., ::-1], IDS)
    assert abs(np.asarray(others) - np.asarray(expected)).max() > 1e-3


def test_without_the_tokens_only_positions_are_left(network):
    split = EmbeddingSplit(network)
    points, vectors = split.embed(IDS)
    others, other_vectors = split.embed(np.where(IDS == 5, 11, IDS).astype("int32"))
    assert (np.asarray(vectors) != np.asarray(other_vectors)).any()
    left = np.asarray(points) - np.asarray(vectors)
    np.testing.assert_allclose(left, np.asarray(others) - np.asarray(other_vectors), atol=1e-5)


def test_values_take_the_form_of_the_vectors_and_come_back(network):
    split = EmbeddingSplit(network)
    values = np.arange(12, dtype="float32").reshape(2, 6)
    points, _ = split.embed(IDS)
    windows = np.asarray(split.windows(keras.ops.convert_to_tensor(values)))
    assert windows.shape == tuple(points.shape[:2])
    back = split.join(keras.ops.convert_to_tensor(windows), IDS)
    np.testing.assert_array_equal(np.asarray(back), values)


def test_the_steady_maximum_is_the_maximum():
    generator = np.random.default_rng(2)
    vectors, mask = generator.normal(size=(3, 6, 4)).astype("float32"), np.ones((3, 6), bool)
    mask[1, 2:] = False
    expected = MeanMaxPooling1D()(vectors, mask=mask)
    np.testing.assert_allclose(mean_and_steady_max(vectors, mask), expected, atol=1e-5)


def test_of_all_but_equal_numbers_both_have_a_slope():
    def slopes(gap):
        vectors = tf.constant([[[1.0], [1.0 + gap], [0.0]]])
        with tf.GradientTape() as tape:
            tape.watch(vectors)
            highest = mean_and_steady_max(vectors, np.ones((1, 3), bool))[:, 1]
        return np.asarray(tape.gradient(highest, vectors))[0, :, 0]

    for gap in (-1e-6, 0.0, 1e-6):
        np.testing.assert_allclose(slopes(gap), [0.5, 0.5, 0.0], atol=1e-3)
    np.testing.assert_allclose(slopes(0.1), [0.0, 1.0, 0.0], atol=1e-3)
