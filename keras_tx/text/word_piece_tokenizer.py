"""WordPiece subwords, as BERT and its relatives read them, by KerasHub."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf

from keras_tx.text.tokenizer import Tokenizer, in_chunks, training_texts
from keras_tx.text.vocabulary_file import read_vocabulary, write_vocabulary

# In the order of the ids that all tokenizers share.
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
MASK_TOKEN = "[MASK]"
SMALLEST_VOCABULARY = 100


@keras.saving.register_keras_serializable(package="keras_tx")
class WordPieceTokenizer(Tokenizer):
    """WordPiece: words, and pieces of words that begin with `##`; lossy like the words of BERT.

    The ids are those of the contract of `Tokenizer`: `[PAD]`, `[UNK]`, `[CLS]`, `[SEP]`, then
    the other tokens in the vocabulary's order. `from_hub` takes over the vocabulary of a
    tokenizer of KerasHub, such as that of a preset; `Backbone.from_hub` puts the rows of the
    preset's table into the same order.

    Args:
        vocabulary_size: wished number of ids for `fit`, at least 100. Default 30000.
        lowercase: whether to lower-case texts. Default `True`.
        strip_accents: whether to leave out accents. Default `False`.

    Raises:
        ValueError: for a size that is too small, or in `fit` for texts without a word.
        RuntimeError: when used before `fit`, `from_hub` or `load_assets`.

    Example:

    >>> import keras_hub
    >>> from keras_tx.text import WordPieceTokenizer
    >>> words = ["[PAD]", "[unused]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "play", "##ing"]
    >>> hub = keras_hub.tokenizers.BertTokenizer(words, lowercase=True)
    >>> tokenizer = WordPieceTokenizer.from_hub(hub)
    >>> tokenizer.tokenize_to_strings(["Playing chess"]).to_list()
    [[b'play', b'##ing', b'[UNK]']]

    Source: Schuster and Nakajima 2012, "Japanese and Korean Voice Search"; Song et al. 2021,
    "Fast WordPiece Tokenization".
    """

    def __init__(
        self,
        vocabulary_size: int = 30_000,
        lowercase: bool = True,
        strip_accents: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if vocabulary_size < SMALLEST_VOCABULARY:
            raise ValueError(
                f"vocabulary_size expected a number of at least {SMALLEST_VOCABULARY}. "
                f"Received: vocabulary_size={vocabulary_size!r}"
            )
        # Not under the argument's name: that is the property with the true size.
        self._wished_vocabulary_size = int(vocabulary_size)
        self.lowercase, self.strip_accents = bool(lowercase), bool(strip_accents)
        self._functions = ()

    @classmethod
    def from_hub(cls, tokenizer: Any) -> WordPieceTokenizer:
        """The same tokenizer with ids in our order.

        Args:
            tokenizer: a `keras_hub.tokenizers.WordPieceTokenizer` with a vocabulary, such as a
                `BertTokenizer`, with the special tokens of BERT.

        Raises:
            TypeError: for another kind of tokenizer.
            ValueError: when a special token is missing, or a setting differs from BERT's.
        """
        import keras_hub

        if not isinstance(tokenizer, keras_hub.tokenizers.WordPieceTokenizer):
            raise TypeError(
                "tokenizer expected a WordPieceTokenizer of KerasHub. "
                f"Received: {type(tokenizer).__name__}"
            )
        settings = (tokenizer.oov_token, tokenizer.suffix_indicator, tokenizer.split)
        if settings != ("[UNK]", "##", True) or not tokenizer.split_on_cjk:
            raise ValueError(
                "tokenizer expected BERT's settings: [UNK] for unknown words, ## for pieces, and "
                f"split texts. Received: {settings}"
            )
        tokens = tokenizer.get_vocabulary()
        missing = [token for token in SPECIAL_TOKENS if token not in tokens]
        if missing:
            raise ValueError(
                f"tokenizer expected the tokens {SPECIAL_TOKENS}. Received: {tokens[:9]}"
            )
        ours = cls(
            max(len(tokens), SMALLEST_VOCABULARY), tokenizer.lowercase, tokenizer.strip_accents
        )
        ours._set_tokens([token for token in tokens if token not in SPECIAL_TOKENS])
        return ours

    @property
    def graph_resources(self) -> tf.Module:
        self._require_fitted()
        # The vocabulary is a constant of the graph.
        return tf.Module()

    def fit(self, texts: Iterable[str]) -> WordPieceTokenizer:
        """Learn the pieces of `texts` (read once) and return the tokenizer itself."""
        import keras_hub

        chunks = [self._as_strings(chunk) for chunk in in_chunks(training_texts(texts), 4096)]
        strings = tf.concat([tf.constant([], tf.string), *chunks], axis=0)
        reserved = [*SPECIAL_TOKENS, MASK_TOKEN]
        words = tf.strings.regex_full_match(strings, r"(?s).*\S.*")
        if not bool(tf.reduce_any(words)):
            raise ValueError("WordPieceTokenizer.fit expected texts with words. Received: none")
        tokens = keras_hub.tokenizers.compute_word_piece_vocabulary(
            tf.data.Dataset.from_tensor_slices(strings),
            self._wished_vocabulary_size,
            lowercase=self.lowercase,
            strip_accents=self.strip_accents,
            reserved_tokens=reserved,
        )
        self._set_tokens([token for token in tokens if token not in SPECIAL_TOKENS])
        return self

    def save_assets(self, directory: str) -> None:
        """Write the vocabulary, one token a line; nothing when there is none yet."""
        if self.is_fitted:
            write_vocabulary(directory, self.vocabulary)

    def load_assets(self, directory: str) -> None:
        """Read the vocabulary; without one the tokenizer stays as it is."""
        tokens = read_vocabulary(directory, SPECIAL_TOKENS, type(self).__name__)
        if tokens is not None:
            self._set_tokens(tokens)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "vocabulary_size": self._wished_vocabulary_size,
            "lowercase": self.lowercase,
            "strip_accents": self.strip_accents,
        }

    def _tokenize(self, strings: tf.Tensor) -> tf.RaggedTensor:
        # The operation takes NUL for the end of a word, and would lose what follows in it.
        return self._functions[0](tf.strings.regex_replace(strings, r"\x00", " "))

    def _detokenize(self, ids: tf.RaggedTensor) -> tf.Tensor:
        tokens = ids.with_values(tf.gather(tf.constant(self.vocabulary), ids.flat_values))
        return tf.strings.regex_replace(
            tf.strings.reduce_join(tokens, axis=1, separator=" "), " ##", ""
        )

    def _set_tokens(self, tokens: list[str]) -> None:
        import keras_hub  # Takes a second: only where it is needed.

        vocabulary = [*SPECIAL_TOKENS, *tokens]
        hub = keras_hub.tokenizers.WordPieceTokenizer(
            vocabulary, lowercase=self.lowercase, strip_accents=self.strip_accents
        )
        # Only in a graph it gives tensors. In a tuple: as an attribute of its own Keras would take
        # the tokenizer for a layer of this one, to be saved with it.
        texts = tf.TensorSpec([None], tf.string)
        self._functions = (tf.function(hub, input_signature=[texts], autograph=False),)
        self._set_vocabulary(vocabulary)
