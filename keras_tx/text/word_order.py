"""Texts from their last word to their first."""

from __future__ import annotations


def reverse_words(text: str) -> str:
    """The words of a text, as spaces cut them, from the last to the first.

    A translator trained on such targets chooses a sentence's end first. Its mistakes are other
    ones than those of a usual translator, which makes it a good judge of them.

    Args:
        text: any.

    Returns:
        The words with one space between two of them; those of a result are in `text`'s order
        again.

    Example:
        >>> from keras_tx.text import reverse_words
        >>> reverse_words("un chien dort.")
        'dort. chien un'

    Source: Liu et al. 2016, "Agreement on Target-bidirectional Neural Machine Translation".
    """
    return " ".join(reversed(text.split()))
