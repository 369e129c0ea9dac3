"""The papers' protocol: what the data set's own script makes of a text."""

import warnings

import pytest

from keras_tx.evaluation import translation_scores
from keras_tx.evaluation.protocols import moses_lowercased

pytest.importorskip("sacremoses")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Un homme, assis, LIT.", "un homme , assis , lit ."),
        ("L’été à l'Opéra", "l&apos; été à l&apos; opéra"),  # typographic = plain, split after it
        ("« Oui »", "&quot; oui &quot;"),
        ("Un t-shirt (bleu) & 3,5 m", "un t-shirt ( bleu ) &amp; 3,5 m"),
        ("", ""),
    ],
)
def test_french_by_hand(text, expected):
    assert moses_lowercased([text], "fr") == [expected]


def test_the_language_decides():
    assert moses_lowercased(["the dog's ball"], "en") == ["the dog &apos;s ball"]


def test_scores_forgive_case_and_typography_only():
    references = ["Un chien court sur l'herbe.", "Deux filles rient ensemble."]
    hypotheses = ["un chien court sur l’herbe .", "deux filles rient ensemble."]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = translation_scores(hypotheses, references, "moses_lowercased")
    assert scores["bleu"] == 100.0 and scores["count"] == 2
    assert translation_scores(hypotheses, references)["bleu"] < 80
    worse = translation_scores(
        ["un chat court sur l'herbe.", hypotheses[1]], references, "moses_lowercased"
    )
    assert worse["bleu"] < 90
    for part in ("case:lc", "tok:none", "nrefs:1", "pre:lc.norm.tok-fr-sacremoses-"):
        assert part in scores["bleu_signature"]


def test_an_unknown_protocol():
    with pytest.raises(ValueError, match=r"one of \('detokenized', .*Received: protocol='moses'"):
        translation_scores(["a"], ["a"], protocol="moses")
