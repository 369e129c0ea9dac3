"""Training of text classifiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras

from keras_tx.data import LabelledTexts, MultiLabelledTexts
from keras_tx.models.adversarial_network import AdversarialNetwork
from keras_tx.models.batches import LabelledBatches
from keras_tx.models.classifier_fitting import (
    checked_examples,
    fit_ngrams,
    fit_temperature,
    weigh_branches,
)
from keras_tx.models.layer_depths import layer_depths
from keras_tx.models.unlabelled_batches import with_unlabelled
from keras_tx.training import (
    AdversarialTraining,
    LayerwiseAdamW,
    MultiLabelCrossentropy,
    RDropCrossentropy,
    TokenAccuracy,
    TokenCrossentropy,
    TrainingOptions,
    example_weights,
    fit_network,
    inputs_twice,
    layerwise_factors,
)
from keras_tx.training.options import steps_of

if TYPE_CHECKING:
    from keras_tx.models.text_classifier import TextClassifier


def fit_classifier(
    classifier: TextClassifier,
    train: LabelledTexts | MultiLabelledTexts,
    validation: LabelledTexts | MultiLabelledTexts,
    *,
    epochs: float = 5,
    tokens_per_batch: int = 8192,
    learning_rate: float = 1e-3,
    warmup_steps: int = 200,
    weight_decay: float = 0.01,
    label_smoothing: float = 0.05,
    rounds_per_epoch: int = 1,
    layer_decay: float = 1.0,
    r_drop: float = 0.0,
    adversarial: AdversarialTraining | None = None,
    unlabelled: Sequence[str] = (),
    unlabelled_share: float = 2.0,
    ngram_cost: float = 3.0,
    class_weights: str | Mapping[str, float] | None = None,
    precision: str = "float32",
    seed: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    **options: Any,
) -> list[dict[str, float]]:
    """Train on labelled texts, and keep the weights that validate best.

    With n-grams in the network, they are fitted first (`fit_ngrams`); then the encoders are
    trained as if there were none, for n-grams soon know the training texts by heart, and
    would leave the encoders nothing to learn; at last the validation texts tell how much
    each of the two counts (`weigh_branches`), or, without n-grams, how sure the encoders may
    be (`fit_temperature`).

    Args:
        train, validation: texts with the same label names as the model's.
        epochs: passes over the training texts. Default 5.
        tokens_per_batch: the most padded tokens in a batch. Default 8192.
        learning_rate: the peak of a warm-up and cosine schedule. Default 1e-3.
        warmup_steps: steps up to the peak. Default 200.
        weight_decay: of AdamW. Default 0.01.
        label_smoothing: of the loss. Default 0.05.
        rounds_per_epoch: validations an epoch. Default 1.
        layer_decay: the learning rate is multiplied by this once more with each block that a
            layer stands nearer to the input, in a classifier made from a backbone. Default 1:
            the same rate for all.
        r_drop: weight of the divergence between two passes of each batch with different
            dropout, see `keras_tx.training.RDropCrossentropy`. A step costs twice as much.
            Default 0: one pass.
        adversarial: what the answers have to withstand, see
            `keras_tx.training.AdversarialTraining`. A step costs several times as much. Default
            `None`.
        unlabelled: texts without labels, for `adversarial`. Default: none.
        unlabelled_share: padded tokens of these in a step, as a multiple of `tokens_per_batch`.
            Default 2.
        ngram_cost: see `fit_ngrams`. Default 3.
        class_weights: how much labels count in training: `"balanced"` or a mapping from names
            (see `keras_tx.training.example_weights`). Default: alike. The scores are then the
            probabilities where labels are as frequent as they count.
        precision: dtype policy in training, e.g. `"mixed_bfloat16"`. The model
            itself stays in float32. Default `"float32"`.
        seed: of shuffling and dropout. Default 0.
        callbacks: further Keras callbacks.
        **options: of `keras_tx.training.TrainingOptions`, such as `directory`,
            `resume`, `max_minutes`, `patience`, `average`.

    Returns:
        The history: one dictionary a round (see `fit_network`), of the encoders alone. The
        last one is of the model as it is left: with n-grams both together, with their
        weights; without, the best round with the `temperature` found after it.

    Raises:
        TypeError: when `train` or `validation` is a list of texts.
        ValueError: when label names differ, or an option does not fit.
    """
    train, validation = (checked_examples(classifier, part) for part in (train, validation))
    _check_adversarial(classifier, adversarial, r_drop, unlabelled)
    classifier._check_training(precision)
    training = LabelledBatches(train, classifier.pack_for_encoders, tokens_per_batch, seed)
    held_out = LabelledBatches(validation, classifier.pack_for_encoders, 2 * tokens_per_batch)
    for batches in (training, held_out):  # What is best is told by the loss that is trained on.
        batches.weights = example_weights(batches.labels, classifier.labels, class_weights)
    steps = steps_of(epochs, len(training))
    # In a short training the average must not reach back to its beginning.
    momentum = min(0.995, max(0.0, 1 - 10 / max(steps, 1)))
    settings = {"average": "ema", "ema_momentum": momentum, **options}
    options = TrainingOptions(
        total_steps=steps,
        steps_per_round=max(len(training) // rounds_per_epoch, 1),
        **settings,
    )
    loss, accuracy = _loss(classifier, label_smoothing, r_drop)
    if classifier.has_ngrams:  # The model changes only now, when all arguments are known to fit.
        fit_ngrams(classifier, train, cost=ngram_cost, seed=seed, class_weights=class_weights)
    keras.utils.set_random_seed(seed)

    def stream(step: int) -> Any:
        return inputs_twice(training.dataset(step)) if r_drop else training.dataset(step)

    if len(unlabelled):
        tokens = max(round(unlabelled_share * tokens_per_batch), 1)
        stream = with_unlabelled(training, unlabelled, classifier.pack_for_encoders, tokens, seed)
    with classifier._training_network(precision) as network:
        history = fit_network(
            AdversarialNetwork(network, adversarial) if adversarial else network,
            stream,
            held_out.dataset(),
            loss=loss,
            optimizer=_optimizer(
                network, layer_decay, learning_rate, warmup_steps, weight_decay, options
            ),
            options=options,
            metrics=[accuracy],
            callbacks=callbacks,
        )
    last = history[-1] if history else {"step": 0}  # There may have been no time for a round.
    if classifier.has_ngrams:
        figures = weigh_branches(classifier, validation, 2 * tokens_per_batch, class_weights)
        history.append({"step": last["step"], **figures, "chosen": "wide and deep"})
    else:
        temperature = fit_temperature(classifier, validation, 2 * tokens_per_batch, class_weights)
        history[-1:] = [{**last, "temperature": temperature}]
    return history


def _loss(classifier: TextClassifier, label_smoothing: float, r_drop: float) -> tuple[Any, Any]:
    """The loss, and the accuracy to tell beside it."""
    if not classifier.multi_label:
        if r_drop:
            return RDropCrossentropy(r_drop, label_smoothing), TokenAccuracy()
        return TokenCrossentropy(label_smoothing), TokenAccuracy()
    if r_drop:
        raise ValueError(
            f"r_drop expected 0 with several labels a text. Received: r_drop={r_drop!r}"
        )
    accuracy = keras.metrics.MeanMetricWrapper(_all_labels_right, name="accuracy")
    return MultiLabelCrossentropy(label_smoothing), accuracy


def _check_adversarial(
    classifier: TextClassifier,
    adversarial: AdversarialTraining | None,
    r_drop: float,
    unlabelled: Sequence[str],
) -> None:
    if adversarial and (r_drop or classifier.multi_label):
        other = f"r_drop={r_drop!r}" if r_drop else "multi_label=True"
        raise ValueError(
            "adversarial expected a classifier of labels that exclude each other, without r_drop. "
            f"Received: {other}"
        )
    if len(unlabelled) and not adversarial:
        raise ValueError(
            "unlabelled expected adversarial training, which learns from such texts. "
            f"Received: {len(unlabelled)} texts, adversarial=None"
        )


def _all_labels_right(y_true: Any, y_pred: Any) -> Any:
    right = keras.ops.equal(keras.ops.cast(y_true, "bool"), y_pred > 0)
    return keras.ops.cast(keras.ops.all(right, axis=-1), "float32")


def _optimizer(
    network: keras.Model,
    layer_decay: float,
    learning_rate: float,
    warmup_steps: int,
    weight_decay: float,
    options: TrainingOptions,
) -> keras.Optimizer:
    warmup_steps = min(warmup_steps, max(options.total_steps // 4, 1))
    schedule = keras.optimizers.schedules.CosineDecay(
        learning_rate / warmup_steps,
        max(options.total_steps - warmup_steps, 1),
        warmup_target=learning_rate,
        warmup_steps=warmup_steps,
    )
    factors = None
    if layer_decay != 1:
        factors = layerwise_factors(layer_depths(network), layer_decay)
    return LayerwiseAdamW(
        schedule,
        factors,
        weight_decay=weight_decay,
        global_clipnorm=options.clip_norm,
        use_ema=options.average == "ema",
        ema_momentum=options.ema_momentum,
        ema_overwrite_frequency=None,
    )
