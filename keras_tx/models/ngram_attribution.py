"""What each token adds to the score of a classifier's n-grams."""

from __future__ import annotations

import keras
import tensorflow as tf


def ngram_attributions(
    network: keras.Model, ids: tf.Tensor, is_text: tf.Tensor, target: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Exact attributions, for the score is a sum over n-grams.

    An n-gram that stands in a text several times counts once: each of the places gets the same
    share; and of a place's share each token that is text gets the same.

    Args:
        network: a `classification_network` with n-grams.
        ids: `(B, T)`.
        is_text: whether an id is a token of the text, `(B, T)`; the end id is none.
        target: the number of the label, `(B,)`.

    Returns:
        `(attributions, rest)`: `(B, T)`, and what no token of the text adds, `(B,)`: the bias,
        and an n-gram of the end id alone. Their sum is the branch's logit.
    """
    layer = network.get_layer("ngrams")
    buckets = layer.buckets_in_order(ids)  # (B, O, T)
    rows = tf.shape(ids)[0]
    flat = tf.reshape(buckets, [rows, -1])  # (B, O * T)
    present = tf.cast(flat < layer.num_buckets, tf.float32)
    ordered = tf.sort(flat, axis=1)
    times = tf.searchsorted(ordered, flat, side="right") - tf.searchsorted(ordered, flat)
    share = present / tf.cast(times, tf.float32)  # Of a bucket, for each of its places.
    count = tf.maximum(tf.reduce_sum(share, axis=1, keepdims=True), 1.0)
    vectors = tf.gather(
        tf.convert_to_tensor(layer.embeddings), tf.minimum(flat, layer.num_buckets - 1)
    )
    # One column for two labels is half the difference of their logits.
    halves = layer.output_dim < network.output_shape[-1]
    scores = _of_target(tf.cast(vectors, tf.float32), target[:, None], halves) * share
    scores = tf.reshape(scores * tf.math.rsqrt(count), tf.shape(buckets))
    bias = tf.broadcast_to(tf.cast(layer.bias, tf.float32), [rows, layer.output_dim])
    attributions, rest = tf.zeros(tf.shape(ids)), _of_target(bias, target, halves)
    counts = tf.cast(is_text, tf.float32)
    for place, order in enumerate(sorted(set(layer.orders))):
        covered = tf.add_n([_earlier(counts, shift) for shift in range(order)])
        each = tf.math.divide_no_nan(scores[:, place], covered)
        attributions += counts * tf.add_n([_later(each, shift) for shift in range(order)])
        rest += tf.reduce_sum(tf.where(covered > 0, 0.0, scores[:, place]), axis=1)
    return attributions, rest


def _of_target(scores: tf.Tensor, target: tf.Tensor, halves: bool) -> tf.Tensor:
    """Scores `(…, C)` to those of the label, `(…)`."""
    if halves:
        return scores[..., 0] * (tf.cast(target, tf.float32) - 0.5)
    return tf.reduce_sum(scores * tf.one_hot(target, scores.shape[-1]), axis=-1)


def _earlier(values: tf.Tensor, shift: int) -> tf.Tensor:
    """At each place the value that stands `shift` places on."""
    return tf.pad(values[:, shift:], [[0, 0], [0, tf.minimum(shift, tf.shape(values)[1])]])


def _later(values: tf.Tensor, shift: int) -> tf.Tensor:
    """At each place the value that stands `shift` places back."""
    length = tf.shape(values)[1]
    shift = tf.minimum(shift, length)
    return tf.pad(values[:, : length - shift], [[0, 0], [shift, 0]])
