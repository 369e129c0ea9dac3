"""Strings <-> ids, inside the TensorFlow graph: tokenizers and packing."""

from keras_tx.text.packing import pack
from keras_tx.text.sentencepiece_tokenizer import SentencePieceTokenizer
from keras_tx.text.sentences import sentence_ends
from keras_tx.text.splitting import SplitText, split_texts
from keras_tx.text.tokenizer import Tokenizer
from keras_tx.text.word_tokenizer import WordTokenizer

__all__ = [
    "SentencePieceTokenizer",
    "SplitText",
    "Tokenizer",
    "WordTokenizer",
    "pack",
    "sentence_ends",
    "split_texts",
]
