"""Strings <-> ids, inside the TensorFlow graph: tokenizers and packing.

What works on plain strings comes in at once, the rest with TensorFlow at its first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from keras_tx.text.encoding import encoded_texts
from keras_tx.text.sentences import sentence_ends
from keras_tx.text.splitting import SplitText, split_texts
from keras_tx.text.word_order import reverse_words

if TYPE_CHECKING:
    from keras_tx.text.capitals import sentence_case, with_capitals, without_capitals
    from keras_tx.text.packing import pack
    from keras_tx.text.sentencepiece_tokenizer import SentencePieceTokenizer
    from keras_tx.text.tokenizer import Tokenizer
    from keras_tx.text.word_piece_tokenizer import WordPieceTokenizer
    from keras_tx.text.word_tokenizer import WordTokenizer

__all__ = [
    "SentencePieceTokenizer",
    "SplitText",
    "Tokenizer",
    "WordPieceTokenizer",
    "WordTokenizer",
    "encoded_texts",
    "pack",
    "reverse_words",
    "sentence_case",
    "sentence_ends",
    "split_texts",
    "with_capitals",
    "without_capitals",
]
_WITH_TENSORFLOW = {
    "pack": "packing",
    "sentence_case": "capitals",
    "with_capitals": "capitals",
    "without_capitals": "capitals",
    "SentencePieceTokenizer": "sentencepiece_tokenizer",
    "Tokenizer": "tokenizer",
    "WordPieceTokenizer": "word_piece_tokenizer",
    "WordTokenizer": "word_tokenizer",
}


def __getattr__(name: str) -> Any:
    if name not in _WITH_TENSORFLOW:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # All of them at once: Keras must know each tokenizer to load a model with it.
    for public, file in _WITH_TENSORFLOW.items():
        globals()[public] = getattr(importlib.import_module(f"{__name__}.{file}"), public)
    return globals()[name]
