"""The classification network: weights counted by hand, its branches, and what they read."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_tx.models import classification_network
from keras_tx.models.classification_network import head_and_tail
from keras_tx.text import pack

D, F = 8, 12


def classification(**changes):
    arguments = {"vocabulary_size": 20, "num_classes": 3, "sequence_length": 16, "embed_dim": D}
    arguments |= {"dense_dim": F, "num_heads": 2, "num_layers": 2}
    return classification_network(**{**arguments, **changes})


def ids(rows, length, seed=0):
    return np.random.default_rng(seed).integers(1, 20, (rows, length))


def outputs(network, inputs):
    return keras.ops.convert_to_numpy(network(inputs))


def fill(network, seed=0):
    """Random weights for the n-grams, which begin with none."""
    layer = network.get_layer("ngrams")
    values = np.random.default_rng(seed).normal(size=layer.embeddings.shape)
    layer.set_weights([values, np.full(layer.bias.shape, 0.5)])
    return network


@pytest.mark.parametrize("ngram_buckets", [0, 50])
@pytest.mark.parametrize("norm_first", [True, False])
def test_padding_changes_nothing(norm_first, ngram_buckets):
    network = classification(norm_first=norm_first, ngram_buckets=ngram_buckets)
    if ngram_buckets:
        fill(network)
    for length in (6, 16, 19):
        texts = ids(3, length if ngram_buckets else min(length, 12))
        expected = outputs(network, texts)
        assert expected.shape == (3, 3)
        padded = np.pad(texts, [(0, 0), (0, 4)])
        np.testing.assert_allclose(outputs(network, padded), expected, atol=1e-5)


def test_weights_by_hand_with_and_without_ngrams():
    attention = 4 * D * D + 4 * D  # query, key, value, output with biases
    block = attention + 2 * D * F + F + D + 2 * 2 * D
    deep = (20 + 16) * D + 2 * block + 2 * D + 2 * D * 3 + 3
    assert classification().count_params() == deep
    assert classification(ngram_buckets=50).count_params() == deep + 50 * 3 + 3
    # One score is enough for two classes.
    two = classification(num_classes=2, ngram_buckets=50).count_params()
    assert two - classification(num_classes=2).count_params() == 50 + 1
    arguments = {"num_classes": 2, "ngram_buckets": 50, "multi_label": True}
    assert classification(**arguments).count_params() - two == 50 + 1
    trained = classification(ngram_buckets=50).trainable_weights
    assert sum(int(np.prod(weight.shape)) for weight in trained) == deep


@pytest.mark.parametrize("classes", [2, 3])
def test_logits_are_the_sum_of_both_branches(classes):
    wide = classification(num_classes=classes, ngram_buckets=1000, ngram_dtype="float16")
    deep = classification(num_classes=classes)
    deep.set_weights(
        [w.value for w in wide.weights if not w.path.startswith("ngrams/")],
    )
    texts = ids(4, 10)
    np.testing.assert_allclose(outputs(wide, texts), outputs(deep, texts), atol=1e-6)
    pooled = outputs(fill(wide).get_layer("ngrams"), texts)
    share = outputs(wide, texts) - outputs(deep, texts)
    if classes == 2:
        np.testing.assert_allclose(share[:, 1] - share[:, 0], pooled[:, 0], atol=1e-4)
        np.testing.assert_allclose(share.sum(axis=1), 0, atol=1e-4)
    else:
        np.testing.assert_allclose(share, pooled, atol=1e-4)
    assert np.abs(share).max() > 0.1


def test_ngrams_read_the_whole_text_and_encoders_its_ends():
    network = fill(classification(ngram_buckets=1000, sequence_length=6))
    inside = keras.Model(
        network.input,
        [network.get_layer(name).output for name in ("logits", "ngram_logits")],
    )
    texts = np.tile(np.arange(1, 13), (13, 1))
    texts[np.arange(1, 13), np.arange(12)] = 19  # Row n differs in the n-th token.
    deep, wide = (keras.ops.convert_to_numpy(part) for part in inside(texts))
    changed = [np.abs(part[1:] - part[:1]).max(axis=1) > 1e-6 for part in (deep, wide)]
    assert changed[0].tolist() == [n < 3 or n >= 9 for n in range(12)]
    assert changed[1].all()


@pytest.mark.parametrize("length", [2, 3, 6, 7, 20])
def test_head_and_tail_is_what_pack_keeps(length):
    rows = [list(range(10, 10 + size)) for size in (0, 1, 4, 5, 6, 7, 12)]
    tokens = tf.ragged.constant(rows, tf.int32)
    whole, _ = pack(tokens, end_id=3)
    expected, _ = pack(tokens, length, end_id=3, truncation="head_tail")
    np.testing.assert_array_equal(head_and_tail(whole, length), expected)


def test_token_dropout_drops_whole_tokens():
    network = classification(token_dropout=0.5, num_layers=0)
    until = keras.Model(network.input, network.get_layer("token_dropout").output)
    dropped = keras.ops.convert_to_numpy(until(ids(4, 16), training=True)) == 0
    assert 0 < dropped.all(axis=-1).sum() < 64
    assert (dropped.all(axis=-1) == dropped.any(axis=-1)).all()


def test_mixed_precision_gives_float32_scores():
    network = classification(dtype="mixed_bfloat16", ngram_buckets=50)
    assert network.get_layer("encoder_0").compute_dtype == "bfloat16"
    assert network(ids(2, 4)).dtype == "float32"
    assert {str(weight.dtype) for weight in network.weights} == {"float32"}
