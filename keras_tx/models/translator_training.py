"""Training of translators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import keras

from keras_tx.data import SentencePairs
from keras_tx.models.batches import PairBatches
from keras_tx.training import (
    InverseSquareRoot,
    RDropCrossentropy,
    TokenCrossentropy,
    TrainingOptions,
    fit_network,
    inputs_twice,
    new_optimizer,
)
from keras_tx.training.options import steps_of

if TYPE_CHECKING:
    from keras_tx.models.translator import Translator


def fit_translator(
    translator: Translator,
    train: SentencePairs,
    validation: SentencePairs,
    *,
    epochs: float = 20,
    tokens_per_batch: int = 2048,
    training_length: int | None = None,
    subword_dropout: float = 0.0,
    optimizer: str = "adam",
    learning_rate: float = 2e-3,
    warmup_steps: int = 1000,
    cooldown: float = 0.2,
    label_smoothing: float = 0.1,
    r_drop: float = 0.0,
    steps_per_round: int | None = None,
    precision: str = "float32",
    seed: int = 0,
    scorers: Sequence[Callable[[Translator], dict[str, float]]] = (),
    callbacks: Sequence[keras.callbacks.Callback] = (),
    **options: Any,
) -> list[dict[str, float]]:
    """Train on sentence pairs, and keep the weights that validate best.

    Pairs with a side longer than `sequence_length` tokens are left out.

    Args:
        train, validation: sentence pairs.
        epochs: passes over the training pairs; 1.5 ends in the middle of the second. Default 20.
        tokens_per_batch: the most padded tokens of either side in a batch. Default 2048.
        training_length: leave out pairs with a side of more tokens than this, too.
            Default: `sequence_length`.
        subword_dropout: draw the pieces of the training texts anew for each epoch: the
            probability with which a BPE merge is left out (0.1 is usual), or the exponent of
            a unigram model's probabilities. Default 0: none. See `PairBatches`.
        optimizer: `"adam"` (default) or `"muon"`, see `keras_tx.training.new_optimizer`.
        learning_rate: the peak of an inverse-square-root schedule. Default 2e-3.
        warmup_steps: steps up to the peak; a third of all at most. Default 1000.
        cooldown: share of all steps over which the rate goes to zero at the end.
            Default 0.2.
        label_smoothing: of the loss. Default 0.1.
        r_drop: weight of the divergence between two passes of each batch with different
            dropout, see `keras_tx.training.RDropCrossentropy`. A step costs twice as much.
            Default 0: one pass.
        steps_per_round: steps between validations. Default: an epoch.
        precision: dtype policy in training, e.g. `"mixed_bfloat16"`. The model
            itself stays in float32. Default `"float32"`.
        seed: of shuffling, drawn pieces and dropout. Default 0.
        scorers: called with the translator at the end of each round, while it holds the
            weights that are being validated: further figures for the history, which may be
            monitored. See `keras_tx.evaluation.TranslationQuality`.
        callbacks: further Keras callbacks.
        **options: of `keras_tx.training.TrainingOptions`, such as `directory`,
            `resume`, `max_minutes`, `patience`, `average`, `monitor`.

    Returns:
        The history: one dictionary a round (see `fit_network`).

    Raises:
        TypeError: when `train` or `validation` is no `SentencePairs`.
        ValueError: when no pair is short enough, or an option does not fit.
    """
    keras.utils.set_random_seed(seed)
    training, held_out = _batches(
        translator, train, validation, tokens_per_batch, training_length, seed, subword_dropout
    )
    steps = steps_of(epochs, len(training))
    settings = {"steps_per_round": steps_per_round or len(training), **options}
    options = TrainingOptions(total_steps=steps, **settings)
    if options.monitor != "val_loss" and not scorers:
        raise ValueError(
            f"scorers expected one that gives what is monitored, {options.monitor!r}. "
            "Received: none"
        )
    warmup_steps = min(warmup_steps, max(steps // 3, 1))
    schedule = InverseSquareRoot(learning_rate, warmup_steps, steps, int(cooldown * steps))
    padding_id = translator._target_tokenizer.padding_id
    if r_drop:
        loss = RDropCrossentropy(r_drop, label_smoothing, padding_id)
    else:
        loss = TokenCrossentropy(label_smoothing, padding_id)
    with translator._training_network(precision) as network:
        return fit_network(
            network,
            (lambda step: inputs_twice(training.dataset(step))) if r_drop else training.dataset,
            held_out.dataset(),
            loss=loss,
            optimizer=new_optimizer(optimizer, schedule, options, precision),
            options=options,
            scorers=[_of_network(translator, scorer) for scorer in scorers],
            callbacks=callbacks,
        )


def _batches(
    translator: Translator,
    train: SentencePairs,
    validation: SentencePairs,
    tokens_per_batch: int,
    training_length: int | None,
    seed: int,
    subword_dropout: float,
) -> tuple[PairBatches, PairBatches]:
    longest = translator.sequence_length
    if training_length is not None and not 1 <= training_length <= longest:
        raise ValueError(
            f"training_length expected a number from 1 to the sequence_length of {longest}. "
            f"Received: training_length={training_length!r}"
        )
    tokenizers = (translator.tokenizer, translator._target_tokenizer)
    training = PairBatches(
        train, *tokenizers, training_length or longest, tokens_per_batch, seed, subword_dropout
    )
    return training, PairBatches(validation, *tokenizers, longest, 2 * tokens_per_batch)


def _of_network(translator: Translator, scorer: Callable) -> Callable:
    """A scorer of the network in training: the translator, which is its twin, gets its weights."""

    def score(network: keras.Model) -> dict[str, float]:
        before = translator.network.get_weights()
        translator.network.set_weights(network.get_weights())
        try:
            return scorer(translator)
        finally:  # A training that is interrupted leaves the translator as it was.
            translator.network.set_weights(before)

    return score
