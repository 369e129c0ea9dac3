"""Which tokens are masked: how many, which never, and with what in their place."""

import numpy as np
import pytest

from keras_tx.training import TokenMasking, word_beginnings

MASK = 40
IDS = np.random.default_rng(0).integers(4, 40, (50, 100)).astype("int32")


def masking(**changes):
    return TokenMasking(**{"mask_id": MASK, "vocabulary_size": 40, **changes})


def draw(ids, seed=0, **changes):
    return masking(**changes)(np.asarray(ids), np.random.default_rng(seed))


def test_the_labels_are_what_stood_at_the_positions():
    seen, positions, labels = draw(IDS)
    assert positions.shape == labels.shape == (50, 15)
    np.testing.assert_array_equal(np.take_along_axis(IDS, positions, axis=1), labels)
    assert (np.diff(positions, axis=1) > 0).all()  # In order, and none twice.
    elsewhere = np.ones_like(IDS, bool)
    np.put_along_axis(elsewhere, positions, False, axis=1)
    np.testing.assert_array_equal(seen[elsewhere], IDS[elsewhere])
    assert {array.dtype for array in (seen, positions, labels)} == {np.dtype("int32")}


def test_eight_in_ten_are_masked_one_is_random_and_one_stays():
    shares = []
    for seed in range(10):
        seen, positions, labels = draw(IDS, seed)
        found = np.take_along_axis(seen, positions, axis=1)
        stays = found == labels
        shares.append([(found == MASK).mean(), stays.mean()])
        assert (found[found != MASK] >= 4).all()  # No special id is drawn.
        assert (found[found != MASK] < 40).all()
    masked, stays = np.mean(shares, axis=0)
    assert abs(masked - 0.8) < 0.02
    assert abs(stays - (0.1 + 0.1 / 36)) < 0.015  # One random token in 36 is the same.


def test_the_other_shares_can_be_chosen():
    seen, positions, labels = draw(IDS, rate=0.4, mask_fraction=0.0, random_fraction=0.0)
    assert positions.shape == (50, 40)
    np.testing.assert_array_equal(seen, IDS)
    seen, positions, labels = draw(IDS, mask_fraction=1.0, random_fraction=0.0)
    assert (np.take_along_axis(seen, positions, axis=1) == MASK).all()


def test_special_ids_are_never_masked():
    ids = np.tile([2, 5, 1, 6, 3, 7, 3, 0, 0, 0], (200, 2))
    seen, positions, labels = draw(ids, rate=0.2)
    assert set(np.unique(labels)) <= {0, 5, 6, 7}
    special = np.isin(ids, [0, 1, 2, 3])
    np.testing.assert_array_equal(seen[special], ids[special])
    # A fifth of 6 ordinary tokens is 1; the row's 4 places hold nothing else.
    assert ((labels != 0).sum(axis=1) == 1).all()
    assert (positions[labels == 0] == 0).all()


def test_each_position_is_as_likely_as_any_other():
    counts = np.zeros(20)
    ids = np.full((100, 20), 9)
    for seed in range(30):
        _, positions, _ = draw(ids, seed)
        counts += np.bincount(positions.ravel(), minlength=20)
    assert (abs(counts / counts.mean() - 1) < 0.25).all()  # 450 each, 4.5 % standard deviation.


def test_rows_without_ordinary_tokens_and_short_rows():
    seen, positions, labels = draw([[3, 0, 0], [2, 3, 0]])
    np.testing.assert_array_equal(seen, [[3, 0, 0], [2, 3, 0]])
    np.testing.assert_array_equal(labels, [[0], [0]])
    seen, positions, labels = draw([[5, 3, 0]])  # A share of 0.15 is rounded up to one.
    assert labels.tolist() == [[5]] and positions.tolist() == [[0]]


def test_the_same_seed_draws_the_same_and_another_another():
    first, again, other = draw(IDS, 1), draw(IDS, 1), draw(IDS, 2)
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert (first[1] != other[1]).any()


def test_whole_words_are_masked_together():
    begins = np.zeros(40, bool)
    begins[:20] = True  # From 20 on, pieces that continue a word.
    ids = np.tile([5, 20, 21, 6, 22, 7, 23, 24, 25, 8], (300, 3))
    words = np.cumsum(ids < 20, axis=1)
    seen, positions, labels = draw(ids, rate=0.3, begins_word=begins)
    cut = 0
    for row in range(len(ids)):
        chosen = np.zeros(30, bool)
        chosen[positions[row]] = True
        halves = {word for word in words[row] if 0 < chosen[words[row] == word].mean() < 1}
        cut += len(halves)
        assert len(halves) <= 1  # Only the last word drawn may be cut off, and at its end.
        for word in halves:
            inside = chosen[words[row] == word]
            assert inside[: inside.sum()].all()
        assert chosen.sum() == 9
    assert cut > 0  # Else the lines above have checked nothing.


def test_an_end_id_ends_a_word():
    begins = np.zeros(40, bool)
    # Row after row "20 20 | 20 20": without the end between them this is a single word.
    ids = np.tile([20, 20, 3, 20, 20], (100, 1))
    _, positions, labels = draw(ids, rate=0.5, begins_word=begins)
    assert {tuple(row) for row in positions[:, :2]} == {(0, 1), (3, 4)}


def test_word_beginnings():
    assert word_beginnings(["<unk>", "▁a", "b"]).tolist() == [False, True, False]
    assert word_beginnings(["a", "##b"]).tolist() == [True, False]
    assert word_beginnings(["a", "b"]) is None


@pytest.mark.parametrize("rate", [0, 1, -0.1])
def test_the_rate_is_checked(rate):
    with pytest.raises(ValueError, match="between 0 and 1. Received: rate="):
        masking(rate=rate)


def test_the_other_arguments_are_checked():
    with pytest.raises(ValueError, match="at most 1. Received: mask_fraction=0.8"):
        masking(random_fraction=0.3)
    with pytest.raises(ValueError, match="each of 40 ids. Received: 3"):
        masking(begins_word=np.ones(3, bool))
    with pytest.raises(ValueError, match="not special. Received: vocabulary_size=4"):
        masking(vocabulary_size=4)


def test_a_mask_that_stands_in_the_text_is_not_foretold():
    masking = TokenMasking(mask_id=40, vocabulary_size=40)
    ids = np.where(np.arange(100) % 2, 40, 7)[None].astype("int32")
    _, _, labels = masking(ids, np.random.default_rng(0))
    assert set(labels.ravel().tolist()) <= {0, 7}
