"""Strings to ids and back, as the tokenizer alone would; capitals both ways."""

import numpy as np
import pytest
import tensorflow as tf

from keras_tx.models.translation_texts import TranslationTexts

START, END = 2, 3


@pytest.fixture(scope="module")
def translator(learned_translator):
    return learned_translator[0]


@pytest.fixture(scope="module")
def texts(translator):
    return TranslationTexts(translator, lower_capitals=True)


def ids_of(translator, text):
    return translator.tokenizer.tokenize([text]).to_list()[0]


def rows_of(packed):
    return [row[:length].tolist() for row, length in zip(packed[0].numpy(), packed[1], strict=True)]


def test_sources_have_an_end(translator, texts):
    given = ["a dog", "", "the red boat sleeps"]
    packed, capitals = texts.source(tf.constant(given))
    assert rows_of(packed) == [[*ids_of(translator, text), END] for text in given]
    assert not capitals.numpy().any() and not packed.truncated.numpy().any()


def test_translations_have_a_start_too(translator, texts):
    given = ["un chien", ""]
    packed = texts.target(tf.constant(given), tf.constant([False, False]))
    assert rows_of(packed) == [[START, *ids_of(translator, text), END] for text in given]


def test_what_is_longer_is_cut_and_flagged(translator, texts):
    most = translator.sequence_length
    given = ["fish " * (most - 1), "fish " * most]
    lengths = [len(ids_of(translator, text)) for text in given]
    packed, capitals = texts.source(tf.constant(given))
    assert packed.truncated.numpy().tolist() == [length > most - 1 for length in lengths]
    assert packed.ids.shape[1] == most
    target = texts.target(tf.constant(given), capitals)
    assert target.truncated.numpy().tolist() == [length > most - 1 for length in lengths]
    assert target.ids.shape[1] == most + 1


def test_capitals_are_read_in_lower_case_and_written_back(translator, texts):
    packed, capitals = texts.source(tf.constant(["THE SEA IS BLUE.", "a dog"]))
    assert capitals.numpy().tolist() == [True, False]
    assert rows_of(packed)[0] == [*ids_of(translator, "The sea is blue."), END]
    translations = tf.constant(["LA MER EST BLEUE.", "UN CHIEN"])
    target = rows_of(texts.target(translations, capitals))
    assert target[0] == [START, *ids_of(translator, "La mer est bleue."), END]
    assert target[1] == [START, *ids_of(translator, "UN CHIEN"), END]  # Its source was not.
    prefixes = rows_of(texts.prefix(tf.constant(["LA MER", "UN"]), capitals))
    assert prefixes == [ids_of(translator, "La mer"), ids_of(translator, "UN")]
    ids = [ids_of(translator, "La mer"), ids_of(translator, "un chien")]
    written = texts.written(tf.ragged.constant(ids), capitals)
    assert written.numpy().tolist() == [b"LA MER", b"un chien"]


def test_capitals_stay_where_they_are_wanted(translator):
    texts = TranslationTexts(translator, lower_capitals=False)
    packed, capitals = texts.source(tf.constant(["THE SEA IS BLUE."]))
    assert not capitals.numpy().any()
    assert rows_of(packed) == [[*ids_of(translator, "THE SEA IS BLUE."), END]]
    target = rows_of(texts.target(tf.constant(["LA MER"]), tf.constant([True])))
    assert target == [[START, *ids_of(translator, "LA MER"), END]]
    ids = tf.constant([ids_of(translator, "La mer")])
    assert texts.written(ids, tf.constant([True])).numpy().tolist() == [b"La mer"]


def test_tokens_are_those_of_the_vocabulary(translator, texts):
    tokenizer = translator.tokenizer
    ids = tf.constant([ids_of(translator, "a dog")])
    real = np.ones(ids.shape, bool)
    real[0, -1] = False
    expected = [tokenizer.vocabulary[number].encode() for number in ids[0].numpy()[:-1]]
    assert texts.tokens(tokenizer, ids, real).numpy()[0].tolist() == [*expected, b""]
