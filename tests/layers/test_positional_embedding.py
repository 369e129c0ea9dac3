"""Token plus position: the sum, the mask, one token at a time, and the way back."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from keras_tx.layers import PositionalEmbedding, SinusoidalPositionalEncoding

IDS = np.array([[5, 2, 9, 3], [4, 6, 0, 0]])


def tables(layer) -> list[np.ndarray]:
    return [ops.convert_to_numpy(w.value) for w in layer.weights]


@pytest.mark.parametrize("scale", [False, True])
def test_sum_of_two_tables(scale):
    layer = PositionalEmbedding(6, 10, 4, scale=scale)
    got = ops.convert_to_numpy(layer(IDS))
    tokens, positions = tables(layer)
    assert (tokens.shape, positions.shape) == ((10, 4), (6, 4))
    for b in range(2):
        for t in range(4):
            expected = tokens[IDS[b, t]] * (2.0 if scale else 1.0) + positions[t]  # 2 = √4
            np.testing.assert_allclose(got[b, t], expected, atol=1e-6)


def test_sinusoidal_positions():
    layer = PositionalEmbedding(None, 10, 4, positions="sinusoidal", scale=True)
    got = ops.convert_to_numpy(layer(IDS))
    (tokens,) = tables(layer)
    expected = SinusoidalPositionalEncoding()(2.0 * tokens[IDS])
    np.testing.assert_allclose(got, ops.convert_to_numpy(expected), atol=1e-6)


@pytest.mark.parametrize("positions", ["learned", "sinusoidal"])
@pytest.mark.parametrize("tensor", [False, True])
def test_one_token_at_a_time_is_all_at_once(positions, tensor):
    layer = PositionalEmbedding(4, 10, 4, positions=positions)
    whole = ops.convert_to_numpy(layer(IDS))
    for t in range(4):
        index = ops.convert_to_tensor(np.array(t, "int32")) if tensor else t
        one = ops.convert_to_numpy(layer(IDS[:, t : t + 1], start_index=index))
        np.testing.assert_allclose(one[:, 0], whole[:, t], atol=1e-6)


@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize("positions", ["learned", "sinusoidal"])
def test_tokens_and_positions_by_themselves(positions, scale):
    layer = PositionalEmbedding(6, 10, 4, positions=positions, scale=scale)
    whole = ops.convert_to_numpy(layer(IDS))
    tokens = ops.convert_to_numpy(layer.token_vectors(IDS))
    np.testing.assert_allclose(tokens, tables(layer)[0][IDS] * (2.0 if scale else 1.0), atol=1e-6)
    vectors = ops.convert_to_numpy(layer.position_vectors(4))
    assert vectors.shape == (4, 4)
    np.testing.assert_allclose(tokens + vectors, whole, atol=1e-6)
    # Ids of any shape, and positions from a place on; all of the table, too.
    one = ops.convert_to_numpy(layer.token_vectors(IDS[:, 1]))
    np.testing.assert_allclose(one, tokens[:, 1], atol=1e-6)
    for start in (2, ops.convert_to_tensor(np.array(2, "int32"))):
        later = ops.convert_to_numpy(layer.position_vectors(4, start_index=start))
        np.testing.assert_allclose(later[:2], vectors[2:], atol=1e-6)
    assert layer.position_vectors(6).shape == (6, 4)


@pytest.mark.parametrize("positions", ["learned", "sinusoidal"])
def test_vectors_in_half_precision(positions):
    layer = PositionalEmbedding(6, 10, 4, positions=positions, dtype="mixed_bfloat16")
    layer(IDS)
    for vectors in (layer.token_vectors(IDS), layer.position_vectors(4)):
        assert keras.backend.standardize_dtype(vectors.dtype) == "bfloat16"


@pytest.mark.parametrize("dtype", ["int32", "int64", "float32"])
def test_mask_from_id_zero(dtype):
    # Keras gives an Input float32 unless told otherwise, so ids may come as floats.
    embedded = PositionalEmbedding(6, 10, 4)(IDS.astype(dtype))
    mask = ops.convert_to_numpy(embedded._keras_mask)
    assert mask.tolist() == [[True, True, True, True], [True, True, False, False]]


def test_ids_as_floats_keep_their_value_in_half_precision():
    layer = PositionalEmbedding(6, 1000, 4, dtype="mixed_bfloat16")
    # bfloat16 would make 512 of 513.
    exact, floats = (layer(np.array([[513, 999]], dtype)) for dtype in ("int32", "float32"))
    np.testing.assert_array_equal(
        *(ops.convert_to_numpy(ops.cast(x, "float32")) for x in (exact, floats))
    )


def test_no_mask_when_zero_is_a_token():
    embedded = PositionalEmbedding(6, 10, 4, mask_zero=False)(IDS)
    assert getattr(embedded, "_keras_mask", None) is None


def test_reverse_is_the_product_with_the_token_table(vectors):
    layer = PositionalEmbedding(6, 10, 4, scale=True)
    layer(IDS)
    hidden = vectors(2, 3, 4)
    tokens, _ = tables(layer)
    scores = ops.convert_to_numpy(layer(hidden, reverse=True))
    np.testing.assert_allclose(scores, hidden @ tokens.T, atol=1e-6)


def test_tied_table_is_one_weight_and_the_mask_goes_on_to_the_loss():
    inputs = keras.Input((None,), dtype="int32")
    embed = PositionalEmbedding(6, 10, 4)
    hidden = keras.layers.Dense(4)(embed(inputs))
    outputs = embed(hidden, reverse=True)
    model = keras.Model(inputs, outputs)
    assert model.count_params() == (10 + 6) * 4 + (4 + 1) * 4
    assert outputs.shape == (None, None, 10)
    mask = ops.convert_to_numpy(model(IDS)._keras_mask)
    assert mask.tolist() == (IDS != 0).tolist()


def test_a_longer_sequence_is_an_error():
    layer = PositionalEmbedding(3, 10, 4, name="embed")
    layer(IDS[:, :3])
    message = "Layer 'embed' expected at most sequence_length=3 positions. Received: 4"
    with pytest.raises(ValueError, match=message):
        layer(IDS)
    with pytest.raises(ValueError, match=message):
        layer(IDS[:, :2], start_index=2)
    with pytest.raises(ValueError, match=message):
        layer(keras.Input((4,), dtype="int32"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sequence_length": 0}, "sequence_length expected a positive .*sequence_length=0"),
        ({"sequence_length": None}, "sequence_length expected a positive .*sequence_length=None"),
        ({"input_dim": -1}, "input_dim expected a positive integer. Received: input_dim=-1"),
        ({"output_dim": 2.5}, "output_dim expected a positive integer. Received: output_dim=2.5"),
        ({"positions": "none"}, "positions expected one of 'learned', 'sinusoidal'. .*'none'"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        PositionalEmbedding(**{"sequence_length": 6, "input_dim": 10, "output_dim": 4, **arguments})


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="Keras' quantization is slow there")
@pytest.mark.parametrize(("kind", "correlation"), [("int8", 0.9999), ("int4", 0.98)])
def test_tied_scores_survive_quantization(kind, correlation):
    embedding = PositionalEmbedding(20, 50, 16)
    ids = keras.Input((None,), dtype="int32")
    model = keras.Model(ids, embedding(embedding(ids), reverse=True))
    given = np.random.default_rng(0).integers(1, 50, (4, 9))
    before = np.asarray(model(given))
    model.quantize(kind)
    after = np.asarray(model(given))
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > correlation
    np.testing.assert_allclose(after.std(), before.std(), rtol=0.1)


def test_it_may_be_wrapped():
    embedding = PositionalEmbedding(7, 50, 4)
    sentences = keras.Input((3, 7), dtype="int32")
    model = keras.Model(sentences, keras.layers.TimeDistributed(embedding)(sentences))
    given = np.random.default_rng(0).integers(1, 50, (2, 3, 7))
    assert model.output_shape == (None, 3, 7, 4)
    np.testing.assert_allclose(model(given)[:, 1], embedding(given[:, 1]), atol=1e-6)


@pytest.mark.parametrize("positions", ["learned", "sinusoidal"])
def test_wrong_positions(positions):
    embedding = PositionalEmbedding(6, 10, 4, positions=positions)
    ids = np.array([[1, 2]])
    with pytest.raises(ValueError, match="at most sequence_length=6 positions. Received: 7"):
        embedding(ids, start_index=5)
    with pytest.raises(ValueError, match="start_index from 0 on. Received: start_index=-1"):
        embedding(ids, start_index=-1)
