"""The linear classifier: numbers by hand, and a minimum that nothing near it is below."""

import numpy as np
import pytest

from keras_tx.data import TokenSequences
from keras_tx.training import fit_linear_svm, fit_naive_bayes_svm, log_count_ratios


def drawn(examples=40, num_features=12, seed=0):
    """Random sets of features; one with none. The class hangs on features 1 and 2."""
    generator = np.random.default_rng(seed)
    rows = [np.flatnonzero(generator.random(num_features) < 0.4) for _ in range(examples)]
    rows[3] = np.zeros(0, int)
    belongs = np.array([(1 in row) + generator.normal(0, 0.3) > (2 in row) for row in rows])
    return TokenSequences([(row, [len(row)]) for row in rows]), belongs


def matrix(features, num_features):
    dense = np.zeros((len(features), num_features))
    for number, (start, length) in enumerate(zip(features.starts, features.lengths, strict=True)):
        dense[number, features.values[start : start + length]] = 1 / max(length, 1) ** 0.5
    return dense


def test_ratios_by_hand():
    # Feature 0 stands in two of the class and one other; 1 in one; 2 in one other.
    features = TokenSequences([([0, 1, 0, 0, 2], [2, 1, 2])])
    ratios = log_count_ratios(features, [True, True, False], 4, smoothing=0.5)
    inside, outside = np.array([2.5, 1.5, 0.5, 0.5]) / 5, np.array([1.5, 0.5, 1.5, 0.5]) / 4
    np.testing.assert_allclose(ratios, np.log(inside / outside), rtol=1e-6)


@pytest.mark.parametrize("costs", [None, np.where(np.arange(40) % 3, 0.5, 4.0)])
def test_nothing_near_the_found_weights_is_better(costs):
    features, belongs = drawn()
    counts = 1 if costs is None else costs
    scale = np.random.default_rng(1).uniform(0.5, 2, 12) * np.where(np.arange(12) % 2, 1, -1)
    dense, signs = matrix(features, 12) * scale, np.where(belongs, 1, -1)
    factor = (dense**2).sum(axis=1).mean() ** -0.5
    dense *= factor

    def objective(weights, bias):
        losses = np.maximum(0, 1 - signs * (dense @ weights + bias)) ** 2
        return (weights @ weights + bias**2) / 2 + 3.0 * (counts * losses).sum()

    folded, bias = fit_linear_svm(features, belongs, scale, 3.0, 300, weights=costs, tolerance=1e-9)
    weights = folded / scale / factor
    found = objective(weights, bias)
    for number in range(13):  # Each weight, and the bias, a little up and down.
        for change in (-0.01, 0.01):
            step = change * (np.arange(13) == number)
            assert objective(weights + step[:12], bias + step[12]) > found
    few, few_bias = fit_linear_svm(features, belongs, scale, cost=3.0, epochs=20, weights=costs)
    assert found < objective(few / scale / factor, few_bias) < 1.2 * found


def test_two_classes_have_one_machine():
    features, belongs = drawn()
    weights, biases = fit_naive_bayes_svm(features, belongs.astype(int), 2, 12)
    ratios = log_count_ratios(features, belongs, 12)
    alone, bias = fit_linear_svm(features, belongs, ratios)
    np.testing.assert_array_equal(weights, alone[:, None])
    np.testing.assert_array_equal(biases, np.array([bias], "float32"))
    margins = matrix(features, 12) @ weights[:, 0] + biases[0]
    assert np.mean((margins > 0) == belongs) > max(belongs.mean(), 1 - belongs.mean()) + 0.1
    assert weights[1, 0] > 0 > weights[2, 0]


def test_several_classes_have_a_machine_each():
    features, belongs = drawn()
    labels = np.where(belongs, 2, np.arange(len(belongs)) % 2)
    weights, biases = fit_naive_bayes_svm(features, labels, 3, 12, cost=2.0)
    assert weights.shape == (12, 3) and biases.shape == (3,)
    ratios = log_count_ratios(features, labels == 2, 12)
    alone, bias = fit_linear_svm(features, labels == 2, ratios, cost=2.0)
    np.testing.assert_array_equal(weights[:, 2], alone)
    assert biases[2] == np.float32(bias)


def test_labels_that_do_not_exclude_each_other_have_a_machine_each():
    features, belongs = drawn()
    labels = np.stack([belongs, np.arange(40) % 2 == 0], axis=1).astype(int)
    costs = np.where(labels, [2.0, 3.0], 1.0)
    weights, biases = fit_naive_bayes_svm(features, labels, 2, 12, weights=costs)
    assert weights.shape == (12, 2)
    for number in range(2):
        there = labels[:, number] == 1
        ratios = log_count_ratios(features, there, 12)
        alone, bias = fit_linear_svm(features, there, ratios, weights=costs[:, number])
        np.testing.assert_array_equal(weights[:, number], alone)
        assert biases[number] == np.float32(bias)


def test_the_size_of_the_scale_does_not_count():
    features, belongs = drawn()
    scale = np.random.default_rng(1).uniform(0.5, 2, 12)
    small, small_bias = fit_linear_svm(features, belongs, scale / 1000)
    large, large_bias = fit_linear_svm(features, belongs, scale * 1000)
    np.testing.assert_allclose(small, large, rtol=1e-4)
    assert small_bias == pytest.approx(large_bias, rel=1e-4)
    nothing, bias = fit_linear_svm(features, np.ones(40, bool), np.zeros(12))
    assert not nothing.any() and bias > 0.9


def test_features_that_never_occur_have_no_weight():
    features, belongs = drawn()
    weights, _ = fit_linear_svm(features, belongs, np.ones(20))
    assert (weights[12:] == 0).all() and (weights[:12] != 0).all()


def test_errors():
    features, belongs = drawn()
    with pytest.raises(ValueError, match="Received: 3 labels, 40 examples"):
        log_count_ratios(features, belongs[:3], 12)
    with pytest.raises(ValueError, match="Received: 3 labels, 40 examples"):
        fit_linear_svm(features, belongs[:3], np.ones(12))
    with pytest.raises(ValueError, match="smoothing expected a number above 0.*smoothing=0"):
        log_count_ratios(features, belongs, 12, smoothing=0)
    with pytest.raises(ValueError, match="cost expected a number above 0.*cost=-1"):
        fit_linear_svm(features, belongs, np.ones(12), cost=-1)
