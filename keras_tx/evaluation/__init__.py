"""Evaluation: accuracy, F1 and calibration, BLEU and chrF with their signatures."""

from keras_tx.evaluation.calibration import calibration_error
from keras_tx.evaluation.classification import evaluate_classifier
from keras_tx.evaluation.quality import TranslationQuality
from keras_tx.evaluation.translation import evaluate_translator, translation_scores

__all__ = [
    "TranslationQuality",
    "calibration_error",
    "evaluate_classifier",
    "evaluate_translator",
    "translation_scores",
]
