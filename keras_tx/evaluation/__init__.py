"""Evaluation: accuracy, F1 and calibration, BLEU and chrF, and what chooses by them."""

from keras_tx.evaluation.calibration import calibration_error
from keras_tx.evaluation.classification import evaluate_classifier
from keras_tx.evaluation.ngram_language_model import NGramLanguageModel
from keras_tx.evaluation.ngram_posteriors import ngram_posteriors
from keras_tx.evaluation.quality import TranslationQuality
from keras_tx.evaluation.ranking_weights import fit_ranking_weights
from keras_tx.evaluation.translation import evaluate_translator, translation_scores
from keras_tx.evaluation.translation_ranker import TranslationRanker

__all__ = [
    "NGramLanguageModel",
    "TranslationQuality",
    "TranslationRanker",
    "calibration_error",
    "evaluate_classifier",
    "evaluate_translator",
    "fit_ranking_weights",
    "ngram_posteriors",
    "translation_scores",
]
