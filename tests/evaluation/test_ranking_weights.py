"""Weights of a ranking: they find what is best, whatever the features' scale."""

import numpy as np
import pytest
import sacrebleu

from keras_tx.evaluation import fit_ranking_weights, ranking_weights

WORDS = "le un chien chat dort mange rouge grand sur sous lit table dans avec et".split()
NUMBER, PROPOSALS, FEATURES = 60, 6, 4


@pytest.fixture(scope="module")
def problem():
    """Proposals with more and more wrong words; a third feature of four says how many."""
    generator = np.random.default_rng(3)
    references, hypotheses, features = [], [], []
    for _ in range(NUMBER):
        words = list(generator.choice(WORDS, 10))
        wrong = generator.permutation(PROPOSALS)
        row = []
        for count in wrong:
            changed = list(words)
            for place in generator.choice(10, count, replace=False):
                changed[place] = "rien"
            row.append(" ".join(changed))
        values = generator.normal(size=(PROPOSALS, FEATURES))
        values[:, 2] = -1000.0 * wrong + 300.0 * generator.normal(size=PROPOSALS)
        values[:, 3] = 7.0  # the same for all: nothing can be learned of it
        references.append(" ".join(words))
        hypotheses.append(row)
        features.append(values)
    return hypotheses, features, references


def bleu(weights, hypotheses, features, references):
    rows = zip(hypotheses, features, strict=True)
    chosen = [row[int(np.argmax(values @ weights))] for row, values in rows]
    return sacrebleu.corpus_bleu(chosen, [references]).score


def test_they_find_the_feature_that_tells(problem):
    start = [1.0, 0.0, 0.0, 0.5]
    weights = fit_ranking_weights(*problem, start)
    told = bleu([0, 0, 1.0, 0], *problem)
    assert bleu(start, *problem) < 60 < 90 < told  # so there is something to be found
    assert bleu(weights, *problem) >= told - 1
    assert weights[2] > 0 and weights[3] == 0.5  # what never differs is left as it was


def test_the_start_is_never_made_worse(problem):
    start = [0.0, 0.0, 1.0, 0.0]
    assert bleu(fit_ranking_weights(*problem, start), *problem) >= bleu(start, *problem)


def test_the_scale_of_a_feature_does_not_matter(problem):
    hypotheses, features, references = problem
    scale = np.array([1e-3, 10.0, 1e4, 1.0])
    first = fit_ranking_weights(*problem, [1.0, 0, 0, 0])
    scaled = [values * scale for values in features]
    second = fit_ranking_weights(hypotheses, scaled, references, [1e3, 0, 0, 0])
    assert bleu(first, *problem) == pytest.approx(bleu(second, hypotheses, scaled, references))


def expected_bleu(weights, values, statistics, there):
    """Its logarithm: each proposal counts as much as it is probable."""
    ranks = np.where(there, np.exp(values @ weights), 0)
    sums = ((ranks / ranks.sum(1, keepdims=True))[..., None] * statistics).sum((0, 1))
    precisions = np.log((sums[:4] + 1) / (sums[4:8] + 1)).mean()
    return precisions + min(0, 1 - sums[9] / sums[8])


@pytest.mark.parametrize("longer", [0.7, 1.3])  # than the references: without brevity penalty
def test_the_gradient_is_that_of_the_expected_bleu(longer):
    generator = np.random.default_rng(4)
    values, there = generator.normal(size=(5, 3, 2)), np.ones((5, 3), bool)
    statistics = generator.uniform(1, 9, size=(5, 3, 10))
    statistics[..., 9] = statistics[:, :1, 9]  # a text's proposals have the same reference
    statistics[..., 8] = statistics[..., 9] * longer * generator.uniform(0.9, 1.1, size=(5, 3))
    there[2, 1:] = False
    statistics[2, 1:], values[2, 1:] = 0, 0
    weights, small = np.array([0.3, -0.8]), 1e-6
    slopes = [
        (
            expected_bleu(weights + move, values, statistics, there)
            - expected_bleu(weights - move, values, statistics, there)
        )
        / (2 * small)
        for move in np.eye(2) * small
    ]
    found = ranking_weights._gradient(weights, values, statistics, there)
    np.testing.assert_allclose(found, slopes, rtol=1e-5)


def test_errors():
    with pytest.raises(ValueError, match="as many rows, one or more. Received: 0, 0 and 0"):
        fit_ranking_weights([], [], [], [1.0])
    with pytest.raises(ValueError, match="as many rows, one or more. Received: 1, 0 and 1"):
        fit_ranking_weights([["a"]], [], ["a"], [1.0])
    with pytest.raises(ValueError, match=r"shape \(1, 2\) for 1 hypotheses and 1 weights"):
        fit_ranking_weights([["a"]], [np.ones((1, 2))], ["a"], [1.0])
    with pytest.raises(ValueError, match=r"shape \(0, 1\) for 0 hypotheses and 1 weights"):
        fit_ranking_weights([[]], [np.ones((0, 1))], ["a"], [1.0])
