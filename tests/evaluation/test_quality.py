"""The quality in training is that of `translate` and sacreBLEU."""

import pytest

from keras_tx.data import SentencePairs
from keras_tx.evaluation import TranslationQuality, translation_scores
from keras_tx.models import Translator
from keras_tx.text import WordTokenizer

SETS = {
    "dogs": SentencePairs(["a dog", "dog sleeps a dog"], ["un chien", "le chien dort"]),
    "sleep": SentencePairs(["sleeps"], ["dort"]),
}


class Recorded:
    """Takes the place of a translator: what was asked for, and set translations."""

    def __init__(self, translations):
        self.translations, self.asked = translations, []

    def translate(self, texts, **arguments):
        self.asked.append(arguments)
        return [self.translations[text] for text in texts]


@pytest.fixture(scope="module")
def translator():
    return Translator.from_preset("tiny", WordTokenizer().fit(["a dog sleeps", "un chien dort"]))


def test_one_set(translator):
    pairs = SETS["dogs"]
    translations = translator.translate(pairs.sources, beam_size=1)
    expected = translation_scores(translations, pairs.targets)["bleu"]
    assert TranslationQuality(pairs)(translator) == {"val_bleu": expected}


def test_the_mean_of_several_sets():
    good = "le chien rouge dort sur le grand lit"
    sets = {
        "right": SentencePairs(["a"], [good]),
        "half": SentencePairs(["b"], [good]),
        "wrong": SentencePairs(["c"], [good]),
    }
    recorded = Recorded({"a": good, "b": good[: len(good) // 2], "c": "rien"})
    figures = TranslationQuality(sets, batch_size=7)(recorded)
    assert figures["val_bleu_right"] == 100 and figures["val_bleu_wrong"] == 0
    assert 0 < figures["val_bleu_half"] < 100
    assert figures["val_bleu"] == pytest.approx((100 + figures["val_bleu_half"]) / 3)
    assert recorded.asked == [{"batch_size": 7, "beam_size": 1}] * 3
    TranslationQuality(sets, beam_size=4, length_penalty=0.6)(recorded)
    assert recorded.asked[-1] == {"batch_size": 64, "beam_size": 4, "length_penalty": 0.6}


@pytest.mark.parametrize("pairs", [SentencePairs([], []), {}, {"a": SentencePairs([], [])}])
def test_nothing_to_translate(pairs):
    with pytest.raises(ValueError, match="at least one in each set. Received: none"):
        TranslationQuality(pairs)
