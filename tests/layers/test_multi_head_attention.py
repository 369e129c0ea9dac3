"""Attention against slow loops, against Keras' own, and token by token against itself."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from keras_tx.layers import MultiHeadAttention

# The paper's head size, the book's, and unlike sizes everywhere.
SIZES = {
    "paper": {"num_heads": 2, "key_dim": 4},
    "book": {"num_heads": 2, "key_dim": 8},
    "uneven": {"num_heads": 3, "key_dim": 2, "value_dim": 5, "output_dim": 7},
}
sizes = pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
CAUSAL = np.tril(np.ones((4, 4), bool))
PADDING = np.array([[1, 1, 1, 1], [1, 1, 0, 0]], bool)


def built(layer, randomize, query_shape, value_shape=None):
    layer.build(query_shape, value_shape)
    return randomize(layer)


def numbers(x) -> np.ndarray:
    return ops.convert_to_numpy(x)


@sizes
@pytest.mark.parametrize(
    ("masks", "seen"),
    [
        ({}, np.ones((2, 4, 4), bool)),
        ({"value_mask": PADDING}, np.broadcast_to(PADDING[:, None], (2, 4, 4))),
        ({"use_causal_mask": True}, np.broadcast_to(CAUSAL, (2, 4, 4))),
        ({"attention_mask": CAUSAL.T, "use_causal_mask": True}, np.stack([np.eye(4) > 0] * 2)),
        ({"value_mask": PADDING, "use_causal_mask": True}, CAUSAL & PADDING[:, None]),
    ],
    ids=["none", "padding", "causal", "pattern", "both"],
)
def test_self_attention_by_loops(sizes, masks, seen, vectors, randomize, attend_by_loops):
    layer = built(MultiHeadAttention(**sizes), randomize, (2, 4, 8))
    x = vectors(2, 4, 8)
    np.testing.assert_allclose(
        numbers(layer(x, **masks)), attend_by_loops(layer, x, mask=seen), atol=1e-5
    )


@sizes
def test_cross_attention_by_loops(sizes, vectors, randomize, attend_by_loops):
    layer = built(MultiHeadAttention(**sizes), randomize, (2, 3, 8), (2, 4, 6))
    x, source = vectors(2, 3, 8), vectors(2, 4, 6, seed=1)
    seen = np.broadcast_to(PADDING[:, None], (2, 3, 4))
    np.testing.assert_allclose(
        numbers(layer(x, source, value_mask=PADDING)),
        attend_by_loops(layer, x, source, mask=seen),
        atol=1e-5,
    )


@sizes
@pytest.mark.parametrize("cross", [False, True])
def test_keras_own_attention_with_our_weights(sizes, cross, vectors, randomize, unfused):
    x, source = vectors(2, 4, 8), vectors(2, 5, 6, seed=1) if cross else None
    ours = built(MultiHeadAttention(**sizes), randomize, x.shape, source.shape if cross else None)
    theirs = keras.layers.MultiHeadAttention(
        ours.num_heads, ours.key_dim, ours.value_dim, output_shape=ours.output_dim
    )
    value = source if cross else x
    theirs.build(x.shape, value.shape)
    w = unfused(ours)
    names = ["query", "key", "value", "output"]  # in the order of Keras' weights
    theirs.set_weights([w[n + part] for n in names for part in ("", "_bias")])
    mask = np.random.default_rng(2).random((2, 4, value.shape[1])) < 0.6
    mask[..., 0] = True
    expected, expected_scores = theirs(x, value, attention_mask=mask, return_attention_scores=True)
    got, scores = ours(x, source, attention_mask=mask, return_attention_scores=True)
    np.testing.assert_allclose(numbers(got), numbers(expected), atol=1e-5)
    np.testing.assert_allclose(numbers(scores), numbers(expected_scores), atol=1e-6)


def test_scores_are_weights(vectors):
    x = vectors(2, 4, 8)
    _, scores = MultiHeadAttention(2, 4)(x, value_mask=PADDING, return_attention_scores=True)
    scores = numbers(scores)
    assert scores.shape == (2, 2, 4, 4)
    np.testing.assert_allclose(scores.sum(-1), 1.0, atol=1e-6)
    assert (scores[1, :, :, 2:] == 0).all(), "what is masked has no weight at all"


@pytest.mark.parametrize("rank", [2, 3, 4])
def test_attention_masks_of_any_rank(rank, vectors):
    layer = MultiHeadAttention(2, 4)
    x = vectors(2, 4, 8)
    shape = {2: (4, 4), 3: (2, 4, 4), 4: (2, 1, 4, 4)}[rank]
    got = layer(x, attention_mask=np.broadcast_to(CAUSAL, shape))
    expected = layer(x, use_causal_mask=True)
    np.testing.assert_array_equal(numbers(got), numbers(expected))


def test_a_mask_for_each_head(vectors):
    x = vectors(1, 4, 8)
    mask = np.stack([CAUSAL, CAUSAL.T])[None]
    _, scores = MultiHeadAttention(2, 4)(x, attention_mask=mask, return_attention_scores=True)
    np.testing.assert_array_equal(numbers(scores) > 0, mask)


@pytest.mark.parametrize("extra", [{}, {"attention_mask": np.ones((4, 4), bool)}])
def test_a_mask_that_travels_is_the_mask_that_is_given(extra):
    ids = np.array([[3, 1, 4, 2], [2, 2, 0, 0]])
    embedded = keras.layers.Embedding(5, 8, mask_zero=True)(ids)
    layer = MultiHeadAttention(2, 4)
    implicit = layer(embedded, **extra)
    explicit = layer(numbers(embedded), value_mask=ids != 0, **extra)
    unmasked = layer(numbers(embedded), **extra)
    np.testing.assert_array_equal(numbers(implicit), numbers(explicit))
    assert not np.allclose(numbers(implicit)[1], numbers(unmasked)[1])


def test_the_sources_mask_travels_to_cross_attention(vectors):
    ids = np.array([[3, 1, 4], [2, 0, 0]])
    embedded = keras.layers.Embedding(5, 6, mask_zero=True)(ids)
    layer, x = MultiHeadAttention(2, 4), vectors(2, 4, 8)
    implicit, explicit = layer(x, embedded), layer(x, numbers(embedded), value_mask=ids != 0)
    np.testing.assert_array_equal(numbers(implicit), numbers(explicit))


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_a_row_of_padding_alone_is_finite(dtype, vectors):
    mask = np.array([[False] * 4, [True] * 4])
    got = MultiHeadAttention(2, 4, dtype=dtype)(100 * vectors(2, 4, 8), value_mask=mask)
    assert np.isfinite(numbers(ops.cast(got, "float32"))).all()


@sizes
@pytest.mark.parametrize("index_dtype", ["int", "int32", "int64"])
def test_token_by_token_is_all_at_once(sizes, index_dtype, vectors, randomize):
    x = vectors(2, 4, 8)
    layer = built(MultiHeadAttention(**sizes), randomize, x.shape)
    expected, expected_scores = layer(x, use_causal_mask=True, return_attention_scores=True)
    cache = layer.empty_cache(2, 6)  # more room than tokens
    for t in range(4):
        index = t if index_dtype == "int" else ops.convert_to_tensor(np.array(t, index_dtype))
        got, scores, cache = layer(
            x[:, t : t + 1], cache=cache, cache_index=index, return_attention_scores=True
        )
        np.testing.assert_allclose(numbers(got)[:, 0], numbers(expected)[:, t], atol=1e-5)
        np.testing.assert_allclose(
            numbers(scores)[:, :, 0, :4], numbers(expected_scores)[:, :, t], atol=1e-6
        )
    assert cache["key"].shape == (2, layer.num_heads, layer.key_dim, 6)
    assert cache["value"].shape == (2, layer.num_heads, 6, layer.value_dim)


def test_the_cache_that_goes_in_stays_as_it_was(vectors):
    layer, x = MultiHeadAttention(2, 4), vectors(1, 1, 8)
    layer(x)
    cache = layer.empty_cache(1, 3)
    _, new = layer(x, cache=cache, cache_index=1)
    assert not numbers(cache["key"]).any()
    assert numbers(new["key"])[..., 1].all()
    assert not numbers(new["key"])[..., [0, 2]].any()


def test_a_cached_token_ignores_what_stands_after_it(vectors):
    layer, x = MultiHeadAttention(2, 4), vectors(1, 1, 8)
    layer(x)
    dirty = {name: ops.ones_like(array) * 9.0 for name, array in layer.empty_cache(1, 3).items()}
    clean, _ = layer(x, cache=layer.empty_cache(1, 3), cache_index=0)
    got, _ = layer(x, cache=dirty, cache_index=0)
    np.testing.assert_array_equal(numbers(got), numbers(clean))


def test_a_cached_id_zero_is_a_token(vectors):
    # The mask of one token says nothing about the cache; it must not blank it.
    embed, layer = keras.layers.Embedding(5, 8, mask_zero=True), MultiHeadAttention(2, 4)
    ids = np.array([[3, 0]])
    x = numbers(embed(ids))
    expected = layer(x, use_causal_mask=True)
    _, cache = layer(embed(ids[:, :1]), cache=layer.empty_cache(1, 2), cache_index=0)
    got, _ = layer(embed(ids[:, 1:]), cache=cache, cache_index=1)
    np.testing.assert_allclose(numbers(got)[:, 0], numbers(expected)[:, 1], atol=1e-6)


CHUNKS = [(1, 1, 1, 1), (4,), (1, 3), (2, 2), (3, 1)]
by_chunks = pytest.mark.parametrize("chunks", CHUNKS, ids=str)


@sizes
@by_chunks
def test_a_growing_cache_is_all_at_once(sizes, chunks, vectors, randomize):
    x = vectors(2, 4, 8)
    layer = built(MultiHeadAttention(**sizes), randomize, x.shape)
    expected, expected_scores = layer(x, use_causal_mask=True, return_attention_scores=True)
    cache, start = layer.empty_cache(2, 0), 0
    for size in chunks:
        stop = start + size
        got, scores, cache = layer(
            x[:, start:stop], use_causal_mask=True, cache=cache, return_attention_scores=True
        )
        np.testing.assert_allclose(numbers(got), numbers(expected)[:, start:stop], atol=1e-5)
        assert scores.shape == (2, layer.num_heads, size, stop)
        np.testing.assert_allclose(
            numbers(scores), numbers(expected_scores)[:, :, start:stop, :stop], atol=1e-6
        )
        start = stop
    assert cache["key"].shape == (2, layer.num_heads, layer.key_dim, 4)
    assert cache["value"].shape == (2, layer.num_heads, 4, layer.value_dim)


@by_chunks
def test_several_tokens_are_written_from_an_index_on(chunks, vectors):
    layer, x = MultiHeadAttention(2, 4), vectors(2, 4, 8)
    expected = numbers(layer(x, use_causal_mask=True))
    cache, growing, start = layer.empty_cache(2, 6), layer.empty_cache(2, 0), 0
    for size in chunks:
        chunk = x[:, start : start + size]
        got, cache = layer(chunk, use_causal_mask=True, cache=cache, cache_index=start)
        np.testing.assert_allclose(numbers(got), expected[:, start : start + size], atol=1e-5)
        _, growing = layer(chunk, cache=growing)
        start += size
    for name, axis in (("key", 3), ("value", 2)):
        written, rest = np.split(numbers(cache[name]), [4], axis=axis)
        np.testing.assert_allclose(written, numbers(growing[name]), atol=1e-6)
        assert not rest.any()


def test_several_tokens_see_each_other_unless_told_otherwise(vectors):
    layer, x = MultiHeadAttention(2, 4), vectors(1, 3, 8)
    expected = numbers(layer(x))
    fixed, _ = layer(x, cache=layer.empty_cache(1, 5), cache_index=0)
    growing, _ = layer(x, cache=layer.empty_cache(1, 0))
    np.testing.assert_allclose(numbers(fixed), expected, atol=1e-6)
    np.testing.assert_allclose(numbers(growing), expected, atol=1e-6)


def test_a_pattern_over_what_the_cache_holds(vectors):
    # Two hypotheses in the places of tokens: each sees its own slots of three times two.
    layer, x = MultiHeadAttention(2, 4), vectors(1, 6, 8)
    layer(x)
    own = np.stack([np.arange(6) % 2 == place for place in (0, 1)])[None]  # (1, 2, 6)
    cache = layer.empty_cache(1, 0)
    for time in range(3):
        now = x[:, 2 * time : 2 * time + 2]
        got, cache = layer(now, attention_mask=own[:, :, : 2 * time + 2], cache=cache)
    for place in (0, 1):
        alone = layer(x[:, place::2], use_causal_mask=True)
        np.testing.assert_allclose(numbers(got)[:, place], numbers(alone)[:, -1], atol=1e-6)


@sizes
def test_a_projected_source_is_the_source(sizes, vectors):
    layer, x, source = MultiHeadAttention(**sizes), vectors(2, 3, 8), vectors(2, 4, 6, seed=1)
    expected = layer(x, source, value_mask=PADDING)
    got = layer(x, cache=layer.project_source(source), value_mask=PADDING)
    np.testing.assert_array_equal(numbers(got), numbers(expected))


def test_one_product_projects_what_shares_an_input(vectors):
    self_attention, cross_attention = MultiHeadAttention(2, 4), MultiHeadAttention(2, 4)
    self_attention(vectors(1, 3, 8))
    cross_attention(vectors(1, 3, 8), vectors(1, 2, 6))
    kernels = [w.shape for w in self_attention.weights if w.path.endswith("kernel")]
    assert kernels == [(8, 24), (8, 8)]
    kernels = [w.shape for w in cross_attention.weights if w.path.endswith("kernel")]
    assert kernels == [(8, 8), (6, 16), (8, 8)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_heads": 0}, "num_heads expected a positive integer. Received: num_heads=0"),
        ({"key_dim": 0}, "key_dim expected a positive integer. Received: key_dim=0"),
        ({"value_dim": 0}, "value_dim expected a positive integer. Received: value_dim=0"),
        ({"output_dim": 0}, "output_dim expected a positive integer. Received: output_dim=0"),
        ({"dropout": 2}, r"dropout expected a number in \[0, 1\). Received: dropout=2"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        MultiHeadAttention(**{"num_heads": 2, "key_dim": 4, **arguments})


def test_wrong_calls(vectors):
    x, token = vectors(1, 3, 8), vectors(1, 1, 8)
    layer = MultiHeadAttention(2, 4, name="mine")
    layer(x)
    with pytest.raises(ValueError, match=r"'mine' was built for self-attention.*\(1, 3, 8\)"):
        layer(x, x)
    with pytest.raises(ValueError, match="cache_index expected a cache .*cache=None, .*=0"):
        layer(token, cache_index=0)
    cross = MultiHeadAttention(2, 4, name="other")
    cross(x, x)
    with pytest.raises(ValueError, match="'other' was built for cross-attention.*value=None"):
        cross(x)
    with pytest.raises(ValueError, match="'other' was .* expected no cache_index. .*=2"):
        cross(token, cache=cross.project_source(x), cache_index=2)


def test_it_may_be_wrapped():
    attention = MultiHeadAttention(2, 4, output_dim=6)
    documents = keras.Input((3, 5, 8))
    model = keras.Model(documents, keras.layers.TimeDistributed(attention)(documents))
    given = np.random.default_rng(0).normal(size=(2, 3, 5, 8)).astype("float32")
    assert model.output_shape == (None, 3, 5, 6)
    np.testing.assert_allclose(model(given)[:, 1], attention(given[:, 1]), atol=1e-6)
    assert [tuple(x.shape) for x in attention(documents[:, 0], return_attention_scores=True)] == [
        (None, 5, 6), (None, 2, 5, 5)
    ]  # fmt: skip


def test_kernels_of_one_shape_begin_with_different_values():
    layer = MultiHeadAttention(num_heads=2, key_dim=4)
    layer.build((1, 3, 8), (1, 3, 8))
    query, output = (
        ops.convert_to_numpy(dense.kernel) for dense in (layer.query, layer.output_projection)
    )
    assert query.shape == output.shape and not np.allclose(query, output)
