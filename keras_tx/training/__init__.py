"""Training: losses, optimizers, schedules, averaging, and the loop's set-up with resume."""

from keras_tx.training.adversarial import (
    AdversarialTraining,
    answer_divergence,
    answer_entropy,
    shift_factors,
)
from keras_tx.training.class_weights import example_weights
from keras_tx.training.label_losses import MultiLabelCrossentropy
from keras_tx.training.layerwise_adamw import LayerwiseAdamW, layerwise_factors
from keras_tx.training.loop import fit_network
from keras_tx.training.losses import TokenCrossentropy
from keras_tx.training.masked_tokens import TokenMasking, word_beginnings
from keras_tx.training.naive_bayes_svm import (
    fit_linear_svm,
    fit_naive_bayes_svm,
    log_count_ratios,
)
from keras_tx.training.optimizers import HalfPrecisionMuon, new_optimizer
from keras_tx.training.options import TrainingOptions
from keras_tx.training.packed_sequences import PackedSequences
from keras_tx.training.progress import ProgressBar
from keras_tx.training.r_drop import RDropCrossentropy, inputs_twice
from keras_tx.training.schedules import InverseSquareRoot
from keras_tx.training.score_weights import fit_score_weights
from keras_tx.training.token_accuracy import TokenAccuracy
from keras_tx.training.weights import SnapshotAverage

__all__ = [
    "AdversarialTraining",
    "HalfPrecisionMuon",
    "InverseSquareRoot",
    "MultiLabelCrossentropy",
    "LayerwiseAdamW",
    "PackedSequences",
    "ProgressBar",
    "RDropCrossentropy",
    "SnapshotAverage",
    "TokenAccuracy",
    "TokenCrossentropy",
    "TokenMasking",
    "TrainingOptions",
    "example_weights",
    "fit_linear_svm",
    "fit_naive_bayes_svm",
    "fit_network",
    "fit_score_weights",
    "inputs_twice",
    "layerwise_factors",
    "log_count_ratios",
    "new_optimizer",
    "word_beginnings",
    "answer_divergence",
    "answer_entropy",
    "shift_factors",
]
