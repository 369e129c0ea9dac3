"""An ensemble of translators is a translator."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_tx.models import (
    DecodingOptions,
    Translator,
    deeper_translator,
    load,
    translator_ensemble,
)
from keras_tx.text import WordTokenizer

WIDE = {"embed_dim": 24, "num_heads": 3, "use_bias": False, "sequence_length": 20}


@pytest.fixture(scope="module")
def members(random_translator):
    return [random_translator(seed=3, favoured=3), random_translator(seed=23, **WIDE)]


@pytest.fixture(scope="module")
def ensemble(members):
    return translator_ensemble(members)


@pytest.fixture
def short(sentences):
    """Sentences that all members read whole: a longer one would be translated in parts."""
    return lambda count, seed=0: [text for text in sentences(count, seed) if len(text.split()) < 17]


def test_scores_are_means_of_probabilities(members, ensemble, short):
    sources, targets = short(8), short(8, seed=1)
    assert len(sources) == 7
    each = [model.score(sources, targets) for model in members]
    for score, *own in zip(ensemble.score(sources, targets), *each, strict=True):
        expected = np.log(np.mean(np.exp([one.token_log_probabilities for one in own]), axis=0))
        np.testing.assert_allclose(score.token_log_probabilities, expected, rtol=1e-4)
        assert score.log_probability == pytest.approx(expected.sum(), rel=1e-4)


def test_copies_of_one_translate_as_the_one(members, sentences):
    texts, copies = sentences(6), translator_ensemble([members[0]] * 3)
    options = {"beam_size": 3, "coverage_penalty": 0.2}
    assert copies.translate(texts, **options) == members[0].translate(texts, **options)


def test_searches_agree_with_the_scores(random_translator, short):
    # Both like to end: a translation that reaches the bound has no end in the search.
    models = [random_translator(seed=1, favoured=3), random_translator(seed=2, favoured=3, **WIDE)]
    ensemble = translator_ensemble(models)
    compared = 0
    for row, text in zip(
        ensemble.translate_n_best(short(6), 3, beam_size=3), short(6), strict=True
    ):
        assert [one.score for one in row] == sorted((one.score for one in row), reverse=True)
        ended = [one for one in row if len(one.text.split()) < min(2 * len(text.split()), 17)]
        scores = ensemble.score([text] * len(ended), [one.text for one in ended])
        for one, score in zip(ended, scores, strict=True):
            assert one.log_probability == pytest.approx(score.log_probability, abs=1e-3)
        compared += len(ended)
    assert compared >= 8


def test_compiled_alone_and_in_a_batch_it_is_the_same(ensemble, sentences):
    texts = [text for text in sentences(12) if len(text.split()) < 9]  # Of one bucket of lengths.
    assert len(texts) > 4
    together = ensemble.translate(texts, beam_size=3, jit_compile=False)
    assert len(set(together)) > 3
    assert together == ensemble.translate(texts, beam_size=3, jit_compile=True)
    assert together == [
        ensemble.translate([text], beam_size=3, jit_compile=False)[0] for text in texts
    ]


def test_greedily_it_is_not_one_of_its_members(ensemble, members, sentences):
    texts = sentences(8)
    together = ensemble.translate(texts, beam_size=1)
    assert len(set(together)) > 3
    for member in members:
        assert together != member.translate(texts, beam_size=1)


def test_alignments_are_means(members, ensemble, sentences):
    sources, targets = sentences(3), sentences(3, seed=4)
    each = [model.align(sources, targets) for model in members]
    for alignment, first, second in zip(ensemble.align(sources, targets), *each, strict=True):
        np.testing.assert_allclose(alignment.weights.sum(axis=1), 1, atol=1e-5)
        # Before the ends were taken off, all rows summed to 1: the mean is between the two.
        low = np.minimum(first.weights, second.weights)
        high = np.maximum(first.weights, second.weights)
        assert np.all((alignment.weights > low - 1e-5) & (alignment.weights < high + 1e-5))


def test_saved_loaded_and_exported_it_translates_the_same(members, short, tmp_path):
    ensemble = translator_ensemble(members)
    # To what half precision holds: so it is small in the export, and the same.
    halves = [weight.astype("float16") for weight in ensemble.network.get_weights()]
    ensemble.network.set_weights(halves)
    texts = short(6)
    expected = ensemble.translate(texts)
    ensemble.save(tmp_path / "ensemble.keras")
    loaded = load(tmp_path / "ensemble.keras")
    assert loaded.translate(texts) == expected
    assert loaded.get_config() == ensemble.get_config()
    path = ensemble.export(tmp_path / "served", weights="float16")
    stored = sum(file.stat().st_size for file in (path / "variables").glob("variables.data*"))
    assert stored < 4 * ensemble.network.count_params()
    served = tf.saved_model.load(str(path)).signatures["serving_default"]
    strings = served(text=tf.constant(texts))["translation"].numpy()
    assert [string.decode() for string in strings] == expected


def test_it_stands_apart_from_its_members(members):
    before = [weight for member in members for weight in member.network.get_weights()]
    ensemble = translator_ensemble(members)
    ensemble.network.set_weights([0 * weight for weight in before])
    after = [weight for member in members for weight in member.network.get_weights()]
    for weight, old in zip(after, before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_it_takes_settings_from_the_first_and_the_shortest_bound(members, ensemble):
    assert ensemble.sequence_length == 18
    assert ensemble.decoding == members[0].decoding
    faster = Translator.from_config({**members[0].get_config(), "decoding": {"beam_size": 2}})
    faster.tokenizer = members[0].tokenizer
    assert translator_ensemble([faster, members[1]]).decoding == DecodingOptions(beam_size=2)


def test_two_vocabularies_are_possible(random_translator, sentences):
    models = [random_translator(seed=seed, separate=True) for seed in (1, 2)]
    ensemble = translator_ensemble(models)
    words = " ".join(ensemble.translate(sentences(3), beam_size=1)).split()
    assert words and all(word.startswith("mot") for word in words)


def test_what_does_not_fit_together_is_an_error(members, ensemble, random_translator):
    with pytest.raises(ValueError, match="translators expected one or more. Received: none"):
        translator_ensemble([])
    with pytest.raises(ValueError, match="one network. Received: an ensemble of 2"):
        translator_ensemble([members[0], ensemble])
    back = random_translator(source_language="fr", target_language="en")
    with pytest.raises(ValueError, match="from 'en' to 'fr'. Received: one from 'fr' to 'en'"):
        translator_ensemble([members[0], back])
    keras.utils.set_random_seed(0)
    other = Translator.from_preset("tiny", WordTokenizer().fit(["a dog"]))
    for models in ([members[0], other], [members[0], random_translator(separate=True)]):
        with pytest.raises(ValueError, match="same tokenizers, .* Received: some that differ"):
            translator_ensemble(models)


def test_what_takes_one_network_says_so(ensemble, tmp_path):
    with pytest.raises(ValueError, match="one network. Received: an ensemble of 2"):
        ensemble.export(tmp_path / "engine", format="ctranslate2")
    assert not (tmp_path / "engine").exists()
    with pytest.raises(ValueError, match="one network. Received: an ensemble of 2"):
        deeper_translator(ensemble, num_encoder_layers=4)
