"""Presets are arguments that the networks know; changes win; unknown names are named."""

import inspect

import pytest

from keras_tx.models import (
    CLASSIFIER_PRESETS,
    TRANSLATOR_PRESETS,
    TextClassifier,
    Translator,
    classification_network,
    translation_network,
)
from keras_tx.models.presets import preset_arguments


@pytest.mark.parametrize(
    "known, model, network",
    [
        (CLASSIFIER_PRESETS, TextClassifier, classification_network),
        (TRANSLATOR_PRESETS, Translator, translation_network),
    ],
)
def test_presets_hold_arguments_of_model_and_network(known, model, network):
    arguments = {*inspect.signature(model).parameters, *inspect.signature(network).parameters}
    for name, preset in known.items():
        assert set(preset) <= arguments, name
        assert preset["embed_dim"] % preset["num_heads"] == 0


def test_changes_win_and_leave_the_preset_alone():
    arguments = preset_arguments(TRANSLATOR_PRESETS, "small", {"dropout": 0.4, "positions": "x"})
    assert arguments["dropout"] == 0.4 and arguments["positions"] == "x"
    assert arguments["embed_dim"] == 256
    assert TRANSLATOR_PRESETS["small"]["dropout"] == 0.1
    assert "positions" not in TRANSLATOR_PRESETS["small"]


def test_unknown_preset():
    with pytest.raises(ValueError, match="one of 'tiny', 'small', 'base'. Received: preset='huge'"):
        preset_arguments(TRANSLATOR_PRESETS, "huge", {})
