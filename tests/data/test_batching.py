"""Batches: every example once, bounded, tight, and the same again after a stop."""

import itertools

import numpy as np
import pytest

from keras_tx.data import TokenBatches, batch_dataset, bucket_lengths


@pytest.fixture
def lengths():
    return np.random.default_rng(0).integers(1, 60, 700)


def as_lists(batches):
    return [rows.tolist() for rows in batches]


@pytest.mark.parametrize("shuffle", [True, False])
def test_every_example_once_an_epoch_within_the_bound(lengths, shuffle):
    plan = TokenBatches(lengths, 512, shuffle=shuffle)
    for epoch in range(3):
        batches = plan.plan(epoch)
        assert len(batches) == len(plan)
        assert sorted(np.concatenate(batches).tolist()) == list(range(700))
        assert all(len(rows) * lengths[rows].max() <= 512 for rows in batches)


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_batch_has_no_more_examples_than_it_may(lengths, shuffle):
    batches = TokenBatches(lengths, 512, shuffle, batch_size=16).plan(0)
    assert sorted(np.concatenate(batches).tolist()) == list(range(700))
    assert all(len(rows) * lengths[rows].max() <= 512 for rows in batches)
    # Where the number bounds a batch, it is full: no rest is left over where the tokens would.
    short = [rows for rows in batches if lengths[rows].max() * 16 < 500]
    assert {len(rows) for rows in short} == {16}


def test_a_long_example_stands_alone():
    plan = TokenBatches([2, 500, 2, 600], tokens_per_batch=10)
    assert sorted(as_lists(plan.plan(0)), key=len)[:2] in ([[1], [3]], [[3], [1]])
    assert len(plan) == 3


def test_the_longest_part_counts():
    lengths = np.array([[1, 9], [9, 1], [2, 2], [3, 1]])
    plan = TokenBatches(lengths, tokens_per_batch=9, shuffle=False)
    assert as_lists(plan.plan(0)) == [[2, 3], [1], [0]]


def test_empty_examples_take_a_place():
    plan = TokenBatches([0] * 10, tokens_per_batch=4)
    assert max(len(rows) for rows in plan.plan(0)) == 4


def test_padding_is_little(lengths):
    plan = TokenBatches(lengths, 512)
    padded = sum(len(rows) * lengths[rows].max() for rows in plan.plan(0))
    assert lengths.sum() / padded > 0.95


def test_seed_and_epoch_decide(lengths):
    first = as_lists(TokenBatches(lengths, 512, seed=4).plan(2))
    assert first == as_lists(TokenBatches(lengths, 512, seed=4).plan(2))
    assert first != as_lists(TokenBatches(lengths, 512, seed=5).plan(2))
    assert first != as_lists(TokenBatches(lengths, 512, seed=4).plan(3))
    # Not only the order changes: others stand beside each other.
    assert sorted(map(sorted, first)) != sorted(
        map(sorted, as_lists(TokenBatches(lengths, 512, seed=4).plan(3)))
    )


def test_without_shuffling_all_epochs_are_alike(lengths):
    plan = TokenBatches(lengths, 512, shuffle=False)
    assert as_lists(plan.plan(0)) == as_lists(plan.plan(7))


def test_the_stream_goes_on_where_it_stopped(lengths):
    plan = TokenBatches(lengths, 512, seed=1)
    whole = as_lists(itertools.islice(plan.stream(), 3 * len(plan) + 5))
    assert whole[: len(plan)] == as_lists(plan.plan(0))
    for step in (1, len(plan) - 1, len(plan), 2 * len(plan) + 3):
        rest = itertools.islice(plan.stream(step), len(whole) - step)
        assert as_lists(rest) == whole[step:]


def test_dataset_is_one_pass_or_the_stream(lengths):
    import tensorflow as tf

    plan = TokenBatches(lengths, 512)
    signature = tf.TensorSpec([None], tf.int64)

    def double(rows):
        return 2 * rows

    once = batch_dataset(plan, double, signature)
    assert once.cardinality() == len(plan)
    found = [batch.tolist() for batch in once.as_numpy_iterator()]
    assert found == [(2 * rows).tolist() for rows in plan.plan(0)]
    endless = batch_dataset(plan, double, signature, first_step=len(plan) - 2)
    assert endless.cardinality() == tf.data.INFINITE_CARDINALITY
    batches = endless.take(5).as_numpy_iterator()
    expected = itertools.islice(plan.stream(len(plan) - 2), 5)
    assert [batch.tolist() for batch in batches] == [(2 * rows).tolist() for rows in expected]


def test_errors():
    with pytest.raises(ValueError, match="lengths expected at least one example. Received: none"):
        TokenBatches([], 10)
    with pytest.raises(ValueError, match="positive integer. Received: tokens_per_batch=0"):
        TokenBatches([1], 0)
    with pytest.raises(ValueError, match="positive integer. Received: batch_size=0"):
        TokenBatches([1], 10, batch_size=0)


def test_an_epoch_may_have_lengths_of_its_own(lengths):
    lengths = lengths[:, None]
    plan = TokenBatches(lengths, 512)
    same = plan.plan(1, lengths)
    assert as_lists(same) == as_lists(plan.plan(1))
    others = np.random.default_rng(5).permutation(lengths)
    batches = plan.plan(1, others)
    assert [len(rows) for rows in batches] == [len(rows) for rows in same]
    assert sorted(np.concatenate(batches).tolist()) == list(range(700))
    # The same lengths on other examples: as tight as before.
    assert all(len(rows) * others[rows].max() <= 512 for rows in batches)


def test_buckets_are_eighths_of_the_next_power_of_two():
    buckets = [*range(9), 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160]
    lengths = np.arange(161)
    expected = [min(bucket for bucket in buckets if bucket >= length) for length in lengths]
    assert bucket_lengths(lengths).tolist() == expected
    assert bucket_lengths(lengths.reshape(7, 23)).shape == (7, 23)


def test_no_bucket_is_longer_than_the_longest_sequence():
    assert bucket_lengths([9, 33, 35, 36], longest=36).tolist() == [10, 36, 36, 36]


def test_buckets_make_few_shapes_of_many(lengths):
    def shapes(lengths):
        plan = TokenBatches(lengths, 512).plan(0)
        return {(len(rows), lengths[rows].max()) for rows in plan}

    # One number of rows for each bucket, and another where a batch has its first of the next.
    assert len(shapes(bucket_lengths(lengths))) <= 2 * len(set(bucket_lengths(lengths)))
    padded = bucket_lengths(lengths).sum() / lengths.sum()
    assert 1 < padded < 1.1


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64", "int8", "int64"])
def test_buckets_of_any_kind_of_integer(dtype):
    assert bucket_lengths(np.array([0, 7, 9, 33, 100], dtype)).tolist() == [0, 7, 10, 40, 112]


def test_buckets_of_very_long_ones():
    lengths = np.array([2**31, 2**40, 2**40 + 1])
    assert bucket_lengths(lengths).tolist() == [2**31, 2**40, 2**40 + 2**38]


def test_another_seed_is_not_another_epoch():
    def plan(seed, epoch):
        batches = TokenBatches(np.full(50, 3), tokens_per_batch=9, seed=seed)
        return [rows.tolist() for rows in batches.plan(epoch)]

    plans = [plan(seed, epoch) for seed in range(3) for epoch in range(3)]
    assert all(one != other for place, one in enumerate(plans) for other in plans[:place])
