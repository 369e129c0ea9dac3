"""Posteriors of n-grams, by hand and against a slow twin."""

import numpy as np
import pytest

from keras_tx.evaluation import ngram_posteriors

HYPOTHESES = ["un chien dort , un chien", "un chat dort .", "", "le chien"]
PROBABILITIES = [0.4, 0.3, 0.2, 0.1]


def slow_twin(hypotheses, probabilities, max_order):
    """For each position of each hypothesis, how probable are those that have that n-gram."""
    rows = [hypothesis.split() for hypothesis in hypotheses]

    def has(row, ngram):
        return any(row[i : i + len(ngram)] == ngram for i in range(len(row)))

    return [
        [
            sum(
                p
                for start in range(len(row) - order + 1)
                for other, p in zip(rows, probabilities, strict=True)
                if has(other, row[start : start + order])
            )
            for order in range(1, max_order + 1)
        ]
        for row in rows
    ]


def test_by_hand():
    sums = ngram_posteriors(["a b", "a c", "a b d"], [0.5, 0.25, 0.25], max_order=2)
    # "a" is in all, "b" in the first and the third, "c" and "d" in one each.
    assert sums.tolist() == [[1.75, 0.75], [1.25, 0.25], [2.0, 1.0]]


def test_as_a_slow_twin_finds_them():
    sums = ngram_posteriors(HYPOTHESES, PROBABILITIES, max_order=3)
    np.testing.assert_allclose(sums, slow_twin(HYPOTHESES, PROBABILITIES, 3), atol=1e-12)


def test_all_are_equally_probable_unless_told_otherwise():
    np.testing.assert_allclose(
        ngram_posteriors(HYPOTHESES), slow_twin(HYPOTHESES, [0.25] * 4, 4), atol=1e-12
    )


def test_words_are_those_of_sacrebleu():
    # "dort." is cut in two, so that both have the word "dort".
    assert ngram_posteriors(["dort.", "dort"], max_order=1).tolist() == [[1.5], [1.0]]


def test_errors():
    with pytest.raises(ValueError, match="one for each of 2 hypotheses. Received: 1"):
        ngram_posteriors(["a", "b"], [1.0])
