"""The decoder block against NumPy, against KerasHub's, and token by token."""

from __future__ import annotations

import keras
import keras_hub
import numpy as np
import pytest
from keras import ops

from keras_tx.layers import TransformerDecoder

TARGET_MASK = np.array([[1, 1, 1, 1], [1, 1, 1, 0]], bool)
SOURCE_MASK = np.array([[1, 1, 1], [1, 0, 0]], bool)
CAUSAL = np.tril(np.ones((4, 4), bool))
either_norm = pytest.mark.parametrize("norm_first", [False, True], ids=["post", "pre"])
with_and_without_source = pytest.mark.parametrize("cross", [True, False], ids=["cross", "only"])


def numbers(x) -> np.ndarray:
    return ops.convert_to_numpy(x)


@pytest.fixture
def make(vectors, randomize):
    """A built decoder with random weights, a target and, unless `cross` is false, a source."""

    def build(cross: bool = True, **arguments):
        layer = TransformerDecoder(**{"embed_dim": 8, "dense_dim": 16, "num_heads": 2, **arguments})
        target, source = vectors(2, 4, 8), vectors(2, 3, 8, seed=1) if cross else None
        layer.build(target.shape, source.shape if cross else None)
        return randomize(layer), target, source

    return build


@either_norm
@with_and_without_source
@pytest.mark.parametrize("key_dim", [None, 3])
def test_numpy_twin(
    norm_first, cross, key_dim, make, attend_by_loops, norm_twin, feed_forward_twin
):
    layer, target, source = make(cross, norm_first=norm_first, key_dim=key_dim)

    def attend_to_target(x):
        return attend_by_loops(layer.self_attention, x, mask=CAUSAL & TARGET_MASK[:, None])

    def attend_to_source(x):
        seen = np.broadcast_to(SOURCE_MASK[:, None], (2, 4, 3))
        return attend_by_loops(layer.cross_attention, x, source, mask=seen)

    def transform(x):
        return feed_forward_twin(layer.feed_forward, x, "relu")

    steps = [(layer.self_attention_norm, attend_to_target)]
    if cross:
        steps.append((layer.cross_attention_norm, attend_to_source))
    steps.append((layer.feed_forward_norm, transform))
    x = target
    for norm, step in steps:
        x = x + step(norm_twin(norm, x)) if norm_first else norm_twin(norm, x + step(x))

    masks = {"source_mask": SOURCE_MASK} if cross else {}
    got = numbers(layer(target, source, target_mask=TARGET_MASK, **masks))
    np.testing.assert_allclose(got, x, atol=1e-4, rtol=1e-4)


@either_norm
@with_and_without_source
def test_keras_hub_with_our_weights(norm_first, cross, make, unfused):
    ours, target, source = make(cross, norm_first=norm_first)
    theirs = keras_hub.layers.TransformerDecoder(16, 2, normalize_first=norm_first)
    theirs.build(target.shape, source.shape if cross else None)
    names = ["query", "key", "value", "output"]

    def copy(attention, to, norm, norm_to):
        w = unfused(attention)
        to.set_weights([w[n + part] for n in names for part in ("", "_bias")])
        norm_to.set_weights(norm.get_weights())

    copy(
        ours.self_attention,
        theirs._self_attention_layer,
        ours.self_attention_norm,
        theirs._self_attention_layer_norm,
    )
    if cross:
        copy(
            ours.cross_attention,
            theirs._cross_attention_layer,
            ours.cross_attention_norm,
            theirs._cross_attention_layer_norm,
        )
    theirs._feedforward_intermediate_dense.set_weights(ours.feed_forward.up.get_weights())
    theirs._feedforward_output_dense.set_weights(ours.feed_forward.down.get_weights())
    theirs._feedforward_layer_norm.set_weights(ours.feed_forward_norm.get_weights())
    expected = theirs(
        target,
        source,
        decoder_padding_mask=TARGET_MASK,
        encoder_padding_mask=SOURCE_MASK if cross else None,
    )
    got = ours(target, source, target_mask=TARGET_MASK, source_mask=SOURCE_MASK if cross else None)
    np.testing.assert_allclose(numbers(got), numbers(expected), atol=1e-5)


@either_norm
@with_and_without_source
@pytest.mark.parametrize("key_dim", [None, 8, 3])
def test_token_by_token_is_all_at_once(norm_first, cross, key_dim, make):
    layer, target, source = make(cross, norm_first=norm_first, key_dim=key_dim)
    mask = SOURCE_MASK if cross else None
    expected = numbers(layer(target, source, source_mask=mask))
    cache = layer.start_cache(2, 5, source)
    for t in range(4):
        got, cache = layer(target[:, t : t + 1], cache=cache, cache_index=t, source_mask=mask)
        np.testing.assert_allclose(numbers(got)[:, 0], expected[:, t], atol=1e-5)


@either_norm
@with_and_without_source
@pytest.mark.parametrize("chunks", [(1, 1, 1, 1), (1, 3), (2, 2), (4,)], ids=str)
def test_caches_that_grow_or_not_are_all_at_once(norm_first, cross, chunks, make):
    layer, target, source = make(cross, norm_first=norm_first)
    mask = SOURCE_MASK if cross else None
    expected = numbers(layer(target, source, source_mask=mask))
    growing, fixed = layer.start_cache(2, 0, source), layer.start_cache(2, 6, source)
    in_place = fixed
    start = 0
    for size in chunks:
        chunk, wanted = target[:, start : start + size], expected[:, start : start + size]
        got, growing = layer(chunk, cache=growing, source_mask=mask)
        np.testing.assert_allclose(numbers(got), wanted, atol=1e-5)
        got, fixed = layer(chunk, cache=fixed, cache_index=start, source_mask=mask)
        np.testing.assert_allclose(numbers(got), wanted, atol=1e-5)
        where = {"cache_index": start, "in_place_cache": True}
        got, in_place = layer(chunk, cache=in_place, source_mask=mask, **where)
        np.testing.assert_allclose(numbers(got), wanted, atol=1e-5)
        start += size
    assert growing["target"]["value"].shape[2] == 4
    assert fixed["target"]["value"].shape[2] == 6


@with_and_without_source
def test_a_pattern_takes_the_place_of_the_causal_mask(cross, make):
    layer, target, source = make(cross)
    mask = SOURCE_MASK if cross else None
    expected = layer(target, source, target_mask=TARGET_MASK, source_mask=mask)
    pattern = CAUSAL & TARGET_MASK[:, None]
    got = layer(target, source, target_mask=pattern, source_mask=mask)
    np.testing.assert_allclose(numbers(got), numbers(expected), atol=1e-6)
    everything = layer(target, source, target_mask=np.ones((2, 4, 4), bool), source_mask=mask)
    assert not np.allclose(numbers(everything)[:, 0], numbers(got)[:, 0], atol=1e-3)


@either_norm
@pytest.mark.parametrize("fixed", [False, True], ids=["growing", "fixed"])
def test_hypotheses_in_the_places_of_tokens_are_decoded_each_by_itself(
    norm_first, fixed, make, vectors
):
    layer, _, source = make(norm_first=norm_first)
    beams, steps = 3, 4
    hypotheses = vectors(2, beams, steps, 8, seed=5)
    # Which hypothesis's token stands in which place at each time: they change places.
    places = np.array([[0, 1, 2], [2, 0, 1], [1, 0, 2], [2, 1, 0]])
    cache, past = layer.start_cache(2, beams * steps if fixed else 0, source), []
    for time in range(steps):
        past.append(places[time])
        now = hypotheses[:, places[time], time]
        # The past of the one in place k: the slots where its tokens stood.
        pattern = np.stack([[one == other for t in past for other in t] for one in places[time]])
        if fixed:
            pattern = np.pad(pattern, [(0, 0), (0, beams * (steps - time - 1))])
        got, cache = layer(
            now,
            target_mask=np.stack([pattern] * 2),
            source_mask=SOURCE_MASK,
            cache=cache,
            cache_index=beams * time if fixed else None,
        )
    for place, one in enumerate(places[-1]):
        alone = layer(hypotheses[:, one], source, source_mask=SOURCE_MASK)
        np.testing.assert_allclose(numbers(got)[:, place], numbers(alone)[:, -1], atol=1e-5)


@with_and_without_source
def test_scores_come_with_the_cache_too(cross, make):
    layer, target, source = make(cross)
    whole, expected = layer(target, source, return_attention_scores=True)
    np.testing.assert_allclose(numbers(whole), numbers(layer(target, source)), atol=1e-6)
    assert expected.shape == (2, 2, 4, 3 if cross else 4)
    cache = layer.start_cache(2, 4, source)
    for t in range(4):
        _, scores, cache = layer(
            target[:, t : t + 1], cache=cache, cache_index=t, return_attention_scores=True
        )
        np.testing.assert_allclose(numbers(scores)[:, :, 0], numbers(expected)[:, :, t], atol=1e-6)


class CachedPass(keras.Model):
    """Walks through the target with a cache, in one loop inside the graph."""

    def __init__(self, decoder: TransformerDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def build(self, shapes) -> None:
        self.built = True

    def call(self, inputs):
        target, source, source_mask = inputs
        length = target.shape[1]

        def step(t, outputs, cache):
            token = ops.take(target, [t], axis=1)
            got, cache = self.decoder(token, cache=cache, cache_index=t, source_mask=source_mask)
            here = ops.arange(length)[:, None] == t
            return t + 1, ops.where(here, got, outputs), cache

        cache = self.decoder.start_cache(ops.shape(target)[0], length, source)
        start = (0, ops.zeros_like(target), cache)
        return ops.while_loop(lambda t, *_: t < length, step, start)[1]


@either_norm
def test_cached_loop_in_a_graph_is_the_eager_pass(norm_first, make):
    layer, target, source = make(norm_first=norm_first)
    expected = numbers(layer(target, source, source_mask=SOURCE_MASK))
    model = CachedPass(layer)
    got = model.predict([target, source, SOURCE_MASK], verbose=0)
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_the_cache_that_goes_in_stays_as_it_was(make):
    layer, target, source = make()
    cache = layer.start_cache(2, 4, source)
    layer(target[:, :1], cache=cache, cache_index=0)
    assert not numbers(cache["target"]["key"]).any()


def test_a_source_of_another_width(vectors):
    layer = TransformerDecoder(8, 16, 2)
    assert layer(vectors(2, 4, 8), vectors(2, 3, 6)).shape == (2, 4, 8)


def test_both_names_of_the_mask_of_a_decoder_only_block(make):
    layer, target, _ = make(cross=False)
    np.testing.assert_array_equal(
        numbers(layer(target, mask=TARGET_MASK)), numbers(layer(target, target_mask=TARGET_MASK))
    )


def test_wrong_calls(make):
    layer, target, source = make(name="mine")
    with pytest.raises(ValueError, match="'mine' was built with a source.*source=None, cache=None"):
        layer(target)
    with pytest.raises(ValueError, match="'mine' was built with a source.*source=None"):
        layer.start_cache(2, 4)
    with pytest.raises(ValueError, match="cache_index expected a cache"):
        layer(target[:, :1], source, cache_index=0)
    block, target, _ = make(cross=False, name="block")
    with pytest.raises(ValueError, match=r"'block' was built as a decoder-only.*\(2, 3, 8\)"):
        block(target, source)
    with pytest.raises(ValueError, match=r"'block' was built as a decoder-only.*\(2, 3, 8\)"):
        block.start_cache(2, 4, source)


def test_a_cache_before_the_first_call():
    with pytest.raises(ValueError, match="expected to be built before its cache. .*is not"):
        TransformerDecoder(8, 16, 2).start_cache(2, 0)


def test_a_cached_id_zero_is_a_token():
    block = TransformerDecoder(embed_dim=8, dense_dim=16, num_heads=2)
    x = np.random.default_rng(0).normal(size=(1, 2, 8)).astype("float32")
    block(x)
    plain = np.asarray(block(x))
    cache = block.start_cache(1, 2)
    for place in range(2):
        got, cache = block(
            x[:, place : place + 1],
            target_mask=np.array([[place == 0]]),
            cache=cache,
            cache_index=place,
        )
        np.testing.assert_allclose(np.asarray(got)[:, 0], plain[:, place], atol=1e-5)
