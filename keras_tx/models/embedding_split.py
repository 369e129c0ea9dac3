"""A classification network in two parts: token ids to vectors, and vectors to logits."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

# Numbers that differ by less than about 1 / SHARPNESS share the slope of their maximum.
SHARPNESS = 200.0


class EmbeddingSplit:
    """What stands before a network's first attention, and what behind.

    Attribution asks what becomes of the logits when token vectors change; so it has to put
    other vectors in their place.

    Args:
        network: a `classification_network`, with its own encoders, or with those of a backbone.

    Example:
        >>> import numpy as np
        >>> from keras_tx.models import classification_network
        >>> from keras_tx.models.embedding_split import EmbeddingSplit
        >>> network = classification_network(vocabulary_size=9, num_classes=2, sequence_length=4)
        >>> split, ids = EmbeddingSplit(network), np.array([[5, 6]])
        >>> points, vectors = split.embed(ids)
        >>> bool(np.allclose(split.logits(points, ids), network(ids), atol=1e-5))
        True
    """

    def __init__(self, network: keras.Model) -> None:
        self.scores = network.get_layer("logits")
        self.pooling = network.get_layer("pooling")
        self.dropout = network.get_layer("pooled_dropout")
        # Its mask, which Keras filled in, is an input of the layer too.
        pooled = keras.tree.flatten(network.get_layer("pooling").input)[0]
        # The ids are inputs of the later parts too: they say which places are padding.
        if "embedding" in [layer.name for layer in network.layers]:
            self.whole, self.embedding = None, network.get_layer("embedding")
            self.tail = keras.Model([self.embedding.output, network.input], pooled)
            return
        self.whole = network.get_layer("encoder")
        encoder = self.whole.encoder
        self.embedding = encoder.token_embedding
        # Where vectors first are in the graph: some encoders add positions in the same layer.
        first = next(
            layer
            for layer in encoder.layers
            if any(part is self.embedding for part in layer._flatten_layers())
        )
        inputs = keras.tree.flatten(encoder.input)
        self.head = keras.Model(encoder.input, first.output)
        self.tail = keras.Model([first.output, *inputs], self.whole.sequence_output(encoder.output))

    def embed(self, ids: Any) -> tuple[Any, Any]:
        """The vectors that the blocks get, and the tokens' share of them.

        Args:
            ids: `(B, T)`.

        Returns:
            Two arrays `(B, T, D)`, or of windows, `(B * W, window, D)`: the first one is the
            second one plus positions.
        """
        if self.whole is None:
            return ops.copy(self.embedding(ids)), self.embedding.token_vectors(ids)
        ids = self.whole.split(ops.convert_to_tensor(ids))
        points = self.head(self.whole.encoder_inputs(ids), training=False)
        has_positions = hasattr(self.embedding, "token_vectors")
        vectors = self.embedding.token_vectors(ids) if has_positions else self.embedding(ids)
        return ops.copy(points), vectors

    def windows(self, values: Any) -> Any:
        """Values of the ids, `(B, T)`, in the form of the vectors."""
        return values if self.whole is None else self.whole.split(values)

    def join(self, values: Any, ids: Any) -> Any:
        """Values in the form of the vectors, back to `(B, T)`."""
        return values if self.whole is None else self.whole.join(values, ids)

    def logits(self, points: Any, ids: Any) -> Any:
        """The encoders' logits, `(B, C)`, of vectors in the place of those of the ids."""
        vectors = self._vectors(points, ids, training=False)
        return self.scores(mean_and_steady_max(vectors, ops.not_equal(ids, 0)))

    def logits_in_training(self, points: Any, ids: Any) -> Any:
        """The logits as the network itself gives them in training, with dropout."""
        vectors = self._vectors(points, ids, training=True)
        pooled = self.pooling(vectors, mask=ops.not_equal(ids, 0))
        return self.scores(self.dropout(pooled, training=True))

    def _vectors(self, points: Any, ids: Any, training: bool) -> Any:
        ids = ops.convert_to_tensor(ids)
        if self.whole is None:
            return self.tail([points, ids], training=training)
        inputs = keras.tree.flatten(self.whole.encoder_inputs(self.whole.split(ids)))
        return self.whole.join(self.tail([points, *inputs], training=training), ids)


def mean_and_steady_max(vectors: Any, mask: Any) -> Any:
    """What `MeanMaxPooling1D` gives, with slopes that no rounding error decides on.

    The slope of a maximum is 1 for the largest number and 0 for the second, and where the two
    are all but equal, another order of summation makes the second one the largest. Here both
    get a share: `softmax(SHARPNESS * vectors)`.

    Args:
        vectors: `(B, T, D)`.
        mask: `(B, T)`, `True` = counts.

    Returns:
        `(B, 2 * D)`.
    """
    mask = ops.cast(mask, "bool")[:, :, None]
    vectors = ops.cast(vectors, "float32")
    real = ops.where(mask, vectors, 0.0)
    count = ops.maximum(ops.sum(ops.cast(mask, "float32"), axis=1), 1.0)
    lowered = ops.where(mask, vectors, -1e9)
    largest = ops.max(lowered, axis=1, keepdims=True)
    shares = ops.stop_gradient(ops.softmax(SHARPNESS * (lowered - largest), axis=1))
    near = ops.sum(shares * real, axis=1)
    steady = near + ops.stop_gradient(largest[:, 0] - near)
    return ops.concatenate([ops.sum(real, axis=1) / count, steady], axis=-1)
