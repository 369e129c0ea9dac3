"""Hypotheses of pieces against all combinations."""

import itertools

import numpy as np
import pytest

from keras_tx.models import Hypothesis
from keras_tx.serving.joined_hypotheses import join_hypotheses
from keras_tx.text import SplitText


@pytest.mark.parametrize("count", [1, 4, 100])
@pytest.mark.parametrize("sizes", [(3,), (2, 3), (4, 1, 3)], ids=str)
def test_the_best_of_all_combinations(count, sizes):
    generator = np.random.default_rng(len(sizes))
    found = [
        sorted(
            (
                Hypothesis(f"{piece}.{number}", *generator.normal(size=2).tolist())
                for number in range(size)
            ),
            key=lambda one: -one.score,
        )
        for piece, size in enumerate(sizes)
    ]
    split = SplitText(tuple("abc"[: len(sizes)]), ("<", *"|" * (len(sizes) - 1), ">"))
    every = sorted(itertools.product(*found), key=lambda parts: -sum(one.score for one in parts))
    joined = join_hypotheses(split, found, count)
    assert [one.text for one in joined] == [
        f"<{'|'.join(part.text for part in parts)}>" for parts in every[:count]
    ]
    for one, parts in zip(joined, every, strict=False):
        assert one.score == pytest.approx(sum(part.score for part in parts))
        assert one.log_probability == pytest.approx(sum(part.log_probability for part in parts))


def test_a_text_without_pieces_stays():
    assert join_hypotheses(SplitText((), ("\n",)), [], 3) == [Hypothesis("\n", 0.0, 0.0)]
