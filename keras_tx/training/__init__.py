"""Training: losses, schedules, averaging, and the loop's set-up with resume."""

from keras_tx.training.loop import TrainingOptions, fit_network
from keras_tx.training.losses import TokenCrossentropy
from keras_tx.training.progress import ProgressBar
from keras_tx.training.schedules import InverseSquareRoot
from keras_tx.training.weights import SnapshotAverage

__all__ = [
    "InverseSquareRoot",
    "ProgressBar",
    "SnapshotAverage",
    "TokenCrossentropy",
    "TrainingOptions",
    "fit_network",
]
