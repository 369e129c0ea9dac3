"""Training of backbones on texts without labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras

from keras_tx.models.masked_batches import MaskedBatches
from keras_tx.training import (
    TokenAccuracy,
    TokenCrossentropy,
    TokenMasking,
    TrainingOptions,
    fit_network,
    new_optimizer,
    word_beginnings,
)
from keras_tx.training.options import steps_of

if TYPE_CHECKING:
    from keras_tx.models.backbone import Backbone


def pretrain(
    backbone: Backbone,
    train: Sequence[str],
    validation: Sequence[str],
    *,
    epochs: float = 5,
    tokens_per_batch: int = 8192,
    masking_rate: float = 0.15,
    whole_words: bool = True,
    optimizer: str = "adam",
    learning_rate: float = 1e-3,
    warmup_steps: int = 500,
    steps_per_round: int | None = None,
    precision: str = "float32",
    seed: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    **options: Any,
) -> list[dict[str, float]]:
    """Train on texts, and keep the weights that validate best.

    The texts are joined and cut into rows of `backbone.sequence_length` tokens; in each row,
    tokens are missing, which the network has to guess. Which ones is drawn anew each epoch.

    Args:
        train, validation: any number of texts.
        epochs: passes over the training texts; 1.5 ends in the middle of the second. Default 5.
        tokens_per_batch: tokens in a batch. Default 8192.
        masking_rate: share of the tokens that are to be guessed. Default 0.15.
        whole_words: whether all pieces of a word are missing together. Default `True`.
        optimizer: `"adam"` (default) or `"muon"`, see `keras_tx.training.new_optimizer`.
        learning_rate: the peak of a warm-up and cosine schedule. Default 1e-3.
        warmup_steps: steps up to the peak; a quarter of all at most. Default 500.
        steps_per_round: steps between validations. Default: an epoch.
        precision: dtype policy in training, e.g. `"mixed_bfloat16"`. The model itself
            stays in float32. Default `"float32"`.
        seed: of rows, masks and dropout. Default 0.
        callbacks: further Keras callbacks.
        **options: of `keras_tx.training.TrainingOptions`, such as `directory`, `resume`,
            `max_minutes`. `average` is `None` unless given.

    Returns:
        The history: one dictionary a round (see `fit_network`) with `loss`, `accuracy` (of
        the missing tokens), `val_loss`, `val_accuracy`.

    Raises:
        ValueError: when there are too few texts to fill a row, or an option does not fit.
    """
    keras.utils.set_random_seed(seed)
    tokenizer = backbone.tokenizer
    masking = TokenMasking(
        backbone.mask_id,
        tokenizer.vocabulary_size,
        rate=masking_rate,
        begins_word=word_beginnings(tokenizer.vocabulary) if whole_words else None,
    )
    training, held_out = (
        MaskedBatches(texts, tokenizer, masking, backbone.sequence_length, tokens_per_batch, seed)
        for texts in (train, validation)
    )
    steps = steps_of(epochs, len(training))
    settings = {"steps_per_round": steps_per_round or len(training), "average": None, **options}
    options = TrainingOptions(total_steps=steps, **settings)
    warmup_steps = min(warmup_steps, max(steps // 4, 1))
    schedule = keras.optimizers.schedules.CosineDecay(
        learning_rate / warmup_steps,
        max(steps - warmup_steps, 1),
        warmup_target=learning_rate,
        warmup_steps=warmup_steps,
    )
    with backbone._training_network(precision) as network:
        return fit_network(
            network,
            training.dataset,
            held_out.dataset(),
            loss=TokenCrossentropy(padding_id=tokenizer.padding_id),
            optimizer=new_optimizer(optimizer, schedule, options, precision),
            options=options,
            metrics=[TokenAccuracy(padding_id=tokenizer.padding_id)],
            callbacks=callbacks,
        )
