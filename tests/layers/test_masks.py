"""Nothing leaks: not from padding, not from the future, not between rows; and masks
travel from the ids to pooling and to the loss."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest
from keras import ops

from keras_tx.layers import (
    FeedForward,
    HashedNGramPooling,
    MeanMaxPooling1D,
    MultiHeadAttention,
    PositionalEmbedding,
    SinusoidalPositionalEncoding,
    TransformerDecoder,
    TransformerEncoder,
)

BLOCK = {"embed_dim": 8, "dense_dim": 16, "num_heads": 2}
either_norm = pytest.mark.parametrize("norm_first", [False, True], ids=["post", "pre"])
TARGET_MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], bool)
SOURCE_MASK = np.array([[1, 1, 1], [1, 0, 0]], bool)  # shorter than the target, on purpose
# A change that normalization does not take back, as it would a constant or a factor.
RAMP = np.linspace(-1.0, 1.0, 8).astype("float32")


def numbers(x) -> np.ndarray:
    return ops.convert_to_numpy(x)


@pytest.fixture
def decode(vectors):
    """A decoder with all weights and inputs fixed; keyword arguments replace inputs."""

    def make(norm_first: bool):
        layer = TransformerDecoder(**BLOCK, norm_first=norm_first)
        fixed = {
            "target": vectors(2, 5, 8),
            "source": vectors(2, 3, 8, seed=1),
            "target_mask": TARGET_MASK,
            "source_mask": SOURCE_MASK,
        }

        def run(**changes) -> np.ndarray:
            return numbers(layer(**{**fixed, **changes}))

        return run, fixed

    return make


@either_norm
@pytest.mark.parametrize("key_dim", [None, 8])
def test_encoder_padding_changes_nothing(norm_first, key_dim, vectors):
    layer = TransformerEncoder(**BLOCK, norm_first=norm_first, key_dim=key_dim)
    x = vectors(2, 5, 8)
    before = numbers(layer(x, source_mask=TARGET_MASK))
    padding = x.copy()
    padding[~TARGET_MASK] = 50.0 * RAMP
    after = numbers(layer(padding, source_mask=TARGET_MASK))
    np.testing.assert_array_equal(after[TARGET_MASK], before[TARGET_MASK])
    real = x.copy()
    real[1, 2] += RAMP
    after = numbers(layer(real, source_mask=TARGET_MASK))
    assert (np.abs(after[1, :3] - before[1, :3]).max(-1) > 1e-4).all(), "real tokens are seen"
    np.testing.assert_array_equal(after[0], before[0])


@either_norm
def test_decoder_never_sees_the_future(norm_first, decode):
    run, fixed = decode(norm_first)
    before = run()
    for t in range(1, 5):
        later = fixed["target"].copy()
        later[:, t:] = 50.0 * RAMP
        after = run(target=later)
        np.testing.assert_array_equal(after[:, :t], before[:, :t])
        assert not np.allclose(after[0, t], before[0, t])


@either_norm
def test_decoder_sees_the_past(norm_first, decode):
    run, fixed = decode(norm_first)
    earlier = fixed["target"].copy()
    earlier[:, 0] += RAMP
    change = np.abs(run(target=earlier) - run()).max(-1)
    assert (change[TARGET_MASK] > 1e-5).all()


@either_norm
def test_target_padding_changes_nothing(norm_first, decode):
    run, fixed = decode(norm_first)
    padding = fixed["target"].copy()
    padding[~TARGET_MASK] = 50.0 * RAMP
    before, after = run(), run(target=padding)
    np.testing.assert_array_equal(after[TARGET_MASK], before[TARGET_MASK])


@either_norm
def test_padding_at_the_front_changes_nothing(norm_first, decode):
    # Behind the tokens the causal mask hides padding too; in front only its own does.
    run, fixed = decode(norm_first)
    mask = TARGET_MASK[:, ::-1]
    padding = fixed["target"].copy()
    padding[~mask] = 50.0 * RAMP
    before, after = run(target_mask=mask), run(target_mask=mask, target=padding)
    np.testing.assert_array_equal(after[mask], before[mask])


@either_norm
def test_source_padding_changes_nothing_with_unequal_lengths(norm_first, decode):
    run, fixed = decode(norm_first)
    padding = fixed["source"].copy()
    padding[~SOURCE_MASK] = 50.0 * RAMP
    before = run()
    np.testing.assert_array_equal(run(source=padding), before)
    real = fixed["source"].copy()
    real[1, 0] += RAMP
    change = np.abs(run(source=real) - before).max(-1)
    assert (change[1] > 1e-5).all(), "the real source token is seen from every position"
    assert not change[0].any()


@either_norm
def test_source_padding_is_not_the_targets(norm_first, decode):
    # Equal lengths hide a decoder that masks the source by the target: unequal masks do not.
    run, fixed = decode(norm_first)
    source = np.concatenate([fixed["source"], fixed["source"][:, :2]], axis=1)
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], bool)
    before = run(source=source, source_mask=mask)
    changed = source.copy()
    changed[0, 3:] = 50.0 * RAMP
    np.testing.assert_array_equal(run(source=changed, source_mask=mask), before)
    changed = source.copy()
    changed[1, 4] += RAMP
    assert not np.allclose(run(source=changed, source_mask=mask)[1], before[1])


@either_norm
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_rows_of_padding_alone_are_finite_and_harm_nobody(norm_first, dtype, vectors):
    encoder = TransformerEncoder(**BLOCK, norm_first=norm_first, dtype=dtype)
    decoder = TransformerDecoder(**BLOCK, norm_first=norm_first, dtype=dtype)
    mask = np.array([[False] * 3, [True] * 3])
    x, target = vectors(2, 3, 8), vectors(2, 5, 8, seed=1)
    encoded = encoder(x, source_mask=mask)
    decoded = decoder(target, encoded, target_mask=TARGET_MASK, source_mask=mask)
    pooled = MeanMaxPooling1D(dtype=dtype)(encoded, mask=mask)
    for output in (encoded, decoded, pooled):
        assert np.isfinite(numbers(ops.cast(output, "float32"))).all()
    alone = decoder(target[1:], encoder(x[1:], source_mask=mask[1:]), source_mask=mask[1:])
    if dtype == "float32":
        np.testing.assert_allclose(numbers(decoded)[1, :3], numbers(alone)[0, :3], atol=1e-6)


def test_no_gradient_reaches_what_is_masked(vectors, eager_training):
    # A trainable stand-in for the inputs learns only where it may be seen.
    table = keras.layers.Embedding(5, 8, embeddings_initializer="normal")
    inputs = keras.Input((5,), dtype="int32")
    encoded = TransformerEncoder(**BLOCK)(table(inputs), source_mask=inputs < 3)
    model = keras.Model(inputs, encoded[:, :3])
    model.compile(keras.optimizers.SGD(0.5), "mse", **eager_training)
    before = numbers(table.embeddings.value).copy()
    model.fit(np.arange(5)[None], vectors(1, 3, 8), verbose=0)
    moved = (numbers(table.embeddings.value) != before).any(-1)
    assert moved.tolist() == [True, True, True, False, False]


def translator(source_length=None, target_length=None, explicit=False):
    """Ids to vectors, by the masks that travel or by those that are given."""
    source = keras.Input((source_length,), dtype="int32", name="source")
    target = keras.Input((target_length,), dtype="int32", name="target")
    masks = {"target_mask": target != 0, "source_mask": source != 0} if explicit else {}
    embed = {"sequence_length": 8, "input_dim": 9, "output_dim": 8, "mask_zero": not explicit}
    encoder_masks = {"source_mask": source != 0} if explicit else {}
    x = PositionalEmbedding(**embed)(source)
    for norm_first in (False, True):
        x = TransformerEncoder(**BLOCK, norm_first=norm_first)(x, **encoder_masks)
    y = PositionalEmbedding(**embed)(target)
    for norm_first in (False, True):
        y = TransformerDecoder(**BLOCK, norm_first=norm_first)(y, x, **masks)
    return keras.Model([source, target], y)


SOURCE_IDS = np.array([[3, 1, 4, 1], [5, 2, 0, 0]], "int32")
TARGET_IDS = np.array([[2, 7, 1, 8, 2, 8], [6, 6, 2, 0, 0, 0]], "int32")


def test_explicit_masks_are_the_masks_that_travel():
    implicit, explicit = translator(), translator(explicit=True)
    explicit.set_weights(implicit.get_weights())
    inputs = [SOURCE_IDS, TARGET_IDS]
    real = TARGET_IDS != 0
    np.testing.assert_array_equal(numbers(implicit(inputs))[real], numbers(explicit(inputs))[real])


def test_longer_padding_and_other_rows_change_nothing():
    model = translator()
    whole = numbers(model([SOURCE_IDS, TARGET_IDS]))
    alone = numbers(model([SOURCE_IDS[1:, :2], TARGET_IDS[1:, :3]]))
    padded = numbers(
        model([np.pad(SOURCE_IDS, [(0, 0), (0, 3)]), np.pad(TARGET_IDS, [(0, 0), (0, 1)])])
    )
    np.testing.assert_allclose(alone[0], whole[1, :3], atol=1e-6)
    np.testing.assert_allclose(padded[:, :6][TARGET_IDS != 0], whole[TARGET_IDS != 0], atol=1e-6)


@pytest.mark.parametrize("pooling", [keras.layers.GlobalAveragePooling1D, MeanMaxPooling1D])
def test_masks_travel_to_pooling(pooling):
    inputs = keras.Input((None,), dtype="int32")
    x = PositionalEmbedding(8, 9, 8)(inputs)
    x = FeedForward(16)(SinusoidalPositionalEncoding()(x))
    x = TransformerEncoder(**BLOCK)(x)
    hidden = TransformerDecoder(**BLOCK)(x)
    model = keras.Model(inputs, [hidden, pooling()(hidden)])
    hidden, pooled = (numbers(x) for x in model(SOURCE_IDS))
    real = hidden[1, :2]
    expected = real.mean(0)
    if pooling is MeanMaxPooling1D:
        expected = np.concatenate([expected, real.max(0)])
    np.testing.assert_allclose(pooled[1], expected, atol=1e-6)


def test_masks_travel_to_the_loss(eager_training):
    body = translator()
    logits = keras.layers.Dense(9)(body.output)
    model = keras.Model(body.inputs, logits)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(0.0)
    model.compile(optimizer, loss, weighted_metrics=["accuracy"], **eager_training)
    labels = np.array([[7, 1, 8, 2, 8, 3], [6, 2, 3, 5, 5, 5]], "int32")
    inputs = [SOURCE_IDS, TARGET_IDS]

    scores = numbers(model(inputs)).astype("float64")
    log_probabilities = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
    picked = np.take_along_axis(log_probabilities, labels[..., None], -1)[..., 0]
    real = TARGET_IDS != 0
    expected = -picked[real].mean()
    assert abs(expected + picked.mean()) > 1e-4, "padding counted would show"

    fitted = model.fit(inputs, labels, verbose=0, shuffle=False).history
    assert fitted["loss"][0] == pytest.approx(expected, rel=1e-5)
    evaluated = model.evaluate(inputs, labels, verbose=0, return_dict=True)
    assert evaluated["loss"] == pytest.approx(expected, rel=1e-5)
    hits = (scores.argmax(-1) == labels)[real].mean()
    assert evaluated["accuracy"] == pytest.approx(hits, abs=1e-6)


def test_no_layer_destroys_a_mask_with_a_warning():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ids = keras.Input((None,), dtype="int32")
        body = translator()
        x = body([ids, ids])
        x = SinusoidalPositionalEncoding()(FeedForward(16, gated=True)(x))
        x = MultiHeadAttention(2, 4)(MultiHeadAttention(2, 4)(x), body([ids, ids]))
        pooled = [MeanMaxPooling1D()(x), HashedNGramPooling(16, 8)(ids)]
        keras.Model(ids, keras.layers.Concatenate()(pooled))(SOURCE_IDS)
    assert [str(w.message) for w in caught if "mask" in str(w.message)] == []
