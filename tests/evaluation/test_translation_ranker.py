"""A ranker chooses, among what its translators find, what its weights say."""

import keras
import numpy as np
import pytest

from keras_tx.data import SentencePairs
from keras_tx.evaluation import (
    NGramLanguageModel,
    TranslationRanker,
    evaluate_translator,
    ngram_posteriors,
)
from keras_tx.models import Translator
from keras_tx.text import WordTokenizer, reverse_words

SOURCES = ["a dog sleeps", "", "the red cat", "dog", "a cat and a dog sleep"]
TARGETS = ["un chien dort", "", "le chat rouge", "chien", "un chat et un chien dorment"]


def translator(seed, **arguments):
    keras.utils.set_random_seed(seed)
    tokenizer = WordTokenizer().fit([*SOURCES, *TARGETS])
    return Translator.from_preset("tiny", tokenizer, **arguments)


@pytest.fixture(scope="module")
def forward():
    return [translator(1), translator(2)]


@pytest.fixture(scope="module")
def reverse():
    return translator(3, source_language="fr", target_language="en")


@pytest.fixture(scope="module")
def ranker(forward, reverse):
    return TranslationRanker(forward, [reverse], n_best=3)


@pytest.fixture(scope="module")
def proposals(ranker):
    return ranker.propose(SOURCES)


def test_proposals_are_the_translators_n_best(ranker, forward, proposals):
    own = [model.translate_n_best(SOURCES, 3) for model in forward]
    for first, second, together in zip(*own, proposals, strict=True):
        assert set(together) == {hypothesis.text for hypothesis in first + second}
        assert len(set(together)) == len(together)
    assert len(proposals[0]) > 3 and proposals[1] == [""]


def test_features_are_scores_words_and_ngrams(ranker, forward, reverse, proposals):
    features = ranker.features(SOURCES, proposals)
    for source, row, values in zip(SOURCES, proposals, features, strict=True):
        assert values.shape == (len(row), 2 + 1 + 1 + 4)
        scores = [model.score([source] * len(row), row) for model in forward]
        scores.append(reverse.score(row, [source] * len(row)))
        expected = [[score.log_probability for score in column] for column in scores]
        np.testing.assert_allclose(values[:, :3].T, expected, rtol=1e-4)
        assert values[:, 3].tolist() == [len(text.split()) for text in row]
        probabilities = np.exp(values[:, :2].mean(1))
        shared = ngram_posteriors(row, probabilities / probabilities.sum())
        np.testing.assert_allclose(values[:, 4:], shared, rtol=1e-6)


def test_a_language_model_is_the_last_feature(ranker, forward, reverse, proposals):
    model = NGramLanguageModel(2).fit(TARGETS)
    more = TranslationRanker(forward, [reverse], n_best=3, language_model=model)
    assert more.weights[-1] == 0 and len(more.weights) == 9
    rows = zip(
        proposals,
        ranker.features(SOURCES, proposals),
        more.features(SOURCES, proposals),
        strict=True,
    )
    for row, without, values in rows:
        np.testing.assert_allclose(values[:, :-1], without, rtol=1e-6)
        assert values[:, -1].tolist() == model.log_probabilities(row)


def test_right_to_left_translators_are_asked_the_other_way_round(forward, reverse):
    left, right = forward
    both = TranslationRanker([left], [reverse], n_best=3, right_to_left_translators=[right])
    found = [model.translate_n_best(SOURCES, 3) for model in forward]
    proposals = both.propose(SOURCES)
    for first, second, together in zip(*found, proposals, strict=True):
        turned = {" ".join(reversed(hypothesis.text.split())) for hypothesis in second}
        assert set(together) == {hypothesis.text for hypothesis in first} | turned
    for source, row, values in zip(
        SOURCES, proposals, both.features(SOURCES, proposals), strict=True
    ):
        turned = [reverse_words(text) for text in row]
        scores = left.score([source] * len(row), row), right.score([source] * len(row), turned)
        expected = [[score.log_probability for score in column] for column in scores]
        np.testing.assert_allclose(values[:, :2].T, expected, rtol=1e-4)


@pytest.mark.parametrize("feature", range(8))
def test_the_highest_sum_is_chosen(ranker, forward, reverse, proposals, feature):
    weights = np.eye(8)[feature]
    weighted = TranslationRanker(forward, [reverse], n_best=3, weights=weights)
    features = ranker.features(SOURCES, proposals)
    expected = [
        row[values[:, feature].argmax()] for row, values in zip(proposals, features, strict=True)
    ]
    assert weighted.translate(SOURCES) == expected


@pytest.mark.parametrize("with_reverse", [False, True])
def test_at_first_all_translators_decide_together(forward, reverse, proposals, with_reverse):
    ranker = TranslationRanker(forward, [reverse] * with_reverse, n_best=3)
    for source, row, chosen in zip(SOURCES, proposals, ranker.translate(SOURCES), strict=True):
        scores = [model.score([source] * len(row), row) for model in forward]
        sums = np.mean([[s.log_probability for s in column] for column in scores], axis=0)
        if with_reverse:
            back = reverse.score(row, [source] * len(row))
            sums += 0.5 * np.array([score.log_probability for score in back])
        assert chosen == row[sums.argmax()]


def test_one_translator_alone_is_its_search(forward):
    alone = TranslationRanker(forward[:1], n_best=4)
    found = forward[0].translate(SOURCES, beam_size=4, length_penalty=0.0)
    assert alone.translate(SOURCES, length_penalty=0.0) == found


def test_no_texts(ranker):
    assert ranker.translate([]) == []


def test_fitting_makes_bleu_no_lower(forward, reverse):
    pairs = SentencePairs(SOURCES, TARGETS)
    ranker = TranslationRanker(forward, [reverse], n_best=3)
    start = ranker.weights.copy()
    figures = ranker.fit(pairs)
    assert 0 < figures["bleu_before"] < figures["bleu"]
    assert not np.array_equal(start, ranker.weights)
    assert evaluate_translator(ranker_as_model(ranker), pairs)["bleu"] == figures["bleu"]


def ranker_as_model(ranker):
    class Model:
        target_language = "fr"

        def translate(self, texts, batch_size):
            return ranker.translate(texts, batch_size=batch_size)

    return Model()


def test_errors(forward, reverse):
    with pytest.raises(ValueError, match="translators expected one or more. Received: none"):
        TranslationRanker([])
    with pytest.raises(ValueError, match="the same two languages, 'en' and 'fr'. Received: 'fr'"):
        TranslationRanker([forward[0], reverse])
    with pytest.raises(ValueError, match="the same two languages, 'en' and 'fr'. Received: 'fr'"):
        TranslationRanker(forward, forward[:1])
    with pytest.raises(ValueError, match="n_best expected a positive integer. Received: n_best=0"):
        TranslationRanker(forward, n_best=0)
    with pytest.raises(ValueError, match="weights expected 8 numbers. Received: 2"):
        TranslationRanker(forward, [reverse], weights=[1, 1])
    with pytest.raises(ValueError, match="weights expected 7 numbers. Received: 6"):
        model = NGramLanguageModel(2).fit(TARGETS)
        TranslationRanker(forward[:1], weights=[1] * 6, language_model=model)
    with pytest.raises(ValueError, match="pairs expected at least one. Received: none"):
        TranslationRanker(forward).fit(SentencePairs([], []))
