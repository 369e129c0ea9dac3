"""Small models with weights that give something to compare."""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_tx.models import SentimentClassifier, TextModel, Translator
from keras_tx.serving import export_saved_model
from keras_tx.text import SentencePieceTokenizer, WordTokenizer

SENTENCES = [
    "a small boat on a small lake",
    "two dogs run along the lake",
    "un petit bateau sur un petit lac",
    "deux chiens courent le long du lac",
]
TEXT = [tf.TensorSpec([None], tf.string, name="text")]


def with_random_weights(model: TextModel) -> TextModel:
    """Untrained weights are too regular: the translator would say nothing at all."""
    generator = np.random.default_rng(3)
    model.network.set_weights(
        [weight + generator.normal(scale=0.4, size=weight.shape) for weight in model.get_weights()]
    )
    return model


@pytest.fixture(scope="session")
def subwords() -> SentencePieceTokenizer:
    return SentencePieceTokenizer("bpe", vocabulary_size=320).fit(SENTENCES)


@pytest.fixture(scope="session")
def translator(subwords) -> Translator:
    return with_random_weights(Translator.from_preset("tiny", subwords, sequence_length=20))


@pytest.fixture(scope="session")
def word_classifier() -> SentimentClassifier:
    words = WordTokenizer().fit(SENTENCES)
    return with_random_weights(SentimentClassifier.from_preset("tiny", words, sequence_length=40))


@pytest.fixture(scope="session")
def subword_classifier(subwords) -> SentimentClassifier:
    model = SentimentClassifier.from_preset("tiny", subwords, sequence_length=40)
    return with_random_weights(model)


@pytest.fixture(scope="session")
def exported(request, tmp_path_factory):
    """The version's directory of a model's export, made once: not to be changed."""

    @functools.cache
    def export(name):
        return request.getfixturevalue(name).export(tmp_path_factory.mktemp(name))

    return export


@pytest.fixture(scope="session")
def export_functions(tmp_path_factory):
    """Exports functions of one text input under `name=function`; gives the version."""

    def export(**functions):
        signatures = {name: (function, TEXT) for name, function in functions.items()}
        return export_saved_model(signatures, tmp_path_factory.mktemp("functions") / "model")

    return export


@pytest.fixture(scope="session")
def dense() -> keras.layers.Dense:
    layer = keras.layers.Dense(4)
    layer.build((None, 3))
    return layer
