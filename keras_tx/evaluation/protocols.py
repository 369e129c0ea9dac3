"""What is done to translations and references before they are compared."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence

PROTOCOLS = ("detokenized", "moses_lowercased")


def check_protocol(protocol: str) -> None:
    """Raise an error for a protocol that cannot be used, before anything is translated.

    Args:
        protocol: its name.

    Raises:
        ValueError: when it is none of `PROTOCOLS`.
        ImportError: for `"moses_lowercased"` without the package `sacremoses`.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol expected one of {PROTOCOLS}. Received: protocol={protocol!r}")
    if protocol == "moses_lowercased":
        _moses()


def moses_lowercased(texts: Sequence[str], language: str) -> list[str]:
    """Texts as most papers on Multi30k compare them: tokens with spaces between them.

    As the data set's own script does it: lower-cased, then punctuation normalized, then
    tokenized by the rules of Moses, special characters escaped.

    Args:
        texts: translations or references.
        language: code of their language, such as `"fr"`.

    Returns:
        The tokenized texts.

    Raises:
        ImportError: without the package `sacremoses` (extra `evaluation`).

    Example:
        >>> from keras_tx.evaluation.protocols import moses_lowercased
        >>> moses_lowercased(["L’eau est là, n'est-ce pas?"], "fr")
        ['l&apos; eau est là , n&apos; est-ce pas ?']

    Source: Elliott et al. 2016, "Multi30K", and Specia et al. 2016, "A Shared Task on
    Multimodal Machine Translation": the preprocessing `lc.norm.tok` of the data set; Koehn et
    al. 2007, "Moses".
    """
    make_normalizer, make_tokenizer = _moses()
    normalizer, tokenizer = make_normalizer(language), make_tokenizer(language)
    normalized = (normalizer.normalize(text.lower()) for text in texts)
    return [tokenizer.tokenize(text, return_str=True) for text in normalized]


def _moses() -> tuple[type, type]:
    """The classes that normalize punctuation, and that tokenize."""
    try:
        from sacremoses import MosesPunctNormalizer, MosesTokenizer
    except ImportError as error:
        raise ImportError(
            "the protocol 'moses_lowercased' expected the package sacremoses: "
            "pip install 'keras_tx[evaluation]'. Received: no such package"
        ) from error
    return MosesPunctNormalizer, MosesTokenizer


def moses_signature(language: str) -> str:
    """What `moses_lowercased` does, for the signature of a score."""
    version = importlib.metadata.version("sacremoses")
    return f"pre:lc.norm.tok-{language}-sacremoses-{version}"
