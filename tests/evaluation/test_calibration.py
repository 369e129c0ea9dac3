"""The calibration error against sums done by hand and a plain twin."""

import numpy as np
import pytest

from keras_tx.evaluation import calibration_error


def slow(chances, hits, bins):
    error = 0.0
    for number in range(bins):
        last = number == bins - 1
        inside = [
            place
            for place, chance in enumerate(chances)
            if number <= chance * bins and (last or chance * bins < number + 1)
        ]
        if inside:
            accuracy = sum(hits[place] for place in inside) / len(inside)
            confidence = sum(chances[place] for place in inside) / len(inside)
            error += len(inside) / len(chances) * abs(accuracy - confidence)
    return error


def test_by_hand():
    # Two bins: 0.25 and 0.45 with one hit of two (0.15 off), 0.75 twice with none (0.75 off).
    chances, hits = [0.25, 0.45, 0.75, 0.75], [True, False, False, False]
    assert calibration_error(chances, hits, bins=2) == pytest.approx(0.5 * 0.15 + 0.5 * 0.75)
    # In one bin errors of both signs cancel: 0.55 said, 0.25 right.
    assert calibration_error(chances, hits, bins=1) == pytest.approx(0.3)


@pytest.mark.parametrize("bins", [1, 7, 15])
def test_the_plain_twin(bins):
    generator = np.random.default_rng(0)
    chances = np.append(generator.random(200), [0.0, 1.0, 0.2, 1 / 15])
    hits = generator.random(len(chances)) < 0.6
    assert calibration_error(chances, hits, bins) == pytest.approx(slow(chances, hits, bins))


def test_chances_that_come_true_have_hardly_an_error_and_others_have():
    generator = np.random.default_rng(0)
    chances = generator.uniform(0.5, 1, 20_000)
    hits = generator.random(20_000) < chances
    assert calibration_error(chances, hits) < 0.015
    assert calibration_error(chances**3, hits) > 0.2


def test_errors():
    with pytest.raises(ValueError, match="Received: 2 hits, 1 chances"):
        calibration_error([0.5], [True, False])
    with pytest.raises(ValueError, match="Received: 0 hits, 0 chances"):
        calibration_error([], [])
    with pytest.raises(ValueError, match=r"from 0 to 1. Received: from 0.5 to 1.5"):
        calibration_error([0.5, 1.5], [True, True])
    with pytest.raises(ValueError, match="bins=0"):
        calibration_error([0.5], [True], bins=0)


def test_a_chance_on_an_edge_belongs_to_the_upper_bin():
    # Together in the upper one: |(0 - .5) + (1 - .9)| / 2; in two bins it would be .3.
    assert calibration_error([0.5, 0.9], [0, 1], bins=2) == pytest.approx(0.2)
