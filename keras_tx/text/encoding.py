"""Lists of strings -> UTF-8, and an error that names what came instead."""

from __future__ import annotations

from collections.abc import Sequence


def encoded_texts(texts: Sequence[str], name: str = "texts") -> list[bytes]:
    r"""The texts as UTF-8.

    Args:
        texts: any strings. Lone surrogates, which UTF-8 has no place for, become what
            tokenizers read as U+FFFD.
        name: what an error calls them. Default `"texts"`.

    Raises:
        TypeError: when `texts` is not a list of `str`.

    Example:
        >>> from keras_tx.text import encoded_texts
        >>> encoded_texts(["a", "\u00e9"])
        [b'a', b'\xc3\xa9']
    """
    if isinstance(texts, (str, bytes)) or not hasattr(texts, "__len__"):
        raise TypeError(f"{name} expected a list of str. Received: {name}={repr(texts)[:50]}")
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"{name} expected a list of str. Received: an item {repr(text)[:50]}")
    return [text.encode("utf-8", errors="surrogatepass") for text in texts]
