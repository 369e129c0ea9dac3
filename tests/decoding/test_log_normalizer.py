"""The same number by both ways, also where numbers are far apart."""

import keras
import numpy as np
import pytest

from keras_tx.decoding.log_normalizer import log_normalizer

RANDOM = np.random.default_rng(5)
LOGITS = {
    "usual": RANDOM.normal(0, 3, (2, 3, 40)),
    "one is certain": np.where(np.arange(40) == 7, 90.0, RANDOM.normal(size=(2, 3, 40))),
    "all equal": np.full((2, 3, 40), -5.0),
    "most are forbidden": np.where(np.arange(40) < 37, -1e9, RANDOM.normal(size=(2, 3, 40))),
    "large": RANDOM.normal(1e4, 3, (2, 3, 40)),
    "one token": RANDOM.normal(size=(2, 3, 1)),
    "no rows": np.zeros((0, 3, 40)),
}


def twin(logits):
    largest = logits.max(-1, keepdims=True)
    return (largest + np.log(np.exp(logits - largest).sum(-1, keepdims=True)))[..., 0]


@pytest.mark.parametrize("kind", LOGITS)
def test_it_is_the_formula(kind):
    logits = LOGITS[kind].astype("float32")
    found = np.asarray(log_normalizer(keras.ops.convert_to_tensor(logits)))
    np.testing.assert_allclose(found, twin(logits.astype("float64")), rtol=1e-6, atol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="graphs are TensorFlow's")
@pytest.mark.parametrize("kind", LOGITS)
@pytest.mark.parametrize("by_softmax", [False, True])
def test_both_ways_of_a_graph_are_the_formula(kind, by_softmax, monkeypatch):
    """Whatever kernels there are here: either way is right with any of them."""
    import tensorflow as tf

    monkeypatch.setattr("keras_tx.decoding.log_normalizer.has_onednn_kernels", lambda: by_softmax)
    logits = LOGITS[kind].astype("float32")
    graph = tf.function(log_normalizer).get_concrete_function(tf.TensorSpec([None, None, None]))
    operations = {node.op for node in graph.graph.as_graph_def().node}
    assert operations & {"Softmax", "Exp"} == {"Softmax" if by_softmax else "Exp"}
    found = graph(tf.constant(logits)).numpy()
    np.testing.assert_allclose(found, twin(logits.astype("float64")), rtol=1e-6, atol=1e-5)
