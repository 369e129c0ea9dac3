"""Options of decoding: what they are unless told otherwise, and what they reject."""

import dataclasses

import pytest

from keras_tx.models import DecodingOptions


def test_defaults_are_a_beam_and_no_draw():
    options = DecodingOptions()
    assert (options.beam_size, options.length_penalty, options.stop) == (4, 1.0, "safe")
    assert options.temperature is None and options.max_length is None
    assert options.suppress_unknown is True and options.lower_capitals is True


def test_equal_options_are_one_key():
    # A compiled graph is looked up by them.
    changed = dataclasses.replace(DecodingOptions(), beam_size=2)
    assert len({DecodingOptions(), DecodingOptions(beam_size=4), changed}) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beam_size": 0}, "beam_size expected an integer of at least 1. Received: beam_size=0"),
        ({"beam_size": True}, "beam_size expected .* Received: beam_size=True"),
        ({"coverage_penalty": -1}, "coverage_penalty expected a number of at least 0. .*=-1"),
        ({"min_length": -1}, "min_length expected an integer of at least 0. .*min_length=-1"),
        ({"max_length_ratio": -0.5}, "max_length_ratio expected .* max_length_ratio=-0.5"),
        ({"max_length_ratio": float("nan")}, "max_length_ratio expected .*=nan"),
        ({"max_length_offset": -3}, "max_length_offset expected .* max_length_offset=-3"),
        ({"no_repeat_ngram_size": -1}, "no_repeat_ngram_size expected .*=-1"),
        ({"length_penalty": -1.0}, "length_penalty expected a number of at least 0. .*-1.0"),
        ({"length_penalty_kind": "mean"}, r"kind expected one of \('average', 'gnmt'\). .*'mean'"),
        ({"stop": "soon"}, "stop expected 'safe' or 'count'. Received: stop='soon'"),
        ({"lower_capitals": 1}, "lower_capitals expected True or False. .*lower_capitals=1"),
        ({"max_length": 0}, "max_length expected a positive integer. Received: max_length=0"),
        ({"beam_size": 2.5}, "beam_size expected an integer of at least 1. .*beam_size=2.5"),
        ({"min_length": "2"}, "min_length expected an integer of at least 0. .*min_length='2'"),
        ({"max_length": 7.5}, "max_length expected a positive integer. Received: max_length=7.5"),
        (
            {"beam_size": 1, "temperature": 0.0},
            "temperature expected a finite number above 0. .*=0.0",
        ),
        ({"beam_size": 1, "temperature": 1.0, "top_k": 0}, "top_k expected .*top_k=0"),
        ({"beam_size": 1, "temperature": 1.0, "top_p": 1.5}, "top_p expected .*top_p=1.5"),
        ({"top_k": 3}, "expected a temperature beside them. Received: top_k=3, top_p=None"),
        ({"top_p": 0.9}, "expected a temperature beside them. Received: top_k=None, top_p=0.9"),
        ({"temperature": 1.0}, "expected beam_size=1.* Received: temperature=1.0, beam_size=4"),
    ],
)
def test_wrong_options(arguments, message):
    with pytest.raises(ValueError, match=message):
        DecodingOptions(**arguments)


def test_sampling_options_go_together():
    options = DecodingOptions(beam_size=1, temperature=0.8, top_k=10, top_p=0.9)
    assert (options.temperature, options.top_k, options.top_p) == (0.8, 10, 0.9)
