"""Weights of scores: a minimum, and what it must be where that can be told."""

import numpy as np
import pytest

from keras_tx.training import fit_score_weights


def drawn(count=4000, classes=3, seed=0):
    """Logits, and labels drawn from the distribution that they stand for."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 1.5, (count, classes))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (generator.random((count, 1)) > chances.cumsum(axis=1)).sum(axis=1)
    return logits, labels.clip(0, classes - 1)


def loss(weights, scores, labels):
    logits = np.einsum("nsc,s->nc", scores, weights)
    return (np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels]).sum()


def test_scores_that_are_too_sure_are_scaled_back():
    logits, labels = drawn()
    found = fit_score_weights(logits[:, None] * 4, labels)
    np.testing.assert_allclose(found, [0.25], atol=0.02)


def test_parts_that_add_up_to_the_logits_get_back_their_scales():
    logits, labels = drawn(20_000)
    part = np.random.default_rng(1).normal(size=logits.shape)
    found = fit_score_weights(np.stack([part / 2, (logits - part) * 2], axis=1), labels)
    np.testing.assert_allclose(found, [2, 0.5], rtol=0.1)


def test_nothing_near_is_better_and_the_prior_holds_back():
    logits, labels = drawn(200)
    scores = np.stack([logits * 5, -logits, logits[:, ::-1]], axis=1)
    scores[:, 1] += np.random.default_rng(2).normal(size=logits.shape)
    found = fit_score_weights(scores, labels, prior=2.0)

    def objective(weights):
        return loss(weights, scores, labels) + ((weights - 1) ** 2).sum()

    for number in range(3):
        for change in (-0.01, 0.01):
            step = change * (np.arange(3) == number)
            assert objective(found + step) > objective(found)
    np.testing.assert_allclose(fit_score_weights(scores, labels, prior=1e9), 1, atol=1e-4)


def test_a_weight_counts_as_often_as_the_example():
    logits, labels = drawn(200)
    scores = np.stack([logits * 3, logits[:, ::-1]], axis=1)
    weights = np.where(labels == 1, 3, 1)
    rows = np.repeat(np.arange(200), weights)
    found = fit_score_weights(scores, labels, example_weights=weights)
    np.testing.assert_allclose(found, fit_score_weights(scores[rows], labels[rows]), rtol=1e-6)
    assert np.abs(found - fit_score_weights(scores, labels)).max() > 1e-3


def test_classes_that_do_not_exclude_each_other():
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 1.5, (4000, 3))
    labels = (generator.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(int)
    noise = generator.normal(size=logits.shape)
    found = fit_score_weights(np.stack([logits * 4, noise], axis=1), labels)
    np.testing.assert_allclose(found, [0.25, 0], atol=0.05)


def test_scores_without_an_error_stay_finite():
    scores = np.eye(2)[[0, 1] * 3][:, None]
    (weight,) = fit_score_weights(scores, [0, 1] * 3)
    assert 1 < weight < 10


def test_errors():
    with pytest.raises(ValueError, match=r"shape \(4, 2\), 4 labels"):
        fit_score_weights(np.zeros((4, 2)), [0] * 4)
    with pytest.raises(ValueError, match=r"shape \(4, 1, 2\), 3 labels"):
        fit_score_weights(np.zeros((4, 1, 2)), [0] * 3)
    with pytest.raises(ValueError, match="prior expected a number above 0. Received: prior=0"):
        fit_score_weights(np.zeros((4, 1, 2)), [0] * 4, prior=0)
