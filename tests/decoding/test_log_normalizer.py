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
@pytest.mark.parametrize("in_graph", [False, True])
def test_it_is_the_formula(kind, in_graph):
    logits = LOGITS[kind].astype("float32")
    function = log_normalizer
    if in_graph:
        if keras.backend.backend() != "tensorflow":
            pytest.skip("graphs are TensorFlow's")
        import tensorflow as tf

        function = tf.function(log_normalizer)
        names = {n.op for n in function.get_concrete_function(logits).graph.as_graph_def().node}
        assert "Softmax" in names or "Exp" in names
    found = np.asarray(function(keras.ops.convert_to_tensor(logits)))
    np.testing.assert_allclose(found, twin(logits.astype("float64")), rtol=1e-6, atol=1e-5)
