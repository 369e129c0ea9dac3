"""Texts without labels beside those with labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from keras_tx.data import LabelledTexts
from keras_tx.models.batches import LabelledBatches


def with_unlabelled(
    training: LabelledBatches,
    texts: Sequence[str],
    encode: Callable[[Sequence[str]], tuple[tf.Tensor, tf.Tensor]],
    tokens_per_batch: int,
    seed: int,
) -> Callable[[int], tf.data.Dataset]:
    """Batches `((ids (B, T), others (U, S)), labels (B,))`.

    Both streams go on by themselves: each text of either kind comes once in each of its own
    passes.

    Args:
        training: the batches of texts with labels.
        texts: those without, at least one.
        encode: packs texts into `(ids, lengths)`.
        tokens_per_batch: the most padded tokens of texts without labels in a batch.
        seed: of their order.

    Returns:
        A function from a step to the endless dataset from that step on.

    Raises:
        TypeError: when a text is no `str`.

    Example:
        >>> from keras_tx.data import LabelledTexts
        >>> from keras_tx.models import SentimentClassifier
        >>> from keras_tx.models.batches import LabelledBatches
        >>> from keras_tx.models.unlabelled_batches import with_unlabelled
        >>> from keras_tx.text import WordTokenizer
        >>> tokenizer = WordTokenizer().fit(["good film", "bad film"])
        >>> pack = SentimentClassifier.from_preset("tiny", tokenizer).pack_for_encoders
        >>> labelled = LabelledTexts(["good", "bad film"], [1, 0], ["no", "yes"])
        >>> training = LabelledBatches(labelled, pack, 100, seed=0)
        >>> (ids, others), labels = next(iter(with_unlabelled(training, ["film"], pack, 9, 0)(0)))
        >>> ids.shape, others.shape, labels.shape
        (TensorShape([2, 3]), TensorShape([1, 2]), TensorShape([2]))
    """
    examples = LabelledTexts(list(texts), [0] * len(texts), ["none"])
    # Another order than that of the texts with labels, should these be the same texts.
    others = LabelledBatches(examples, encode, tokens_per_batch, seed + 1)

    def batches(step: int) -> tf.data.Dataset:
        both = tf.data.Dataset.zip((training.dataset(step), others.dataset(step)))
        return both.map(lambda labelled, other: ((labelled[0], other[0]), *labelled[1:]))

    return batches
