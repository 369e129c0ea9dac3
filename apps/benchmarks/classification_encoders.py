"""One encoder network in three libraries, for `classification.py`: what it is, ours, KerasHub's.

Two encoders, post-norm, with learned positions, mean and max pooling and a dense layer. Each
system has `scores` (ids to logits) and `train` (batches to the second at which each step ended).
PyTorch's is in `classification_pytorch.py`.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_tx.layers import MeanMaxPooling1D
from keras_tx.models import TextClassifier
from keras_tx.training import TokenCrossentropy, TrainingOptions, fit_network

LABELS = ("negative", "positive")
LEARNING_RATE = 1e-3
Batch = tuple[np.ndarray, np.ndarray]  # ids (B, T), labels (B,)


@dataclasses.dataclass(frozen=True)
class Shape:
    """The shape of the encoder."""

    num_layers: int = 2
    embed_dim: int = 128
    dense_dim: int = 512
    num_heads: int = 4
    sequence_length: int = 400
    dropout: float = 0.1

    def operations(self, lengths: Sequence[int]) -> float:
        """Floating-point operations of the matrix products for reviews of these lengths.

        A product of `(n, k)` and `(k, m)` counts `2 n k m`. Padding, normalization, softmax,
        activation, look-ups and pooling count nothing.
        """
        lengths = np.asarray(lengths, "float64")
        projections = 2 * 4 * self.embed_dim**2  # Query, key, value and output, for a token.
        feed_forward = 2 * 2 * self.embed_dim * self.dense_dim
        attention = 2 * 2 * self.embed_dim * lengths  # Scores, and the sums of values.
        layer = (lengths * (projections + feed_forward + attention)).sum()
        return float(self.num_layers * layer)


def reference_classifier(tokenizer: Any, shape: Shape) -> TextClassifier:
    """Ours, with random weights: the same ones whenever it is made."""
    keras.utils.set_random_seed(0)
    return TextClassifier.from_preset(
        "small",
        tokenizer,
        labels=LABELS,
        token_dropout=0.0,
        norm_first=False,  # PyTorch has its fastest way for post-norm only.
        ngram_buckets=0,
        **dataclasses.asdict(shape),
    )


class StepClock(keras.callbacks.Callback):
    """Notes when each step has ended."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seconds.append(time.perf_counter())


class KerasEncoder:
    """A Keras network, run as a graph without XLA, which compiles anew for each length."""

    def __init__(self, network: keras.Model) -> None:
        self.network = network
        self.graph = tf.function(
            lambda ids: network(ids, training=False),
            input_signature=[tf.TensorSpec([None, None], tf.int32)],
            autograph=False,
        )

    def scores(self, ids: np.ndarray) -> np.ndarray:
        return self.graph(tf.constant(ids)).numpy()

    def train(self, batches: list[Batch]) -> list[float]:
        raise NotImplementedError


class OurEncoder(KerasEncoder):
    """Trained as `TextClassifier.fit` trains, by `fit_network`."""

    def __init__(self, classifier: TextClassifier) -> None:
        super().__init__(classifier.network)

    def train(self, batches: list[Batch]) -> list[float]:
        clock, steps = StepClock(), len(batches)
        fit_network(
            self.network,
            lambda step: batch_stream(batches[step:]),
            batch_stream(batches[:1]),
            loss=TokenCrossentropy(),
            optimizer=keras.optimizers.Adam(LEARNING_RATE),
            options=TrainingOptions(
                total_steps=steps, steps_per_round=steps, average=None, progress=False
            ),
            callbacks=[clock],
        )
        return clock.seconds


class KerasHubEncoder(KerasEncoder):
    """KerasHub's embedding and encoders, with the weights of ours, trained by `fit`."""

    def __init__(self, classifier: TextClassifier, shape: Shape) -> None:
        super().__init__(keras_hub_network(classifier.vocabulary_size, shape))
        copy_weights(classifier.network, self.network, shape)

    def train(self, batches: list[Batch]) -> list[float]:
        clock = StepClock()
        self.network.compile(
            keras.optimizers.Adam(LEARNING_RATE),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=False,
        )
        self.network.fit(batch_stream(batches), verbose=0, shuffle=False, callbacks=[clock])
        return clock.seconds


def batch_stream(batches: list[Batch]) -> tf.data.Dataset:
    signature = (tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32))
    stream = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=signature)
    return stream.apply(tf.data.experimental.assert_cardinality(len(batches))).prefetch(4)


def keras_hub_network(vocabulary_size: int, shape: Shape) -> keras.Model:
    import keras_hub

    ids = keras.Input((None,), dtype="int32")
    x = keras_hub.layers.TokenAndPositionEmbedding(
        vocabulary_size, shape.sequence_length, shape.embed_dim, mask_zero=True, name="embedding"
    )(ids)
    for number in range(shape.num_layers):
        encoder = keras_hub.layers.TransformerEncoder(
            shape.dense_dim,
            shape.num_heads,
            dropout=shape.dropout,
            activation="gelu",
            name=f"encoder_{number}",
        )
        x = encoder(x)
        attention = encoder._self_attention_layer  # Ours has no dropout there.
        attention._dropout = attention._dropout_layer.rate = 0.0
    x = keras.layers.Dropout(0.5)(MeanMaxPooling1D()(x))
    logits = keras.layers.Dense(len(LABELS), dtype="float32", name="logits")(x)
    return keras.Model(ids, logits)


def copy_weights(ours: keras.Model, theirs: keras.Model, shape: Shape) -> None:
    """Our weights into KerasHub's layers, which split query, key and value, and their heads."""
    for name in ("embedding", "logits"):
        theirs.get_layer(name).set_weights(ours.get_layer(name).get_weights())
    heads = (shape.num_heads, shape.embed_dim // shape.num_heads)
    for number in range(shape.num_layers):
        weights = ours.get_layer(f"encoder_{number}").get_weights()
        (kernel, bias, output_kernel, output_bias), norm = weights[:4], weights[4:6]
        feed_forward, feed_forward_norm = weights[6:10], weights[10:12]
        projections = []
        for part in zip(np.split(kernel, 3, axis=-1), np.split(bias, 3), strict=True):
            projections += [part[0].reshape(-1, *heads), part[1].reshape(heads)]
        output = [output_kernel.reshape(*heads, -1), output_bias]
        theirs.get_layer(f"encoder_{number}").set_weights(
            [*projections, *output, *norm, *feed_forward_norm, *feed_forward]
        )
