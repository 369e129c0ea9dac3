"""Learning rates of layers: the update is scaled, and nothing else changes."""

import keras
import numpy as np
import pytest

from keras_tx.training import LayerwiseAdamW, layerwise_factors

ARGUMENTS = {"learning_rate": 0.1, "weight_decay": 0.3}


def updates(optimizer, steps=3):
    """How far each of two equal variables goes, step by step."""
    variables = [keras.Variable([1.0, -2.0]) for _ in range(2)]
    optimizer.build(variables)
    moved = []
    for step in range(steps):
        before = [np.array(variable) for variable in variables]
        gradient = np.array([0.5, 1.0 + step], "float32")
        optimizer.apply([keras.ops.convert_to_tensor(gradient)] * 2, variables)
        moved.append([np.array(v) - b for v, b in zip(variables, before, strict=True)])
    return np.array(moved)  # (steps, 2, 2)


def test_the_first_update_is_scaled_weight_decay_included():
    ours = updates(LayerwiseAdamW(factors=[0.25, 1.0], **ARGUMENTS), steps=1)
    plain = updates(keras.optimizers.AdamW(**ARGUMENTS), steps=1)
    np.testing.assert_allclose(ours[0, 1], plain[0, 1], rtol=1e-5)
    np.testing.assert_allclose(ours[0, 0], 0.25 * plain[0, 0], rtol=1e-5)


def test_without_weight_decay_every_update_is_scaled():
    ours = updates(LayerwiseAdamW(0.1, [0.25, 1.0], weight_decay=0.0))
    plain = updates(keras.optimizers.AdamW(0.1, weight_decay=0.0))
    np.testing.assert_allclose(ours[:, 1], plain[:, 1], rtol=1e-5)
    np.testing.assert_allclose(ours[:, 0], 0.25 * plain[:, 0], rtol=1e-4)


@pytest.mark.parametrize("factors", [None, [1.0, 1.0]])
def test_without_factors_it_is_adamw(factors):
    ours = updates(LayerwiseAdamW(factors=factors, **ARGUMENTS))
    np.testing.assert_allclose(ours, updates(keras.optimizers.AdamW(**ARGUMENTS)), rtol=1e-6)


def test_a_factor_of_nothing_freezes():
    moved = updates(LayerwiseAdamW(factors=[0.0, 1.0], **ARGUMENTS))
    assert not moved[:, 0].any() and moved[:, 1].all()


def test_in_a_graph_with_a_schedule_clipping_and_a_moving_average():
    inputs = keras.Input((2,))
    first = keras.layers.Dense(2, use_bias=False, name="first")
    second = keras.layers.Dense(1, use_bias=False, name="second")
    model = keras.Model(inputs, second(first(inputs)))
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    optimizer = LayerwiseAdamW(
        schedule, [0.0, 1.0], weight_decay=0.1, global_clipnorm=1.0, use_ema=True
    )
    model.compile(optimizer, "mse")
    before = model.get_weights()
    model.fit(np.ones((8, 2)), np.ones(8), verbose=0)
    after = model.get_weights()
    np.testing.assert_array_equal(after[0], before[0])
    assert (after[1] != before[1]).all()


def test_config_round_trip():
    optimizer = LayerwiseAdamW(0.1, [0.5, 1.0], weight_decay=0.2)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert again.factors == [0.5, 1.0] and again.weight_decay == 0.2


def test_factors_by_depth():
    assert layerwise_factors([0, 2, 1, 3], 0.5) == [0.125, 0.5, 0.25, 1.0]
    assert layerwise_factors([0, 2], 1.0) == [1.0, 1.0]
    for decay in (0, -1, 1.5):
        with pytest.raises(ValueError, match=r"in \(0, 1\]. Received: decay="):
            layerwise_factors([0, 1], decay)


def test_wrong_factors():
    with pytest.raises(ValueError, match="numbers from 0 on. Received: factors="):
        LayerwiseAdamW(0.1, [-1.0])
    with pytest.raises(ValueError, match="each of 2 variables. Received: 1"):
        LayerwiseAdamW(0.1, [1.0]).build([keras.Variable([1.0]), keras.Variable([1.0])])


def test_the_decay_is_whole_again_at_the_next_step():
    variables = [keras.Variable([1.0]), keras.Variable([1.0])]
    optimizer = LayerwiseAdamW(0.1, factors=[1.0, 0.5], weight_decay=0.1)
    for _ in range(2):
        optimizer.apply([np.zeros(1, "float32")] * 2, variables)
    expected = [(1 - 0.1 * 0.1) ** 2, (1 - 0.1 * 0.1 * 0.5) ** 2]
    np.testing.assert_allclose([float(v.value[0]) for v in variables], expected, rtol=1e-6)
    assert optimizer.weight_decay == 0.1
