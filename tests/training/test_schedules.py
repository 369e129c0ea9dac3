"""The schedule by numbers worked out by hand, and its way through a file."""

import keras
import numpy as np
import pytest

from keras_tx.training import InverseSquareRoot


def test_hand_worked():
    schedule = InverseSquareRoot(0.6, warmup_steps=4)
    # Counted from 1: 1/4, 2/4, 3/4, the peak; then the peak by √(5/4), by √(16/4), by √(400/4).
    expected = {0: 0.15, 1: 0.3, 2: 0.45, 3: 0.6, 4: 0.6 / 1.25**0.5, 15: 0.3, 399: 0.06}
    for step, rate in expected.items():
        np.testing.assert_allclose(float(schedule(step)), rate, rtol=1e-5)


def test_without_a_rise():
    schedule = InverseSquareRoot(1.0, warmup_steps=1)
    assert [round(float(schedule(step)), 5) for step in (0, 3, 99)] == [1, 0.5, 0.1]


def test_serialization_alone_and_in_an_optimizer():
    schedule = InverseSquareRoot(0.3, warmup_steps=7, total_steps=30, cooldown_steps=5)
    optimizer = keras.optimizers.Adam(schedule)
    twin = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    config = keras.optimizers.schedules.serialize(schedule)
    for copy in (keras.optimizers.schedules.deserialize(config), twin._learning_rate):
        assert isinstance(copy, InverseSquareRoot)
        assert copy.get_config() == schedule.get_config()


@pytest.mark.parametrize("arguments", [(0.0, 5), (-1.0, 5), (0.1, 0)])
def test_errors(arguments):
    with pytest.raises(ValueError, match="positive numbers. Received: peak_learning_rate="):
        InverseSquareRoot(*arguments)


def test_the_cool_down_leads_to_zero_by_hand():
    plain = InverseSquareRoot(0.01, warmup_steps=4)
    cooled = InverseSquareRoot(0.01, warmup_steps=4, total_steps=20, cooldown_steps=10)
    rate = [float(cooled(step)) / float(plain(step)) for step in (0, 10, 15, 19)]
    assert rate == pytest.approx([1.0, 1.0, 0.5, 0.1], rel=1e-5)
    assert float(cooled(20)) == 0.0
    with pytest.raises(ValueError, match="Received: cooldown_steps=10, total_steps=None"):
        InverseSquareRoot(0.01, cooldown_steps=10)


def test_the_rate_does_not_fall_below_zero():
    schedule = InverseSquareRoot(1.0, 2, total_steps=10, cooldown_steps=5)
    assert [float(schedule(step)) for step in (10, 11, 30)] == [0, 0, 0]


def test_all_of_the_training_may_be_a_cooldown():
    schedule = InverseSquareRoot(1.0, 1, total_steps=4, cooldown_steps=4)
    assert float(schedule(0)) == pytest.approx(1.0)
