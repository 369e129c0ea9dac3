"""Models: networks of the layers, and text models, which own network and tokenizer."""

from keras_tx.models.classification_network import classification_network
from keras_tx.models.decoding_options import DecodingOptions
from keras_tx.models.loading import load
from keras_tx.models.networks import translation_network
from keras_tx.models.presets import CLASSIFIER_PRESETS, TRANSLATOR_PRESETS
from keras_tx.models.text_classifier import Classification, SentimentClassifier, TextClassifier
from keras_tx.models.text_model import TextModel
from keras_tx.models.translation_functions import TranslationFunctions
from keras_tx.models.translation_results import Alignment, Hypothesis, TranslationScore
from keras_tx.models.translator import Translator

__all__ = [
    "CLASSIFIER_PRESETS",
    "TRANSLATOR_PRESETS",
    "Alignment",
    "Classification",
    "DecodingOptions",
    "Hypothesis",
    "SentimentClassifier",
    "TextClassifier",
    "TextModel",
    "TranslationFunctions",
    "TranslationScore",
    "Translator",
    "classification_network",
    "load",
    "translation_network",
]
