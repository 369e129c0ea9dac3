"""What adversarial losses are made of, against NumPy."""

import keras
import numpy as np
import pytest

from keras_tx.training import (
    AdversarialTraining,
    answer_divergence,
    answer_entropy,
    shift_factors,
)


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_each_text_is_shifted_by_the_length():
    generator = np.random.default_rng(1)
    directions = generator.normal(size=(3, 5, 4)).astype("float32")
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]], bool)
    factors = np.asarray(shift_factors((directions**2).sum(axis=2), mask, 7.0))
    shift = directions * factors[:, :, None]
    np.testing.assert_allclose(np.sqrt((shift**2).sum(axis=(1, 2))), 7.0, rtol=1e-5)
    assert not shift[~mask].any()
    # Their directions are kept.
    assert np.ptp(factors[0]) == 0 and (factors[mask] > 0).all()


def test_a_text_without_a_direction_is_not_shifted():
    factors = shift_factors(
        np.array([[0.0, 0.0], [0.0, 4.0]]), np.array([[1, 1], [1, 0]], bool), 5.0
    )
    np.testing.assert_array_equal(factors, np.zeros((2, 2)))


def test_divergence_and_entropy():
    generator = np.random.default_rng(2)
    given, found = generator.normal(scale=3, size=(2, 6, 3)).astype("float32")
    p, q = softmax(given), softmax(found)
    expected = (p * np.log(p / q)).sum(axis=1)
    np.testing.assert_allclose(answer_divergence(given, found), expected, rtol=1e-4)
    np.testing.assert_allclose(answer_divergence(given, given + 2), np.zeros(6), atol=1e-6)
    np.testing.assert_allclose(answer_entropy(given), -(p * np.log(p)).sum(axis=1), rtol=1e-4)


def test_sure_answers_are_finite():
    sure = np.array([[1000.0, -1000.0]], "float32")
    for values in (answer_entropy(sure), answer_divergence(sure, sure)):
        np.testing.assert_allclose(values, [0.0], atol=1e-6)
    assert float(answer_divergence(sure, -sure)[0]) == pytest.approx(2000)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shift": 0}, "shift expected a positive number. Received: shift=0"),
        ({"shift": float("nan")}, "shift expected a positive number"),
        ({"shift": float("inf")}, "shift expected a positive number"),
        ({"adversarial": -1}, "adversarial expected a number that is not negative"),
        ({"virtual": float("nan")}, "virtual expected a number that is not negative"),
        (
            {"entropy": -0.1},
            "entropy expected a number that is not negative. Received: entropy=-0.1",
        ),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        AdversarialTraining(**options)


def test_half_precision_is_summed_in_float32():
    squares = keras.ops.full((1, 4096), 30.0, dtype="bfloat16")
    factors = np.asarray(shift_factors(squares, np.ones((1, 4096), bool), 1.0))
    assert factors[0, 0] == pytest.approx((4096 * 30.0) ** -0.5, rel=1e-3)
