"""Evaluation: accuracy and F1, BLEU and chrF with their signatures."""

from keras_tx.evaluation.classification import evaluate_classifier
from keras_tx.evaluation.quality import TranslationQuality
from keras_tx.evaluation.translation import evaluate_translator, translation_scores

__all__ = [
    "TranslationQuality",
    "evaluate_classifier",
    "evaluate_translator",
    "translation_scores",
]
