"""Word tokenizer on Keras' TextVectorization, as in the book."""

from __future__ import annotations

import numbers
from collections.abc import Iterable

import keras
import tensorflow as tf

from keras_tx.text.tokenizer import Tokenizer, in_chunks, training_texts
from keras_tx.text.vocabulary_file import read_vocabulary, write_vocabulary

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[START]", "[END]")
STANDARDIZATIONS = ("lower_and_strip_punctuation", "lower", "strip_punctuation", None)
SPLITS = ("whitespace", "character")


@keras.saving.register_keras_serializable(package="keras_tx")
class WordTokenizer(Tokenizer):
    """One id for each word that is frequent enough; all others are `unknown_id`.

    Built on `keras.layers.TextVectorization`, with its ids shifted to the contract of
    `Tokenizer`: words start at id 4, the most frequent first. Lossy: `detokenize` joins the
    words with single spaces, and unknown ones read `[UNK]`. Lower-casing and punctuation are
    ASCII's, as in `TextVectorization`.

    Args:
        max_tokens: most ids, the four special ones included; at least 5. Defaults to 20000.
        standardize: `"lower_and_strip_punctuation"` (default), `"lower"`, `"strip_punctuation"`
            or `None`.
        split: `"whitespace"` (default) or `"character"` (`detokenize` then joins with nothing,
            and a line feed is always unknown).

    Raises:
        ValueError: for an argument out of its range, or in `fit` for texts without a word.
        RuntimeError: when used before `fit` or `load_assets`.

    Example:

    >>> from keras_tx.text import WordTokenizer
    >>> tokenizer = WordTokenizer().fit(["The boat, the lake!", "The lake."])
    >>> tokenizer.vocabulary
    ['[PAD]', '[UNK]', '[START]', '[END]', 'the', 'lake', 'boat']
    >>> tokenizer.tokenize(["The green boat"]).to_list()
    [[4, 1, 6]]
    >>> tokenizer.detokenize([[2, 4, 6, 3, 0]]).numpy().tolist()
    [b'the boat']

    Source: Chollet, "Deep Learning with Python".
    """

    def __init__(
        self,
        max_tokens: int = 20000,
        standardize: str | None = "lower_and_strip_punctuation",
        split: str = "whitespace",
        **kwargs,
    ):
        super().__init__(**kwargs)
        whole = isinstance(max_tokens, numbers.Integral)
        if isinstance(max_tokens, bool) or not whole or max_tokens <= len(SPECIAL_TOKENS):
            raise ValueError(
                "WordTokenizer expected a whole number max_tokens of at least "
                f"{len(SPECIAL_TOKENS) + 1}. Received: max_tokens={max_tokens!r}"
            )
        if standardize not in STANDARDIZATIONS:
            raise ValueError(
                f"WordTokenizer expected standardize to be one of {STANDARDIZATIONS}. "
                f"Received: standardize={standardize!r}"
            )
        if split not in SPLITS:
            raise ValueError(
                f"WordTokenizer expected split to be one of {SPLITS}. Received: split={split!r}"
            )
        self.max_tokens = int(max_tokens)
        self.standardize = standardize
        self.split = split
        self._module = None

    @property
    def graph_resources(self) -> tf.Module:
        self._require_fitted()
        return self._module

    def fit(self, texts: Iterable[str]) -> WordTokenizer:
        """Count the words of `texts` (read once) and return the tokenizer itself."""
        counter = self._vectorization()
        # An iterator of batches: TextVectorization counts them one by one.
        counter.adapt(iter(map(self._as_strings, in_chunks(training_texts(texts), 4096))))
        # A word spelt like a special token, or one that would break the file, stays unknown.
        words = [
            str(word)
            for word in counter.get_vocabulary(include_special_tokens=False)
            if word not in SPECIAL_TOKENS and "\n" not in word
        ]
        if not words:
            raise ValueError("WordTokenizer.fit expected texts with words. Received: none")
        self._set_words(words[: self.max_tokens - len(SPECIAL_TOKENS)])
        return self

    def save_assets(self, directory: str) -> None:
        """Write the vocabulary, one token a line; nothing when there is none yet."""
        if self.is_fitted:
            write_vocabulary(directory, self.vocabulary)

    def load_assets(self, directory: str) -> None:
        """Read the vocabulary; without one the tokenizer stays as it is."""
        tokens = read_vocabulary(directory, SPECIAL_TOKENS, type(self).__name__)
        if tokens is not None:
            self._set_words(tokens)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "max_tokens": self.max_tokens,
            "standardize": self.standardize,
            "split": self.split,
        }

    def _tokenize(self, strings: tf.Tensor) -> tf.RaggedTensor:
        ids = tf.cast(self._module.vectorization(strings), tf.int32)
        # Words "[START]" or "[END]" in a text must not work as the real ones.
        ids = tf.where((ids == self.start_id) | (ids == self.end_id), self.unknown_id, ids)
        # Dense and back, because only TensorFlow's Keras backend gives ragged ids. Padding is 0
        # and no word is, so nothing is lost.
        return tf.RaggedTensor.from_tensor(ids, padding=self.padding_id)

    def _detokenize(self, ids: tf.RaggedTensor) -> tf.Tensor:
        words = ids.with_values(tf.gather(tf.constant(self.vocabulary), ids.flat_values))
        return tf.strings.reduce_join(
            words, axis=1, separator=" " if self.split == "whitespace" else ""
        )

    def _vectorization(self, words: list[str] | None = None) -> keras.layers.TextVectorization:
        return keras.layers.TextVectorization(
            standardize=self.standardize,
            split=self.split,
            output_mode="int",
            vocabulary=words,
        )

    def _set_words(self, words: list[str]) -> None:
        # In a module, and not an attribute of this layer: Keras would save its assets as well.
        self._module = tf.Module()
        self._module.vectorization = self._vectorization([*SPECIAL_TOKENS[2:], *words])
        self._set_vocabulary([*SPECIAL_TOKENS, *words])
