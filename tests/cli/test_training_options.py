"""What the trainings share."""

import pytest

from keras_tx.cli.training_options import held_out_count, training_options
from keras_tx.models import CLASSIFIER_PRESETS, TRANSLATOR_PRESETS


def test_the_help_names_every_preset():
    for presets, names in (
        (CLASSIFIER_PRESETS, "tiny, small or book"),
        (TRANSLATOR_PRESETS, "tiny, small or base"),
    ):
        command = training_options(names)(lambda: None)
        (option,) = [one for one in command.__click_params__ if one.name == "preset"]
        assert all(name in option.help for name in presets)


@pytest.mark.parametrize(("count", "held_out"), [(5, 1), (20, 2), (4000, 400), (80_000, 5000)])
def test_a_tenth_is_held_out_but_not_more_than_is_needed(count, held_out):
    assert held_out_count(count) == held_out
