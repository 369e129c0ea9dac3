"""Texts in capitals, of which a model has read next to nothing."""

from __future__ import annotations

import tensorflow as tf

from keras_tx.text.tokenizer import Tokenizer

# A vocabulary learned from usual text has no words in capitals, and must spell them, or has no
# tokens for them at all.
_SPELLED_OUT = 1.5
_UNKNOWN = 4  # So many tokens an unknown one, which may stand for a whole word, counts for.


def sentence_case(texts: tf.Tensor) -> tf.Tensor:
    """Texts in lower case but for their first letter.

    Args:
        texts: strings `(B,)`.

    Returns:
        Strings `(B,)`. What has a letter that is lower case already stays as it is.

    Example:
        >>> import tensorflow as tf
        >>> from keras_tx.text import sentence_case
        >>> sentence_case(tf.constant(["- HELLO, WORLD.", "Hi YOU"])).numpy().tolist()
        [b'- Hello, world.', b'Hi YOU']
    """
    beginning = tf.strings.regex_replace(texts, r"(?s)^(\P{L}*\p{L}).*$", r"\1")
    rest = tf.strings.substr(texts, tf.strings.length(beginning), tf.strings.length(texts))
    lowered = tf.strings.join([beginning, tf.strings.lower(rest, encoding="utf-8")])
    return tf.where(_in_capitals(texts), lowered, texts)


def lower_case(texts: tf.Tensor) -> tf.Tensor:
    r"""Texts in lower case, all of them: TensorFlow's own operation ends a text at a NUL.

    Args:
        texts: strings `(B,)`.

    Returns:
        Strings `(B,)`.

    Example:
        >>> import tensorflow as tf
        >>> from keras_tx.text.capitals import lower_case
        >>> lower_case(tf.constant(["A\0B"])).numpy()[0]
        b'a\x00b'
    """
    parts = tf.strings.split(texts, "\0")
    lowered = tf.strings.lower(parts.flat_values, encoding="utf-8")
    # An operation's attribute, such as a separator, ends at a NUL, too; a tensor's string does not.
    ended = parts.with_flat_values(tf.strings.join([lowered, "\0"]))
    joined = tf.strings.reduce_join(ended, axis=1)
    sizes = tf.strings.length(joined) - 1
    return tf.strings.substr(joined, tf.zeros_like(sizes), sizes)


def without_capitals(texts: tf.Tensor, tokenizer: Tokenizer) -> tuple[tf.Tensor, tf.Tensor]:
    """Texts as a model can read them that has never read capitals.

    A text of capitals alone becomes `sentence_case`, if it takes half as many tokens again as
    that (an unknown token counts for four): so the vocabulary must spell out its words, or does
    not know them. A vocabulary of texts in capitals, or one that knows no case, changes nothing;
    nor does an abbreviation that it knows.

    Args:
        texts: strings `(B,)`.
        tokenizer: the fitted tokenizer of the model.

    Returns:
        Strings `(B,)`, and booleans `(B,)`: which were in capitals and are not any more.

    Example:
        >>> import tensorflow as tf
        >>> from keras_tx.text import SentencePieceTokenizer, without_capitals
        >>> tokenizer = SentencePieceTokenizer("bpe", vocabulary_size=280)
        >>> tokenizer = tokenizer.fit(["a dog sleeps", "The dog sleeps"])
        >>> texts, changed = without_capitals(tf.constant(["THE DOG", "The dog"]), tokenizer)
        >>> texts.numpy().tolist(), changed.numpy().tolist()
        ([b'The dog', b'The dog'], [True, False])
    """
    # Of other texts nothing is cut: that would cost as much as reading them.
    capitals = tf.where(_in_capitals(texts), texts, "")
    lowered = sentence_case(capitals)
    before, after = (_costs(strings, tokenizer) for strings in (capitals, lowered))
    changed = (before >= _SPELLED_OUT * after) & (before > 0)
    return tf.where(changed, lowered, texts), changed


def _costs(texts: tf.Tensor, tokenizer: Tokenizer) -> tf.Tensor:
    ids = tokenizer.tokenize(texts)
    costs = tf.where(ids.flat_values == tokenizer.unknown_id, float(_UNKNOWN), 1.0)
    return tf.reduce_sum(ids.with_flat_values(costs), axis=1)


def with_capitals(texts: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Texts, some of them put into capitals.

    Args:
        texts: strings `(B,)`.
        rows: booleans `(B,)`, which of them.

    Returns:
        Strings `(B,)`. What has a NUL in it stays as it is.

    Example:
        >>> import tensorflow as tf
        >>> from keras_tx.text import with_capitals
        >>> texts = with_capitals(tf.constant(["été", "Non"]), tf.constant([True, False]))
        >>> [text.decode() for text in texts.numpy()]
        ['ÉTÉ', 'Non']
    """
    # The operation that changes case loses what follows a NUL.
    rows &= tf.strings.regex_full_match(texts, r"(?s)[^\x00]*")
    return tf.where(rows, tf.strings.upper(texts, encoding="utf-8"), texts)


def _in_capitals(texts: tf.Tensor) -> tf.Tensor:
    # Without a NUL, as in `with_capitals`.
    return tf.strings.regex_full_match(texts, r"[^\p{Ll}\x00]*\p{Lu}[^\p{Ll}\x00]*")
