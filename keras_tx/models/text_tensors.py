"""Lists of strings on their way into a graph."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from keras_tx.text import encoded_texts


def as_strings(texts: Sequence[str], rows: Sequence[int]) -> tf.Tensor:
    """Some of the texts as a tensor."""
    return tf.constant(encoded_texts([texts[row] for row in rows]), tf.string)


def check_paired(name: str, values: Sequence[str], texts: Sequence[str]) -> None:
    """Raise unless there is one string for each text."""
    encoded_texts(values, name)
    if len(values) != len(texts):
        raise ValueError(
            f"{name} expected one for each of the {len(texts)} texts. Received: {len(values)}"
        )
