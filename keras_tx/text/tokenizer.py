"""The one contract of all tokenizers."""

from __future__ import annotations

import abc
import itertools
import os
from collections.abc import Iterable, Iterator

import keras
import numpy as np
import tensorflow as tf


class Tokenizer(keras.layers.Layer, abc.ABC):
    """Strings to token ids and back, inside the TensorFlow graph.

    A tokenizer is a Keras layer only so that a `keras.Model` that holds one as an attribute saves
    its vocabulary in the same `.keras` file (`save_assets`, `load_assets`). It has no weights and
    stands beside the network, never in a functional graph. To export it, let a `tf.Module` that a
    `keras.export.ExportArchive` tracks hold `graph_resources`.

    Four ids are the same everywhere: `padding_id = 0`, `unknown_id = 1`, `start_id = 2`,
    `end_id = 3`. No text turns into padding, start or end; `pack` puts them there.

    Texts come as a 1-D string tensor, or as a sequence of `str` or `bytes`. Bytes that are not
    UTF-8, and lone surrogates in a `str`, are read as the replacement character U+FFFD. A text of
    `n` printable ASCII characters has no more than `n + 1` tokens: that tells what is short.

    A subclass calls `_set_vocabulary`, has `_tokenize`, `_detokenize`, `graph_resources`, `fit`,
    `save_assets` and `load_assets`, and is registered for serialization.
    """

    padding_id = 0
    unknown_id = 1
    start_id = 2
    end_id = 3

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._vocabulary = None
        self.built = True  # There is nothing to build: Keras need not wait for a call.

    @abc.abstractmethod
    def fit(self, texts: Iterable[str]) -> Tokenizer:
        """Learn the vocabulary from `texts` (read once) and return the tokenizer itself."""

    @property
    @abc.abstractmethod
    def graph_resources(self) -> tf.Module:
        """The `tf.Module` that an export must track: it holds the model or look-up table."""

    @abc.abstractmethod
    def _tokenize(self, strings: tf.Tensor) -> tf.RaggedTensor:
        """Valid UTF-8 strings `(B,)` -> int32 ids `(B, None)`."""

    @abc.abstractmethod
    def _detokenize(self, ids: tf.RaggedTensor) -> tf.Tensor:
        """Int32 ids `(B, None)` without padding, start and end -> strings `(B,)`."""

    def tokenize(self, texts) -> tf.RaggedTensor:
        """Texts `(B,)` -> ragged int32 ids `(B, None)`, without start and end."""
        self._require_fitted()
        return self._tokenize(self._as_strings(texts))

    def detokenize(self, ids) -> tf.Tensor:
        """Ids `(B, None)`, ragged or padded -> strings `(B,)`; padding, start and end are dropped.

        An id outside the vocabulary raises a `tf.errors.OpError`.
        """
        self._require_fitted()
        ids = self._as_ragged_ids(ids)
        values = ids.flat_values
        is_text = (values != self.padding_id) & (values != self.start_id) & (values != self.end_id)
        return self._detokenize(tf.ragged.boolean_mask(ids, ids.with_values(is_text)))

    def tokenize_to_strings(self, texts) -> tf.RaggedTensor:
        """Texts `(B,)` -> the tokens themselves `(B, None)`, for people to look at."""
        ids = self.tokenize(texts)
        return ids.with_values(tf.gather(tf.constant(self.vocabulary), ids.flat_values))

    def lengths(self, texts: Iterable[str], chunk_size: int = 4096) -> np.ndarray:
        """Token counts of `texts` as an int32 array, `chunk_size` texts at a time."""
        if isinstance(texts, (str, bytes)):
            self._as_strings(texts)  # raises: one string is no list of texts
        if isinstance(texts, tf.Tensor):
            texts = texts.numpy()
        counts = [np.zeros(0, dtype=np.int32)]
        for chunk in in_chunks(texts, chunk_size):
            counts.append(self.tokenize(chunk).row_lengths().numpy().astype(np.int32))
        return np.concatenate(counts)

    @property
    def is_fitted(self) -> bool:
        """Whether there is a vocabulary, from `fit` or from a file."""
        return self._vocabulary is not None

    @property
    def vocabulary(self) -> list[str]:
        """All tokens in the order of their ids."""
        self._require_fitted()
        return list(self._vocabulary.tokens)

    @property
    def vocabulary_size(self) -> int:
        """Number of ids, the four special ones included."""
        self._require_fitted()
        return len(self._vocabulary.tokens)

    def token_to_id(self, token: str) -> int:
        """The id of `token`; `unknown_id` if it is not in the vocabulary."""
        self._require_fitted()
        return self._vocabulary.ids.get(token, self.unknown_id)

    def id_to_token(self, token_id: int) -> str:
        """The token with this id; an `IndexError` if there is none."""
        if not 0 <= token_id < self.vocabulary_size:
            raise IndexError(
                f"{type(self).__name__} expected a token id from 0 to "
                f"{self.vocabulary_size - 1}. Received: token_id={token_id!r}"
            )
        return self._vocabulary.tokens[token_id]

    def call(self, *args, **kwargs):
        raise NotImplementedError(
            f"{type(self).__name__} stands beside the network, not in it: expected "
            "tokenize(texts) or detokenize(ids). Received: a call as a layer"
        )

    def _set_vocabulary(self, tokens: Iterable[str]) -> None:
        self._vocabulary = _Vocabulary(tokens)

    def _require_fitted(self) -> None:
        if not self.is_fitted:
            raise RuntimeError(
                f"{type(self).__name__} expected a vocabulary: call fit(texts) or load one first. "
                "Received: an unfitted tokenizer"
            )

    def _as_strings(self, texts) -> tf.Tensor:
        """Texts of every accepted kind -> a 1-D tensor of valid UTF-8."""
        if isinstance(texts, tf.Tensor):
            strings = texts
        else:
            if isinstance(texts, (str, bytes)):
                raise ValueError(
                    f"{type(self).__name__} expected a list of texts or a 1-D string tensor. "
                    f"Received: texts={texts!r}"
                )
            strings = tf.constant([_as_bytes(text) for text in texts], dtype=tf.string)
        if strings.dtype != tf.string or strings.shape.rank not in (None, 1):
            raise ValueError(
                f"{type(self).__name__} expected a list of texts or a 1-D string tensor. "
                f"Received: dtype={strings.dtype.name}, shape={strings.shape}"
            )
        strings = tf.ensure_shape(strings, [None])
        return tf.strings.unicode_transcode(strings, "UTF-8", "UTF-8", errors="replace")

    def _as_ragged_ids(self, ids) -> tf.RaggedTensor:
        if isinstance(ids, (list, tuple)):
            ids = tf.ragged.constant([list(row) for row in ids], dtype=tf.int32, ragged_rank=1)
        if not isinstance(ids, tf.RaggedTensor):
            ids = tf.convert_to_tensor(ids)
            if ids.shape.rank == 2:
                ids = tf.RaggedTensor.from_tensor(ids)
        if ids.shape.rank != 2 or not ids.dtype.is_integer:
            raise ValueError(
                f"{type(self).__name__} expected integer ids of rank 2 (batch, tokens). "
                f"Received: dtype={ids.dtype.name}, shape={ids.shape}"
            )
        return tf.cast(ids, tf.int32)


class _Vocabulary:
    """Tokens and their ids. A plain object, so that Keras does not wrap 20,000 strings."""

    def __init__(self, tokens: Iterable[str]):
        self.tokens = tuple(tokens)
        self.ids = {token: token_id for token_id, token in enumerate(self.tokens)}


def in_chunks(items: Iterable, size: int) -> Iterator[list]:
    """Cut an iterable into lists of `size` items; the last may be shorter."""
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk


def training_texts(texts: Iterable[str]) -> Iterator[str]:
    """Check the texts given to `fit`, one by one, and make them valid Unicode."""
    if isinstance(texts, (str, bytes)):
        raise TypeError(f"fit expected an iterable of texts. Received: texts={texts[:50]!r}")
    for text in texts:
        yield _as_bytes(text).decode("utf-8", errors="replace")


def write_atomically(path: str, content: bytes) -> None:
    """Write beside `path` and rename, so that no half-written file is ever found there."""
    beside = f"{path}.{os.getpid()}.part"
    with open(beside, "wb") as file:
        file.write(content)
    os.replace(beside, path)


def _as_bytes(text) -> bytes:
    if isinstance(text, bytes):
        return text
    if not isinstance(text, str):
        raise TypeError(f"A tokenizer expected texts of type str. Received: text={text!r}")
    # A lone surrogate has no UTF-8: its bytes go through and are replaced as invalid later.
    return text.encode("utf-8", errors="surrogatepass")
