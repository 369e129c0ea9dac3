"""Layer normalization with its own gradient, against NumPy and against Keras' layer."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_tx.layers.layer_normalization import LayerNormalization, normalize

RANDOM = np.random.default_rng(8)
GAMMA, BETA = RANDOM.normal(1, 0.3, 6), RANDOM.normal(0, 0.3, 6)


def layers(dtype: str) -> tuple[LayerNormalization, keras.layers.LayerNormalization]:
    """One of ours and one of Keras', with the same weights."""
    pair = (
        LayerNormalization(1e-5, dtype=dtype),
        keras.layers.LayerNormalization(epsilon=1e-5, dtype=dtype),
    )
    for layer in pair:
        layer.build((None, None, 6))
        layer.set_weights([GAMMA, BETA])
    return pair


def vectors(dtype: str = "float32") -> np.ndarray:
    return RANDOM.normal(2, 3, (2, 5, 6)).astype(dtype)


@pytest.mark.parametrize("training", [True, False])
def test_it_gives_what_numpy_gives(norm_twin, training):
    layer, _ = layers("float32")
    inputs = vectors()
    outputs = np.asarray(layer(inputs, training=training))
    np.testing.assert_allclose(outputs, norm_twin(layer, inputs), atol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [("float32", 1e-5), ("float64", 1e-9), ("mixed_bfloat16", 1e-6)],
)
@pytest.mark.parametrize("training", [True, False])
def test_it_gives_what_keras_gives_in_each_precision(dtype, tolerance, training):
    if dtype == "float64" and keras.backend.backend() == "jax":
        pytest.skip("JAX has no double precision unless it is asked to")
    ours, theirs = layers(dtype)
    inputs = vectors("float64" if dtype == "float64" else "float32")
    outputs, expected = ours(inputs, training=training), theirs(inputs)
    assert keras.backend.standardize_dtype(outputs.dtype) == ours.compute_dtype
    outputs, expected = (np.asarray(array).astype("float64") for array in (outputs, expected))
    # In half precision a number may fall on the other side of a rounding.
    last_bit = 2**-7 if dtype == "mixed_bfloat16" else 0
    np.testing.assert_allclose(outputs, expected, atol=tolerance, rtol=tolerance + last_bit)


def test_the_gradients_are_those_of_the_formula(gradients, differences):
    """Central differences of NumPy's normalization, in double precision."""
    inputs, slopes = vectors("float64"), RANDOM.normal(size=(2, 5, 6))

    def twin(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> float:
        centered = x - x.mean(-1, keepdims=True)
        normal = centered / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return float(((normal * gamma + beta) * slopes).sum())

    def ours(x: object, gamma: object, beta: object) -> object:
        outputs = normalize(x, gamma, beta, 1e-5, "float32")
        return keras.ops.sum(outputs * slopes.astype("float32"))

    arrays = [inputs, GAMMA, BETA]
    found = gradients(ours, *(array.astype("float32") for array in arrays))
    for place, gradient in enumerate(found):
        expected = differences(twin, arrays, place)
        np.testing.assert_allclose(gradient, expected, atol=2e-4, rtol=1e-4)


def test_rows_without_any_difference_stay_finite(gradients):
    layer, _ = layers("float32")
    outputs = np.asarray(layer(np.full((3, 6), 7.0, "float32"), training=True))
    np.testing.assert_allclose(outputs, np.tile(BETA, (3, 1)), atol=1e-5)

    def total(x: object) -> object:
        return keras.ops.sum(normalize(x, GAMMA, BETA, 1e-5, "float32"))

    (gradient,) = gradients(total, np.full((3, 6), 7.0, "float32"))
    assert np.isfinite(gradient).all()


def test_a_mask_goes_through():
    inputs = keras.Input((4,), dtype="int32")
    x = keras.layers.Embedding(5, 6, mask_zero=True)(inputs)
    assert getattr(LayerNormalization()(x), "_keras_mask", None) is not None


def test_a_model_with_it_comes_back_from_its_file(tmp_path):
    inputs = keras.Input((None, 6))
    model = keras.Model(inputs, LayerNormalization(1e-4, name="norm")(inputs))
    model.get_layer("norm").set_weights([GAMMA, BETA])
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again.get_layer("norm")) is LayerNormalization
    assert again.get_layer("norm").epsilon == 1e-4
    inputs = vectors()
    np.testing.assert_array_equal(np.asarray(again(inputs)), np.asarray(model(inputs)))


def test_the_weights_of_half_precision_stay_whole():
    layer = LayerNormalization(dtype="bfloat16")
    layer.build((None, 4))
    assert layer.compute_dtype == "bfloat16" and layer.gamma.dtype == "float32"
