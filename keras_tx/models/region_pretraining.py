"""Training of region encoders on texts without labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_tx.models.packed_batches import PackedBatches
from keras_tx.training import TrainingOptions, fit_network, new_optimizer
from keras_tx.training.options import steps_of

if TYPE_CHECKING:
    from keras_tx.models.region_backbone import RegionBackbone


def pretrain_regions(
    backbone: RegionBackbone,
    train: Sequence[str],
    validation: Sequence[str],
    *,
    epochs: float = 3,
    tokens_per_batch: int = 16_384,
    sequence_length: int = 1024,
    learning_rate: float = 2e-3,
    warmup_steps: int = 100,
    ignored: int = 60,
    steps_per_round: int | None = None,
    seed: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    **options: Any,
) -> list[dict[str, float]]:
    """Train on texts, and keep the weights that validate best.

    Args:
        train, validation: any number of texts.
        epochs: passes over the training texts; 1.5 ends in the middle of the second. Default 3.
        tokens_per_batch: tokens in a batch. Default 16384.
        sequence_length: tokens of a row; the texts are joined and cut. Default 1024.
        learning_rate: the peak of a warm-up and cosine schedule of Adam. Default 2e-3.
        warmup_steps: steps up to the peak; a quarter of all at most. Default 100.
        ignored: how many of the most frequent tokens are not foretold. Default 60.
        steps_per_round: steps between validations. Default: an epoch.
        seed: of rows and weights. Default 0.
        callbacks: further Keras callbacks.
        **options: of `keras_tx.training.TrainingOptions`, such as `directory`, `resume`,
            `max_minutes`. Unless given, `average` is `None` and `jit_compile` is `True`.

    Returns:
        The history: one dictionary a round (see `fit_network`) with `loss` and `val_loss`, the
        mean of `ContextError`: 0 for who knows nothing.

    Raises:
        ValueError: when there are too few texts to fill a row, or an option does not fit.
    """
    keras.utils.set_random_seed(seed)
    training, held_out = (
        PackedBatches(texts, backbone.tokenizer, sequence_length, tokens_per_batch, seed)
        for texts in (train, validation)
    )
    steps = steps_of(epochs, len(training))
    settings = {
        "steps_per_round": steps_per_round or len(training),
        "average": None,
        "clip_norm": None,
        "jit_compile": True,  # Sums and look-ups, all of one shape: half the time.
        **options,
    }
    options = TrainingOptions(total_steps=steps, **settings)
    warmup_steps = min(warmup_steps, max(steps // 4, 1))
    schedule = keras.optimizers.schedules.CosineDecay(
        learning_rate / warmup_steps,
        max(steps - warmup_steps, 1),
        warmup_target=learning_rate,
        warmup_steps=warmup_steps,
    )
    ids = training.packed.documents.values
    counts = np.bincount(ids, minlength=backbone.vocabulary_size)
    backbone.network.get_layer("context_error").set_counts(counts, ignored)
    with backbone._training_network("float32") as network:
        return fit_network(
            network,
            training.dataset,
            held_out.dataset(),
            loss=mean_error,
            optimizer=new_optimizer("adam", schedule, options),
            options=options,
            callbacks=callbacks,
        )


def mean_error(y_true: Any, y_pred: Any) -> Any:
    """The loss of a network whose outputs are errors."""
    return keras.ops.mean(y_pred)
