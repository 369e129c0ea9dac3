"""What may not be chosen, against slow twins, and in the searches.

NumPy and `keras.ops` only: the same tests run on TensorFlow and on JAX.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from keras_tx.decoding import (
    Constraint,
    ForcedPrefix,
    LengthPenalty,
    MinimumLength,
    NoRepeatedNGrams,
    SuppressTokens,
    greedy_search,
)

END = 3
SIZE = 4


@pytest.fixture
def forbidden_by(arrays):
    """The sets of ids that a constraint forbids, for each row and beam; it changes no other."""

    def look(constraint, index, ids, rows=2, beams=3):
        logits = np.random.default_rng(0).normal(size=(rows, beams, SIZE)).astype("float32")
        (got,) = arrays([constraint(logits, index, ids)])
        changed = got != logits
        assert (got[changed] == -1e9).all()
        return [[set(np.flatnonzero(row).tolist()) for row in beam] for beam in changed]

    return look


def repeating(ids, size):
    """The ids that would complete an n-gram a second time."""
    grams = {tuple(ids[start : start + size]) for start in range(len(ids) - size + 1)}
    return {token for token in range(SIZE) if tuple([*ids, token][-size:]) in grams}


def test_a_rule_of_ones_own(forbidden_by):
    class NotAgain(Constraint):
        """Not the id that each row names."""

        def apply(self, logits, index, ids, rows):
            here = np.arange(SIZE) == rows[:, None]
            return ops.where(here[:, None], -1e9, logits)

    rule = NotAgain(np.array([2, 0]))
    assert forbidden_by(rule, 0, None) == [[{2}] * 3, [{0}] * 3]
    # For the rows that a search still follows, it gets their part.
    got = ops.convert_to_numpy(rule(np.zeros((1, 1, SIZE), "float32"), 0, None, rule.rows[1:]))
    assert got[0, 0].tolist() == [-1e9, 0, 0, 0]
    with pytest.raises(NotImplementedError):
        Constraint()(np.zeros((1, 1, SIZE), "float32"), 0, None)


def test_suppressed_tokens(forbidden_by):
    assert forbidden_by(SuppressTokens([2, 0]), 0, None) == [[{0, 2}] * 3] * 2
    assert forbidden_by(SuppressTokens([]), 0, None) == [[set()] * 3] * 2


def test_the_MinimumLength(forbidden_by):
    for index in range(4):  # The row gets its id number index + 1.
        too_short = {END} if index + 1 < 3 else set()
        assert forbidden_by(MinimumLength(END, 3), index, None) == [[too_short] * 3] * 2
        of_each = [{END} if index + 1 < least else set() for least in (0, 2)]
        found = forbidden_by(MinimumLength(END, np.array([0, 2])), index, None)
        assert found == [[of_each[0]] * 3, [of_each[1]] * 3]


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_no_ngram_twice(size, forbidden_by):
    ids = np.random.default_rng(size).integers(0, SIZE if size == 1 else 2, (2, 3, 9))
    some = 0
    for index in range(10):
        found = forbidden_by(NoRepeatedNGrams(size), index, ids)
        expected = [[repeating(row[:index].tolist(), size) for row in beams] for beams in ids]
        assert found == expected
        some += any(expected[0])
    assert some >= 2
    with pytest.raises(ValueError, match="size expected a positive integer. Received: size=0"):
        NoRepeatedNGrams(0)


def test_a_prefix(forbidden_by):
    constraint = ForcedPrefix(np.array([[3, 2, 1], [0, 9, 9]]), np.array([3, 1]))
    everything = set(range(SIZE))
    for index, wished in enumerate([(3, 0), (2, None), (1, None), (None, None), (None, None)]):
        expected = [everything - {one} if one is not None else set() for one in wished]
        assert forbidden_by(constraint, index, None) == [[expected[0]] * 3, [expected[1]] * 3]


def test_other_rules_hold_behind_a_prefix(forbidden_by):
    rules = [SuppressTokens([1]), SuppressTokens([2])]
    constraint = ForcedPrefix(np.array([[1], [0]]), np.array([1, 0]), otherwise=rules)
    assert forbidden_by(constraint, 0, None) == [[{0, 2, 3}] * 3, [{1, 2}] * 3]
    assert forbidden_by(constraint, 1, None) == [[{1, 2}] * 3] * 2


def test_prefixes_without_tokens(forbidden_by):
    constraint = ForcedPrefix(np.zeros((2, 1), "int32"), np.array([0, 0]))
    assert forbidden_by(constraint, 0, None) == [[set()] * 3] * 2


PREFIXES = [[1, 2], [2], [], [0, 0, 0, 1], [2, END], [END, 1]] * 5


def wish(ids, row):
    prefix = PREFIXES[row]
    if len(ids) < len(prefix):
        return set(range(SIZE)) - {prefix[len(ids)]}
    return {2, END} if len(ids) + 1 < row % 4 else {2}


# In a whole search: the constraint, and the ids that it forbids after some ids of a row.
SEARCHES = {
    "ngrams of 1": (NoRepeatedNGrams(1), lambda ids, row: repeating(ids, 1)),
    "ngrams of 2": (NoRepeatedNGrams(2), lambda ids, row: repeating(ids, 2)),
    "minimum": (MinimumLength(END, 3), lambda ids, row: {END} if len(ids) < 2 else ()),
    "minimum of each row": (
        MinimumLength(END, np.arange(30) % 5 + 2),
        lambda ids, row: {END} if len(ids) + 1 < row % 5 + 2 else (),
    ),
    "prefix": (
        ForcedPrefix(
            np.array([[*prefix, 0, 0, 0, 0][:4] for prefix in PREFIXES]),
            np.array([len(prefix) for prefix in PREFIXES]),
            otherwise=[SuppressTokens([2]), MinimumLength(END, np.arange(30) % 4)],
        ),
        wish,
    ),
}
each_search = pytest.mark.parametrize(
    ("constraint", "forbidden"), SEARCHES.values(), ids=SEARCHES.keys()
)


@each_search
def test_in_greedy_search(constraint, forbidden, tree, arrays, search_greedily):
    model, bounds = tree.random(30, SIZE, 6, seed=1, end=-2.0), np.arange(30) % 7
    shrink = keras.backend.backend() == "tensorflow"
    found = greedy_search(
        model.moved_step, model.moved_state(), model.starts, END, bounds,
        constraints=[constraint], shrink=shrink,
    )  # fmt: skip
    ids, lengths, scores = arrays(found)
    changed = 0
    for row, bound in enumerate(bounds):
        after = lambda ids, row=row: model.after(row, ids)  # noqa: E731
        expected, total = search_greedily(after, bound, lambda ids, row=row: forbidden(ids, row))
        assert ids[row, : lengths[row]].tolist() == expected
        np.testing.assert_allclose(scores[row], total, atol=1e-4)
        changed += expected != search_greedily(after, bound)[0]
    assert changed > 2


@each_search
def test_in_beam_search(constraint, forbidden, tree, find, search_beams):
    model, bounds = tree.random(30, SIZE, 6, seed=2, end=-2.0), np.arange(30) % 7
    arguments = {"length_penalty": LengthPenalty(0.0), "num_hypotheses": 2}
    ids, lengths, _, sums = find(model, bounds, 3, constraints=[constraint], **arguments)
    changed = 0
    for row, bound in enumerate(bounds):
        if bound == 0:
            continue
        search = (lambda ids, row=row: model.after(row, ids), int(bound), 3, lambda length: 1)
        expected, _ = search_beams(*search, forbidden=lambda ids, row=row: forbidden(ids, row))
        # A wish may leave one hypothesis only.
        for place, (_, total, tokens) in enumerate(expected[:2]):
            assert ids[row, place, : lengths[row, place]].tolist() == tokens
            np.testing.assert_allclose(sums[row, place], total, atol=1e-4)
        assert (lengths[row] > 0).sum() == min(len(expected), 2)
        changed += expected[0] != search_beams(*search)[0][0]
    assert changed > 2


def test_one_length_for_all_may_be_of_numpy():
    logits = np.ones((2, 1, 3), "float32")
    for length in (3, np.int64(3), np.array([3, 3])):
        found = np.asarray(MinimumLength(2, length)(logits, 1, None))
        assert (found[..., 2] < 0).all() and (found[..., :2] == 1).all()
