"""The n-grams' score shared out among tokens: exactly, and as a slow twin does it."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_tx.models import classification_network
from keras_tx.models.ngram_attribution import ngram_attributions

END = 3
IDS = np.array(
    [[5, 6, 5, 6, 7, END, 0], [8, END, 0, 0, 0, 0, 0], [END, 0, 0, 0, 0, 0, 0],
     [9, 9, 9, 9, 9, 9, END]],
    "int32",
)  # fmt: skip


def made(num_classes, orders, buckets=5000, **more):
    network = classification_network(
        vocabulary_size=20,
        num_classes=num_classes,
        sequence_length=8,
        embed_dim=8,
        dense_dim=8,
        num_heads=2,
        num_layers=1,
        ngram_buckets=buckets,
        ngram_orders=orders,
        **more,
    )
    layer, generator = network.get_layer("ngrams"), np.random.default_rng(4)
    layer.set_weights([generator.normal(size=w.shape) for w in layer.get_weights()])
    return network


def attributions_of(network, target):
    is_text = tf.constant((IDS != 0) & (IDS != END))
    found = ngram_attributions(network, tf.constant(IDS), is_text, tf.constant(target))
    return [np.asarray(part) for part in found]


def shared_by_loops(network, target):
    """Each n-gram by itself; a table row is found by asking the layer for that n-gram alone."""
    layer = network.get_layer("ngrams")
    table, bias = (np.array(w) for w in layer.get_weights())
    result, rest = np.zeros(IDS.shape), np.zeros(len(IDS))
    for row, ids in enumerate(IDS):
        length = int((ids != 0).sum())
        places = {}
        for order in layer.orders:
            for start in range(length - order + 1):
                gram = tuple(ids[start : start + order])
                places.setdefault(gram, []).append(range(start, start + order))

        def score(values, label=target[row]):
            if len(values) == 1:
                return values[0] * (0.5 if label else -0.5)
            return values[label]

        rest[row] = score(bias)
        for gram, found in places.items():
            alone = np.asarray(layer.buckets_in_order(np.array([gram])))[0]
            bucket = alone[sorted(layer.orders).index(len(gram)), 0]
            each = score(table[bucket]) / math.sqrt(len(places)) / len(found)
            for covered in found:
                text = [place for place in covered if ids[place] != END]
                for place in text:
                    result[row, place] += each / len(text)
                rest[row] += 0 if text else each
    return result, rest


@pytest.mark.parametrize(
    ("num_classes", "orders"), [(2, (1, 2, 3)), (3, (1, 2)), (3, (3, 1)), (2, (2,))]
)
def test_they_are_what_loops_find_and_sum_to_the_logit(num_classes, orders):
    network, target = made(num_classes, orders), [1, 0, num_classes - 1, 0]
    attributions, rest = attributions_of(network, target)
    expected, expected_rest = shared_by_loops(network, target)
    np.testing.assert_allclose(attributions, expected, atol=1e-5)
    np.testing.assert_allclose(rest, expected_rest, atol=1e-5)
    branch = keras.Model(network.input, network.get_layer("ngram_logits").output)
    logits = np.asarray(branch(IDS))[range(4), target]
    np.testing.assert_allclose(attributions.sum(axis=1) + rest, logits, atol=1e-5)


def test_they_sum_to_the_logit_where_buckets_are_shared():
    network, target = made(3, (1, 2, 3), buckets=4), [1, 0, 2, 1]
    attributions, rest = attributions_of(network, target)
    branch = keras.Model(network.input, network.get_layer("ngram_logits").output)
    logits = np.asarray(branch(IDS))[range(4), target]
    np.testing.assert_allclose(attributions.sum(axis=1) + rest, logits, atol=1e-5)


def test_a_single_label_of_its_own():
    # Its one column is its logit, not half the difference of two.
    network = made(1, (1, 2), multi_label=True)
    attributions, rest = attributions_of(network, [0, 0, 0, 0])
    branch = keras.Model(network.input, network.get_layer("ngram_logits").output)
    sums = attributions.sum(axis=1) + rest
    np.testing.assert_allclose(sums, np.asarray(branch(IDS))[:, 0], atol=1e-5)


def test_nothing_is_given_to_what_is_no_text():
    attributions, _ = attributions_of(made(3, (1, 2, 3)), [0, 1, 2, 0])
    assert not attributions[(IDS == 0) | (IDS == END)].any()
    assert attributions[(IDS != 0) & (IDS != END)].all()
