"""Searches compiled by XLA: the same translations as the plain graph, in few shapes."""

import numpy as np
import pytest
import tensorflow as tf

from keras_tx.decoding import BeamHypotheses
from keras_tx.models import DecodingOptions, TranslationFunctions
from keras_tx.models.compiled_search import CompiledSearch, length_buckets

END = 3


def test_buckets_grow_by_half_and_reach_the_end():
    sizes = length_buckets(400)
    assert sizes == [16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 400]
    assert length_buckets(5) == [5] and length_buckets(16) == [16]


@pytest.fixture
def shapes():
    """A search that gives back what it got, and the shapes that it was traced for at run time."""
    search = CompiledSearch(
        lambda source_ids, max_lengths: BeamHypotheses(
            tf.broadcast_to(tf.shape(source_ids), [tf.shape(source_ids)[0], 2]),
            max_lengths,
            max_lengths,
            tf.reduce_sum(source_ids, axis=1),
        ),
        sequence_length=100,
    )

    def run(rows, length):
        ids = tf.ones([rows, length], tf.int32)
        return search({"source_ids": ids, "max_lengths": tf.range(rows)})

    return run


@pytest.mark.parametrize(
    ("rows", "length", "padded"),
    [(1, 1, [1, 16]), (3, 17, [4, 24]), (4, 48, [4, 48]), (5, 100, [8, 100]), (0, 2, [1, 16])],
)
def test_padded_to_a_bucket_and_cut_again(shapes, rows, length, padded):
    found = shapes(rows, length)
    assert found.ids.numpy().tolist() == [padded] * rows
    assert found.lengths.numpy().tolist() == list(range(rows))
    assert found.log_probabilities.numpy().tolist() == [length] * rows  # The rest is padding.


@pytest.mark.parametrize(
    "options",
    [
        {"beam_size": 1},
        {
            "beam_size": 2,
            "coverage_penalty": 0.3,
            "no_repeat_ngram_size": 2,
            "min_length": 4,
            "stop": "count",
        },
    ],
    ids=["greedy", "beam"],
)
def test_compiled_is_plain(options, random_translator, sentences):
    model, texts = random_translator(seed=3, favoured=END), [*sentences(5), ""]
    plain, compiled = (
        TranslationFunctions(model, DecodingOptions(**options, jit_compile=compile))
        for compile in (False, True)
    )
    prefix = tf.constant(["mot", "", "", "word3 word4", "", ""])
    for forced in (None, prefix):
        expected, got = (one.n_best(tf.constant(texts), 1, forced) for one in (plain, compiled))
        assert got["translations"].numpy().tolist() == expected["translations"].numpy().tolist()
        for name in ("scores", "log_probabilities"):
            np.testing.assert_allclose(got[name], expected[name], atol=1e-3)
    assert len(set(expected["translations"].numpy().ravel())) > 3


def test_drawn_translations_are_the_same(random_translator, sentences):
    model, texts = random_translator(seed=1), sentences(4)
    options = {"temperature": 0.8, "top_k": 9, "seed": 5}
    drawn = model.translate(texts, **options)
    assert model.translate(texts, jit_compile=True, **options) == drawn
    assert model.translate(texts, **{**options, "seed": 6}) != drawn
    # By the plain graph first, and then by XLA.
    assert model.translate(texts, jit_compile="auto", **options) == drawn
    choice = model.__dict__["_compilation"]
    choice.compilation = 0.0
    assert model.translate(texts, jit_compile="auto", **options) == drawn
    assert all(len(times.plain) == len(times.compiled) == 1 for times in choice.buckets.values())
