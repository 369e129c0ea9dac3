"""From padded rows of numbers and bytes to what a reader gets."""

import numpy as np
import pytest

from keras_tx.models import Alignment, Hypothesis, TranslationScore


def test_a_score_without_its_padding():
    row = {
        "score": np.float32(-1.5),
        "tokens": np.array([b"chi\xc3\xaan", b"</s>", b""]),
        "token_scores": np.array([-1.0, -0.5, 0.0], "float32"),
        "lengths": np.int32(2),
    }
    score = TranslationScore.from_row(row)
    assert score == TranslationScore(-1.5, ["chiên", "</s>"], [-1.0, -0.5])


def aligned(source, target):
    return Alignment.from_row(
        {
            "source_tokens": np.array([b"a", b"dog", b""]),
            "target_tokens": np.array([b"chien", b"un", b"x\xff", b""]),
            "source_lengths": np.int32(source),
            "target_lengths": np.int32(target),
            "alignment": np.array([[0.2, 0.8, 0], [0.7, 0.3, 0], [0.1, 0.9, 0], [0, 0, 0]]),
        }
    )


def test_an_alignment_without_its_padding():
    alignment = aligned(2, 3)
    assert alignment.source_tokens == ["a", "dog"]
    assert alignment.target_tokens == ["chien", "un", "x\ufffd"]
    assert alignment.weights.tolist() == [[0.2, 0.8], [0.7, 0.3], [0.1, 0.9]]
    assert alignment.pairs() == [(1, 0), (0, 1), (1, 2)]


@pytest.mark.parametrize(("source", "target"), [(0, 2), (2, 0), (0, 0)])
def test_an_alignment_of_nothing(source, target):
    alignment = aligned(source, target)
    assert alignment.weights.shape == (target, source)
    assert alignment.pairs() == []


def test_results_are_values():
    assert Hypothesis("un", -0.5, -1.0) == Hypothesis("un", -0.5, -1.0)
    with pytest.raises(AttributeError):
        Hypothesis("un", -0.5, -1.0).text = "une"


def test_hypotheses_that_were_not_found_are_left_out():
    row = {
        "translations": np.array([b"un", "l'\u00e9t\u00e9".encode(), b""], object),
        "scores": np.array([-0.5, -0.75, -1e9], "float32"),
        "log_probabilities": np.array([-1.0, -3.0, -1e9], "float32"),
    }
    assert Hypothesis.all_from_row(row) == [
        Hypothesis("un", -0.5, -1.0),
        Hypothesis("l'été", -0.75, -3.0),
    ]
