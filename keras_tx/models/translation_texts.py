"""From the strings of a translation to ids, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import tensorflow as tf

from keras_tx.text import Tokenizer, pack, sentence_case, with_capitals, without_capitals

if TYPE_CHECKING:
    from keras_tx.models.translator import Translator


class PackedTexts(NamedTuple):
    """Texts as ids.

    Attributes:
        ids: `(B, T)`, padded.
        lengths: `(B,)`, start and end included.
        truncated: booleans `(B,)`, where a text had more tokens than the model reads.
    """

    ids: tf.Tensor
    lengths: tf.Tensor
    truncated: tf.Tensor


class TranslationTexts:
    """What a translator's tokenizers do with sources and translations, in the graph.

    Args:
        translator: whose tokenizers to use.
        lower_capitals: read texts in capitals in lower case, see
            `keras_tx.text.without_capitals`, and write their translations in capitals.

    Example:
        >>> import tensorflow as tf
        >>> from keras_tx.models import Translator
        >>> from keras_tx.models.translation_texts import TranslationTexts
        >>> from keras_tx.text import WordTokenizer
        >>> translator = Translator.from_preset("tiny", WordTokenizer().fit(["a dog"]))
        >>> texts = TranslationTexts(translator, lower_capitals=True)
        >>> source, capitals = texts.source(tf.constant(["a dog", "dog"]))
        >>> source.lengths.numpy().tolist()
        [3, 2]
    """

    def __init__(self, translator: Translator, lower_capitals: bool) -> None:
        self.sequence_length = translator.sequence_length
        self.source_tokenizer = translator.tokenizer
        self.target_tokenizer = translator.target_tokenizer or translator.tokenizer
        self.lower_capitals = lower_capitals

    # What is longer than the model reads is cut, so that one long text costs no more than the
    # longest that the model takes.

    def source(self, text: tf.Tensor) -> tuple[PackedTexts, tf.Tensor]:
        """Sources with their ends, and which of them were read in lower case `(B,)`."""
        capitals = tf.zeros_like(text, tf.bool)
        if self.lower_capitals:
            text, capitals = without_capitals(text, self.source_tokenizer)
        tokens = self.source_tokenizer.tokenize(text)
        packed = pack(tokens, self.sequence_length, end_id=self.source_tokenizer.end_id)
        truncated = tokens.row_lengths() > self.sequence_length - 1
        return PackedTexts(*packed, truncated), capitals

    def target(self, translation: tf.Tensor, capitals: tf.Tensor) -> PackedTexts:
        """Translations with their starts and ends."""
        tokenizer = self.target_tokenizer
        tokens = tokenizer.tokenize(self._as_read(translation, capitals))
        most = self.sequence_length + 1
        packed = pack(tokens, most, start_id=tokenizer.start_id, end_id=tokenizer.end_id)
        return PackedTexts(*packed, tokens.row_lengths() > most - 2)

    def prefix(self, prefix: tf.Tensor, capitals: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Beginnings of translations, and their lengths."""
        tokens = self.target_tokenizer.tokenize(self._as_read(prefix, capitals))
        return pack(tokens, self.sequence_length)

    def _as_read(self, translation: tf.Tensor, capitals: tf.Tensor) -> tf.Tensor:
        if not self.lower_capitals:
            return translation
        return tf.where(capitals, sentence_case(translation), translation)

    def written(self, ids: tf.Tensor, capitals: tf.Tensor) -> tf.Tensor:
        """Ids `(B, T)` -> translations `(B,)`, in capitals where their sources were."""
        strings = self.target_tokenizer.detokenize(ids)
        return with_capitals(strings, capitals) if self.lower_capitals else strings

    @staticmethod
    def tokens(tokenizer: Tokenizer, ids: tf.Tensor, real: tf.Tensor) -> tf.Tensor:
        """The tokens themselves `(B, T)`, `""` where they are not real."""
        return tf.where(real, tf.gather(tf.constant(tokenizer.vocabulary), ids), "")
