"""A bias by itself."""

import keras
import numpy as np

from keras_tx.layers.bias import Bias


def test_it_starts_at_nothing_and_adds_what_it_holds(vectors):
    inputs, bias = vectors(2, 3, 4), Bias()
    np.testing.assert_array_equal(np.asarray(bias(inputs)), inputs)
    bias.set_weights([np.array([1.0, -2.0, 0.0, 0.5], "float32")])
    outputs = np.asarray(bias(inputs))
    np.testing.assert_allclose(outputs[1, 2] - inputs[1, 2], [1.0, -2.0, 0.0, 0.5], atol=1e-6)


def test_masks_pass_and_half_precision_stays(vectors):
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(5, 4, mask_zero=True)(ids)
    masked = keras.layers.GlobalAveragePooling1D()(Bias()(x))
    model = keras.Model(ids, masked)
    alone, padded = (np.asarray(model(np.array([row]))) for row in ([3, 2], [3, 2, 0, 0]))
    np.testing.assert_allclose(alone, padded, atol=1e-6)
    assert keras.backend.standardize_dtype(Bias(dtype="mixed_bfloat16")(x).dtype) == "bfloat16"


def test_config_and_shape(vectors):
    bias = Bias.from_config(Bias(name="mine").get_config())
    assert bias.name == "mine"
    assert bias(keras.Input((7, 4))).shape == (None, 7, 4)
    assert bias.count_params() == 4
