"""Distributions over token sequences, and slow searches in plain Python, for the decoding tests.

NumPy and `keras.ops` only: the same tests run on TensorFlow and on JAX.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import ops

from keras_tx.decoding import beam_search, gather_beams

END = 3
NOTHING = -1e9
PUSH = 100.0  # A constant more on all logits changes no probability: scores must be normalized.


class Tree:
    """A distribution of its own for the next token after each beginning of each row.

    The start is id 0. A beginning is a number whose digits are its ids.
    """

    def __init__(self, logits: np.ndarray) -> None:
        self.logits = logits.astype("float32")  # (B, L, number of beginnings, N)
        self.rows, self.depth, self.beginnings, self.size = logits.shape
        exact = self.logits.astype("float64")
        shifted = exact - exact.max(axis=-1, keepdims=True)
        self.log_probabilities = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))

    @classmethod
    def random(cls, rows, size=4, depth=4, seed=0, scale=1.5, end=0.0) -> Tree:
        shape = (rows, depth, size ** (depth - 1), size)
        logits = np.random.default_rng(seed).normal(PUSH, scale, shape)
        logits[..., END] += end
        return cls(logits)

    @classmethod
    def worked(cls, probabilities: dict[tuple, list[float]], depth: int) -> Tree:
        """From the probabilities after each beginning that matters; elsewhere END is sure."""
        size = len(next(iter(probabilities.values())))
        table = np.full((1, depth, size ** (depth - 1), size), 1e-12)
        table[..., END] = 1.0
        for beginning, row in probabilities.items():
            table[0, len(beginning), cls._number(beginning, size)] = np.maximum(row, 1e-12)
        return cls(np.log(table))

    @staticmethod
    def _number(ids, size) -> int:
        number = 0
        for token in ids:
            number = number * size + int(token)
        return number

    def of(self, *rows: int) -> Tree:
        return Tree(self.logits[list(rows)])

    def after(self, row: int, ids) -> np.ndarray:
        """Log-probabilities `(N,)` of what comes after `ids`."""
        return self.log_probabilities[row, len(ids), self._number(ids, self.size)]

    @property
    def starts(self) -> np.ndarray:
        return np.zeros(self.rows, "int32")

    def _logits(self, number, index, row):
        places = (row[:, None] * self.depth + index) * self.beginnings + number
        return ops.take(ops.reshape(self.logits, (-1, self.size)), places, axis=0)

    def _row(self):
        return ops.arange(self.rows, dtype="int32")

    # With a state that has to follow the hypotheses.

    def moved_state(self, beams: int = 1):
        return {"row": self._row(), "number": ops.zeros((self.rows, beams), "int32")}

    def moved_step(self, ids, index, state, origins):
        number = state["number"] * self.size + ids  # The start is a leading zero.
        return self._logits(number, index, state["row"]), {**state, "number": number}

    @staticmethod
    def reorder(state, beams):
        return {**state, "number": gather_beams(state["number"], beams)}

    # With a memory that never moves: what was read when, and in which beam's place.

    def slots_state(self, beams: int):
        return {"row": self._row(), "slots": ops.zeros((self.rows, self.depth, beams), "int32")}

    def slots_step(self, ids, index, state, origins):
        now = ops.arange(self.depth)[:, None] == index
        slots = ops.where(now, ids[:, None], state["slots"])  # (B, L, K)
        number = ops.zeros_like(ids)
        for time in range(min(self.depth, origins.shape[2])):
            read = ops.take_along_axis(slots[:, time], origins[:, :, time], axis=1)
            number = ops.where(time <= index, number * self.size + read, number)
        return self._logits(number, index, state["row"]), {**state, "slots": slots}


def greedy(after: Callable, bound: int, forbidden: Callable = lambda ids: ()):
    """The ids and the sum of their log-probabilities; `after(ids)` gives those of the next."""
    ids: list[int] = []
    total = 0.0
    while len(ids) < bound and END not in ids:
        following = after(ids)
        allowed = following.copy()
        allowed[list(forbidden(ids))] = -np.inf
        ids = [*ids, int(allowed.argmax())]
        total += following[ids[-1]]
    return ids, total


def beam(
    after: Callable,
    bound: int,
    size: int,
    penalty: Callable,
    stop: str = "never",
    wanted: int = 1,
    forbidden: Callable = lambda ids: (),
    extra: Callable = lambda ids: 0.0,
):
    """All that has finished as (score, sum, ids), the best first, and the number of steps.

    Of the `size` best continuations those that end, or may grow no more, are registered;
    the `size` best of those that do not end go on. `"never"` stops at the bound only,
    `"count"` when as many as the beam holds have finished (CTranslate2's rule), `"safe"`
    when no live one can come among the `wanted` best.
    """
    live: list[tuple[float, list[int]]] = [(0.0, [])]
    finished: list[tuple[float, float, list[int]]] = []
    steps = 0
    while steps < bound:
        steps += 1
        candidates = []
        for total, ids in live:
            following = after(ids)
            for token in set(range(len(following))) - set(forbidden(ids)):
                candidates.append((total + following[token], [*ids, token]))
        candidates = sorted(candidates, key=lambda one: -one[0])[: 2 * size]
        for total, ids in candidates[:size]:
            if ids[-1] == END or steps == bound:
                finished.append((total / penalty(steps) + extra(ids), total, ids))
        finished.sort(key=lambda one: -one[0])
        live = [one for one in candidates if one[1][-1] != END][:size]
        if stop == "count" and len(finished) >= size:
            break
        if stop == "safe" and len(finished) >= wanted:
            if not live or finished[wanted - 1][0] >= live[0][0] / penalty(bound):
                break
    return finished, steps


def exhaustive(after: Callable, bound: int, penalty: Callable):
    """Every sequence that ends or reaches the bound as (score, sum, ids), the best first."""
    found: list[tuple[float, float, list[int]]] = []
    live: list[tuple[float, list[int]]] = [(0.0, [])]
    for length in range(1, bound + 1):
        grown = [
            (total + value, [*ids, token])
            for total, ids in live
            for token, value in enumerate(after(ids))
        ]
        live = [one for one in grown if one[1][-1] != END]
        done = grown if length == bound else [one for one in grown if one[1][-1] == END]
        found += [(total / penalty(length), total, ids) for total, ids in done]
    return sorted(found, key=lambda one: -one[0])


def penalty_by_hand(penalty) -> Callable:
    """The penalty of a length in plain Python."""
    if penalty.kind == "average":
        return lambda length: length**penalty.exponent
    return lambda length: ((5 + length) / 6) ** penalty.exponent


def check_row(found, row: int, expected: list) -> None:
    """One row of a result is the slow twin's, a list of (score, sum, ids)."""
    ids, lengths, scores, sums = (part[row] for part in found)
    for place, (score, total, tokens) in enumerate(expected[: len(ids)]):
        assert ids[place, : lengths[place]].tolist() == tokens
        assert not ids[place, lengths[place] :].any()
        np.testing.assert_allclose(scores[place], score, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(sums[place], total, rtol=1e-4, atol=1e-4)
    for place in range(len(expected), len(ids)):
        assert lengths[place] == 0 and not ids[place].any()
        assert scores[place] <= NOTHING / 2 and sums[place] <= NOTHING / 2


@pytest.fixture
def tree() -> type[Tree]:
    """Makes distributions: `tree.random(rows)`, `tree.worked({(): [0.1, …]}, depth)`."""
    return Tree


@pytest.fixture
def search_greedily() -> Callable:
    return greedy


@pytest.fixture
def search_beams() -> Callable:
    return beam


@pytest.fixture
def search_all() -> Callable:
    return exhaustive


@pytest.fixture
def arrays() -> Callable:
    """The parts of a result as NumPy arrays."""
    return lambda found: [ops.convert_to_numpy(part) for part in found]


@pytest.fixture
def find(arrays) -> Callable:
    """A beam search over a tree, once with each kind of state, and once without the rows that
    are done, where that is possible; the results are the same."""
    shrink = keras.backend.backend() == "tensorflow"

    def run(tree: Tree, bounds, beam_size: int, **arguments):
        common = (tree.starts, END, np.asarray(bounds, "int32"), beam_size)
        moved = (tree.moved_step, tree.moved_state(beam_size), *common)
        plain = arrays(beam_search(*moved, reorder=tree.reorder, **arguments))
        if arguments.get("coverage_penalty"):
            again = beam_search(*moved, reorder=tree.reorder, shrink=shrink, **arguments)
        else:
            slots = (tree.slots_step, tree.slots_state(beam_size), *common)
            again = beam_search(*slots, shrink=shrink, **arguments)
        for one, other in zip(plain, arrays(again), strict=True):
            np.testing.assert_array_equal(one, other)
        return plain

    return run


@pytest.fixture
def by_hand() -> Callable:
    return penalty_by_hand


@pytest.fixture
def assert_row() -> Callable:
    return check_row
