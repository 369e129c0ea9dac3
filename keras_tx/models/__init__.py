"""Models: networks of the layers, and text models, which own network and tokenizer."""

from keras_tx.models.attribution import Explanation
from keras_tx.models.backbone import BACKBONE_PRESETS, Backbone
from keras_tx.models.classification_network import classification_network
from keras_tx.models.decoding_options import DecodingOptions
from keras_tx.models.deeper_translator import deeper_translator
from keras_tx.models.encoder_network import EncoderNetwork
from keras_tx.models.loading import load
from keras_tx.models.masked_language_network import masked_language_network
from keras_tx.models.networks import translation_network
from keras_tx.models.presets import CLASSIFIER_PRESETS, TRANSLATOR_PRESETS
from keras_tx.models.region_backbone import RegionBackbone
from keras_tx.models.region_encoder import RegionEncoder
from keras_tx.models.text_classifier import SentimentClassifier, TextClassifier
from keras_tx.models.text_model import TextModel
from keras_tx.models.translation_functions import TranslationFunctions
from keras_tx.models.translator import Translator
from keras_tx.models.translator_ensemble import translator_ensemble
from keras_tx.models.windowed_encoder import WindowedEncoder
from keras_tx.serving.results import Alignment, Classification, Hypothesis, TranslationScore

__all__ = [
    "BACKBONE_PRESETS",
    "CLASSIFIER_PRESETS",
    "TRANSLATOR_PRESETS",
    "Alignment",
    "Backbone",
    "Classification",
    "DecodingOptions",
    "EncoderNetwork",
    "Explanation",
    "Hypothesis",
    "RegionBackbone",
    "RegionEncoder",
    "SentimentClassifier",
    "TextClassifier",
    "TextModel",
    "TranslationFunctions",
    "TranslationScore",
    "Translator",
    "WindowedEncoder",
    "classification_network",
    "deeper_translator",
    "load",
    "masked_language_network",
    "translation_network",
    "translator_ensemble",
]
