"""What of a text classifier is found without gradients: n-grams, branches' weights, temperature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_tx.data import LabelledTexts, MultiLabelledTexts, TokenSequences
from keras_tx.models.batches import LabelledBatches
from keras_tx.training import example_weights, fit_naive_bayes_svm, fit_score_weights

if TYPE_CHECKING:
    from keras_tx.models.text_classifier import TextClassifier

NGRAM_TOKENS = 65_536  # Padded tokens of which the n-grams are found at once: bounds the memory.
# Of a model that is always right on few texts any temperature is too high, of one that knows
# nothing any is too low.
LOWEST_FACTOR, HIGHEST_FACTOR = 0.01, 100.0


def fit_ngrams(
    classifier: TextClassifier,
    train: LabelledTexts | MultiLabelledTexts,
    smoothing: float = 1.0,
    cost: float = 3.0,
    seed: int = 0,
    class_weights: Any = None,
) -> None:
    """Set the weights of the n-grams: a support vector machine on naive Bayes features.

    Args:
        train: texts with the same label names as the model's.
        smoothing, cost, seed: see `keras_tx.training.fit_naive_bayes_svm`. Default 1, 3, 0.
        class_weights: see `keras_tx.training.example_weights`. Default: none.

    Raises:
        ValueError: when the network has no n-grams, label names differ, or an argument does
            not fit.
    """
    train = checked_examples(classifier, train)
    layer = _ngram_layer(classifier)
    batches = LabelledBatches(train, classifier.pack_whole, NGRAM_TOKENS)
    weights, bias = fit_naive_bayes_svm(
        _buckets(batches.sequences, layer),
        batches.labels,
        len(classifier.labels),
        layer.num_buckets,
        weights=example_weights(batches.labels, classifier.labels, class_weights),
        smoothing=smoothing,
        cost=cost,
        seed=seed,
    )
    layer.embeddings.assign(weights)
    layer.bias.assign(bias)
    classifier._forget_graphs()


def weigh_branches(
    classifier: TextClassifier,
    validation: LabelledTexts | MultiLabelledTexts,
    tokens_per_batch: int = 16_384,
    class_weights: Any = None,
) -> dict[str, float]:
    """Multiply encoders' and n-grams' scores by what each is worth on texts not trained on.

    The factors make probabilities of the sum's scores: they are its temperature, too.

    Args:
        validation: texts with the same label names as the model's.
        tokens_per_batch: the most padded tokens at once. Default 16384.
        class_weights: see `keras_tx.training.example_weights`. Default: none.

    Returns:
        `val_accuracy`, `val_loss`; `encoder_accuracy`, `ngram_accuracy` of each branch by
        itself; and the two factors, `encoder_weight`, `ngram_weight`.

    Raises:
        ValueError: when the network has no n-grams, or label names differ.
    """
    validation = checked_examples(classifier, validation)
    ngrams, logits = _ngram_layer(classifier), classifier.network.get_layer("logits")
    outputs = [logits.output, classifier.network.get_layer("ngram_logits").output]
    branches = keras.Model(classifier.network.input, outputs)
    scores, labels = _scores(classifier, branches, validation, tokens_per_batch)
    counts = example_weights(labels, classifier.labels, class_weights)
    weights = fit_score_weights(scores, labels, example_weights=counts)
    for layer, weight in ((logits, weights[0]), (ngrams, weights[1])):
        layer.set_weights([values * weight.astype(values.dtype) for values in layer.get_weights()])
    classifier.temperature = 1.0
    joined = np.einsum("nsc,s->nc", scores, weights)
    return {
        "val_accuracy": _accuracy(joined, labels),
        "val_loss": _loss(joined, labels),
        "encoder_accuracy": _accuracy(scores[:, 0], labels),
        "ngram_accuracy": _accuracy(scores[:, 1], labels),
        "encoder_weight": float(weights[0]),
        "ngram_weight": float(weights[1]),
    }


def fit_temperature(
    classifier: TextClassifier,
    validation: LabelledTexts | MultiLabelledTexts,
    tokens_per_batch: int = 16_384,
    class_weights: Any = None,
) -> float:
    """Set the temperature with which the scores are the best probabilities on some texts.

    The logits are divided by it, wherever the model is called with strings, the exported model
    included. It changes no ranking of labels, and with labels that exclude each other not the
    best one. The texts must be others than those trained on, which the model knows too well.

    Args:
        validation: texts with the same label names as the model's.
        tokens_per_batch: the most padded tokens at once. Default 16384.
        class_weights: see `keras_tx.training.example_weights`. Default: none.

    Returns:
        The temperature: above 1 for a model that was too sure.

    Raises:
        ValueError: when label names differ.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks".
    """
    validation = checked_examples(classifier, validation)
    scores, labels = _scores(classifier, classifier.network, validation, tokens_per_batch)
    counts = example_weights(labels, classifier.labels, class_weights)
    (factor,) = fit_score_weights(scores, labels, example_weights=counts)
    classifier.temperature = 1 / float(np.clip(factor, LOWEST_FACTOR, HIGHEST_FACTOR))
    return classifier.temperature


def checked_examples(
    classifier: TextClassifier, examples: LabelledTexts | MultiLabelledTexts
) -> LabelledTexts | MultiLabelledTexts:
    """The examples in the form that the classifier's labels have, or an error that says why not."""
    if not isinstance(examples, (LabelledTexts, MultiLabelledTexts)):
        raise TypeError(
            "examples expected LabelledTexts or MultiLabelledTexts. "
            f"Received: {type(examples).__name__}"
        )
    if tuple(examples.label_names) != classifier.labels:
        raise ValueError(
            f"examples expected the labels {classifier.labels}. "
            f"Received: {tuple(examples.label_names)}"
        )
    if classifier.multi_label:
        return MultiLabelledTexts.of(examples)
    if not isinstance(examples, LabelledTexts):
        raise ValueError(
            "examples expected one label a text, or a classifier with multi_label=True. "
            f"Received: {type(examples).__name__}"
        )
    return examples


def _scores(
    classifier: TextClassifier, network: keras.Model, examples: Any, tokens_per_batch: int
) -> tuple[np.ndarray, np.ndarray]:
    """Logits of a network with one or more outputs, `(N, outputs, C)`, and the labels."""
    batches = LabelledBatches(examples, classifier.pack_whole, tokens_per_batch)
    scores, labels = [], []
    for ids, true in batches.dataset():
        outputs = network(ids, training=False)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        scores.append(np.stack([np.asarray(part) for part in outputs], axis=1))
        labels.append(true.numpy())
    return np.concatenate(scores), np.concatenate(labels)


def _accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    if labels.ndim == 2:  # All labels of a text must be right.
        return float(((logits > 0) == (labels == 1)).all(axis=1).mean())
    return float(np.mean(logits.argmax(axis=1) == labels))


def _loss(logits: np.ndarray, labels: np.ndarray) -> float:
    if labels.ndim == 2:
        return float(np.mean(np.logaddexp(0, logits) - labels * logits))
    rows = np.arange(len(labels))
    return float(np.mean(np.logaddexp.reduce(logits, axis=1) - logits[rows, labels]))


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


def _ngram_layer(classifier: TextClassifier) -> Any:
    if not classifier.has_ngrams:
        raise ValueError("expected a classifier with n-grams. Received: one with ngram_buckets=0")
    return classifier.network.get_layer("ngrams")
