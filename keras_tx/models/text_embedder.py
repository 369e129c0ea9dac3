"""Text models that make one vector of a text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_tx.models.text_model import TextModel
from keras_tx.text import Tokenizer, pack


class TextEmbedder(TextModel):
    """A text model whose encoder gives a vector for each token: their mean is the text's.

    A subclass has a `tokenizer`, and says which layer or model turns ids `(B, T)` into vectors
    `(B, T, D)` (`_token_encoder`), and how many tokens it reads (`_longest`).

    Example:
        >>> from keras_tx.models import Backbone, TextModel
        >>> from keras_tx.models.text_embedder import TextEmbedder
        >>> issubclass(Backbone, TextEmbedder) and issubclass(TextEmbedder, TextModel)
        True
    """

    text_method = "embed"
    tokenizer: Tokenizer
    _longest: int | None = None  # Tokens of a text; `None` for any number.

    @property
    def _token_encoder(self) -> keras.Layer:
        raise NotImplementedError

    def tokenizers(self) -> list[Tokenizer]:
        """The tokenizer, in a list."""
        return [self.tokenizer]

    def _embed(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        # The end id makes an empty text a sequence of one token.
        ids, lengths = pack(
            self.tokenizer.tokenize(text),
            self._longest,
            end_id=self.tokenizer.end_id,
            truncation="head_tail",
        )
        vectors = tf.cast(self._token_encoder(ids, training=False), tf.float32)
        real = tf.cast(ids != 0, tf.float32)[:, :, None]
        total = tf.reduce_sum(vectors * real, axis=1)
        return {"vector": total / tf.cast(lengths, tf.float32)[:, None]}

    def signatures(self) -> dict[str, tuple[Callable, list[tf.TensorSpec]]]:
        """`serving_default`: `text` -> `vector`, the mean of the tokens' vectors."""
        return {"serving_default": (self._embed, [tf.TensorSpec([None], tf.string, "text")])}

    def embed(self, texts: Sequence[str], batch_size: int = 32) -> np.ndarray:
        """The mean of the tokens' vectors of each text.

        Args:
            texts: any number of strings; of a text that is too long, head and tail are read.
            batch_size: the most texts at once; a large network takes fewer. Default 32.

        Returns:
            `(N, D)`, float32.

        Raises:
            TypeError: when `texts` is not a list of `str`.
        """
        vectors = np.zeros((len(texts), self._token_encoder.output.shape[-1]), "f4")
        for rows, outputs in self._run_sorted("serving_default", texts, batch_size):
            vectors[rows] = outputs["vector"]
        return vectors
