"""Training of text classifiers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_tx.data import LabelledTexts, TokenSequences
from keras_tx.models.batches import LabelledBatches
from keras_tx.training import (
    TokenCrossentropy,
    TrainingOptions,
    fit_naive_bayes_svm,
    fit_network,
    fit_score_weights,
)

if TYPE_CHECKING:
    from keras_tx.models.text_classifier import TextClassifier

NGRAM_TOKENS = 65_536  # Padded tokens of which the n-grams are found at once: bounds the memory.


def fit_classifier(
    classifier: TextClassifier,
    train: LabelledTexts,
    validation: LabelledTexts,
    *,
    epochs: int = 5,
    tokens_per_batch: int = 8192,
    learning_rate: float = 1e-3,
    warmup_steps: int = 200,
    weight_decay: float = 0.01,
    label_smoothing: float = 0.05,
    rounds_per_epoch: int = 1,
    ngram_cost: float = 3.0,
    precision: str = "float32",
    seed: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    **options: Any,
) -> list[dict[str, float]]:
    """Train on labelled texts, and keep the weights that validate best.

    With n-grams in the network, they are fitted first (`fit_ngrams`); then the encoders are
    trained as if there were none, for n-grams soon know the training texts by heart, and
    would leave the encoders nothing to learn; at last the validation texts tell how much
    each of the two counts (`weigh_branches`).

    Args:
        train, validation: texts with the same label names as the model's.
        epochs: passes over the training texts. Default 5.
        tokens_per_batch: the most padded tokens in a batch. Default 8192.
        learning_rate: the peak of a warm-up and cosine schedule. Default 1e-3.
        warmup_steps: steps up to the peak. Default 200.
        weight_decay: of AdamW. Default 0.01.
        label_smoothing: of the loss. Default 0.05.
        rounds_per_epoch: validations an epoch. Default 1.
        ngram_cost: see `fit_ngrams`. Default 3.
        precision: dtype policy in training, e.g. `"mixed_bfloat16"`. The model
            itself stays in float32. Default `"float32"`.
        seed: of shuffling and dropout. Default 0.
        callbacks: further Keras callbacks.
        **options: of `keras_tx.training.TrainingOptions`, such as `directory`,
            `resume`, `max_minutes`, `patience`, `average`.

    Returns:
        The history: one dictionary a round (see `fit_network`), of the encoders alone. With
        n-grams a last one follows for both together, with their weights.

    Raises:
        ValueError: when label names differ, or an option does not fit.
    """
    for examples in (train, validation):
        _check_labels(classifier, examples)
    if classifier.has_ngrams:
        fit_ngrams(classifier, train, cost=ngram_cost, seed=seed)
    keras.utils.set_random_seed(seed)
    training = LabelledBatches(train, classifier.pack_for_encoders, tokens_per_batch, seed)
    held_out = LabelledBatches(validation, classifier.pack_for_encoders, 2 * tokens_per_batch)
    steps = epochs * len(training)
    # In a short training the average must not reach back to its beginning.
    momentum = min(0.995, max(0.0, 1 - 10 / steps))
    settings = {"average": "ema", "ema_momentum": momentum, **options}
    options = TrainingOptions(
        total_steps=steps,
        steps_per_round=max(len(training) // rounds_per_epoch, 1),
        **settings,
    )
    with classifier._training_network(precision) as network:
        history = fit_network(
            network,
            training.dataset,
            held_out.dataset(),
            loss=TokenCrossentropy(label_smoothing),
            optimizer=_optimizer(learning_rate, warmup_steps, weight_decay, options),
            options=options,
            metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
            callbacks=callbacks,
        )
    if classifier.has_ngrams:
        figures = weigh_branches(classifier, validation, 2 * tokens_per_batch)
        history.append({"step": history[-1]["step"], **figures, "chosen": "wide and deep"})
    return history


def fit_ngrams(
    classifier: TextClassifier,
    train: LabelledTexts,
    smoothing: float = 1.0,
    cost: float = 3.0,
    seed: int = 0,
) -> None:
    """Set the weights of the n-grams: a support vector machine on naive Bayes features.

    Args:
        train: texts with the same label names as the model's.
        smoothing, cost, seed: see `keras_tx.training.fit_naive_bayes_svm`. Default 1, 3, 0.

    Raises:
        ValueError: when the network has no n-grams, or label names differ.
    """
    _check_labels(classifier, train)
    layer = _ngram_layer(classifier)
    batches = LabelledBatches(train, classifier.pack_whole, NGRAM_TOKENS)
    weights, bias = fit_naive_bayes_svm(
        _buckets(batches.sequences, layer),
        batches.labels,
        len(classifier.labels),
        layer.num_buckets,
        smoothing=smoothing,
        cost=cost,
        seed=seed,
    )
    layer.embeddings.assign(weights)
    layer.bias.assign(bias)
    classifier._forget_graphs()
    classifier.origin = None


def weigh_branches(
    classifier: TextClassifier, validation: LabelledTexts, tokens_per_batch: int = 16_384
) -> dict[str, float]:
    """Multiply encoders' and n-grams' scores by what each is worth on texts not trained on.

    Args:
        validation: texts with the same label names as the model's.
        tokens_per_batch: the most padded tokens at once. Default 16384.

    Returns:
        `val_accuracy`, `val_loss`; `encoder_accuracy`, `ngram_accuracy` of each branch by
        itself; and the two factors, `encoder_weight`, `ngram_weight`.

    Raises:
        ValueError: when the network has no n-grams, or label names differ.
    """
    _check_labels(classifier, validation)
    ngrams, logits = _ngram_layer(classifier), classifier.network.get_layer("logits")
    outputs = [logits.output, classifier.network.get_layer("ngram_logits").output]
    branches = keras.Model(classifier.network.input, outputs)
    batches = LabelledBatches(validation, classifier.pack_whole, tokens_per_batch)
    scores, labels = [], []
    for ids, true in batches.dataset():
        scores.append(np.stack([np.asarray(part) for part in branches(ids)], axis=1))
        labels.append(true.numpy())
    scores, labels = np.concatenate(scores), np.concatenate(labels)
    weights = fit_score_weights(scores, labels)
    for layer, weight in ((logits, weights[0]), (ngrams, weights[1])):
        layer.set_weights([values * weight.astype(values.dtype) for values in layer.get_weights()])
    classifier._forget_graphs()
    classifier.origin = None
    alone = (scores.argmax(axis=2) == labels[:, None]).mean(axis=0)
    joined = np.einsum("nsc,s->nc", scores, weights)
    losses = np.logaddexp.reduce(joined, axis=1) - joined[np.arange(len(labels)), labels]
    return {
        "val_accuracy": float(np.mean(joined.argmax(axis=1) == labels)),
        "val_loss": float(losses.mean()),
        "encoder_accuracy": float(alone[0]),
        "ngram_accuracy": float(alone[1]),
        "encoder_weight": float(weights[0]),
        "ngram_weight": float(weights[1]),
    }


def _buckets(sequences: TokenSequences, layer: Any) -> TokenSequences:
    """The buckets of each text, by the layer's own hashing."""
    order = np.argsort(sequences.lengths, kind="stable")
    parts, start = [], 0
    while start < len(order):
        # Sorted by length: the last of a batch is the longest.
        sizes = sequences.lengths[order[start:]] * np.arange(1, len(order) - start + 1)
        rows = order[start : start + max(int(np.searchsorted(sizes, NGRAM_TOKENS)), 1)]
        found = keras.ops.convert_to_numpy(layer.buckets(sequences.padded(rows)))
        parts.append((found[found < layer.num_buckets], (found < layer.num_buckets).sum(axis=1)))
        start += len(rows)
    by_length = TokenSequences(parts)
    back = np.argsort(order)
    starts, lengths = by_length.starts[back], by_length.lengths[back]
    places = np.repeat(starts - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())
    return TokenSequences([(by_length.values[places], lengths)])


def _optimizer(
    learning_rate: float, warmup_steps: int, weight_decay: float, options: TrainingOptions
) -> keras.Optimizer:
    warmup_steps = min(warmup_steps, max(options.total_steps // 4, 1))
    schedule = keras.optimizers.schedules.CosineDecay(
        learning_rate / warmup_steps,
        max(options.total_steps - warmup_steps, 1),
        warmup_target=learning_rate,
        warmup_steps=warmup_steps,
    )
    return keras.optimizers.AdamW(
        schedule,
        weight_decay=weight_decay,
        global_clipnorm=options.clip_norm,
        use_ema=options.average == "ema",
        ema_momentum=options.ema_momentum,
        ema_overwrite_frequency=None,
    )


def _ngram_layer(classifier: TextClassifier) -> Any:
    if not classifier.has_ngrams:
        raise ValueError("expected a classifier with n-grams. Received: one with ngram_buckets=0")
    return classifier.network.get_layer("ngrams")


def _check_labels(classifier: TextClassifier, examples: LabelledTexts) -> None:
    if tuple(examples.label_names) != classifier.labels:
        raise ValueError(
            f"examples expected the labels {classifier.labels}. "
            f"Received: {tuple(examples.label_names)}"
        )
