"""BLEU and chrF are sacreBLEU's own."""

import types

import pytest
import sacrebleu

from keras_tx.data import SentencePairs
from keras_tx.evaluation import evaluate_translator
from keras_tx.evaluation.translation import translation_scores
from keras_tx.models import Translator
from keras_tx.text import WordTokenizer

HYPOTHESES = ["Le héron attend près de l'étang.", "Une barque rouge dort.", "il pleut"]
REFERENCES = ["Le héron attend au bord de l'étang.", "Une barque rouge dort ici.", "Il pleut fort."]


def test_they_are_sacrebleus():
    scores = translation_scores(HYPOTHESES, REFERENCES)
    bleu = sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES])
    chrf = sacrebleu.corpus_chrf(HYPOTHESES, [REFERENCES])
    assert 0 < scores["bleu"] < 100
    assert scores["bleu"] == round(bleu.score, 2)
    assert scores["chrf"] == round(chrf.score, 2)
    assert scores["count"] == 3
    assert "tok:13a" in scores["bleu_signature"] and "case:mixed" in scores["bleu_signature"]
    assert f"version:{sacrebleu.__version__}" in scores["chrf_signature"]


def test_nothing_translated_is_zero():
    assert translation_scores(["", ""], ["un", "deux"])["bleu"] == 0


def test_errors():
    with pytest.raises(ValueError, match="Received: 0 references, 0 hypotheses"):
        translation_scores([], [])
    with pytest.raises(ValueError, match="Received: 1 references, 2 hypotheses"):
        translation_scores(["a", "b"], ["a"])


def test_a_translator_is_scored_on_its_own_translations():
    translator = Translator.from_preset("tiny", WordTokenizer().fit(["a dog sleeps", "un chien"]))
    sources = ["a dog", "dog sleeps a dog", "sleeps"]
    pairs = SentencePairs(sources, ["un chien dort ici", "le chien dort", "dort"])
    expected = translation_scores(translator.translate(sources), pairs.targets)
    assert evaluate_translator(translator, pairs, batch_size=2) == expected


def test_moses_takes_the_words_of_the_translators_language():
    pytest.importorskip("sacremoses")
    translator = types.SimpleNamespace(
        target_language="en", translate=lambda sources, **options: ["It's me."]
    )
    pairs = SentencePairs(["C'est moi."], ["It's me."])
    found = evaluate_translator(translator, pairs, protocol="moses_lowercased")
    french = types.SimpleNamespace(target_language="fr", translate=translator.translate)
    other = evaluate_translator(french, pairs, protocol="moses_lowercased")
    assert found["bleu_signature"] != other["bleu_signature"]
    assert "case:lc" in found["bleu_signature"]
