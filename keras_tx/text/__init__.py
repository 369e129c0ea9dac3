"""Strings <-> ids, inside the TensorFlow graph: tokenizers and packing."""

from keras_tx.text.packing import pack
from keras_tx.text.sentencepiece_tokenizer import SentencePieceTokenizer
from keras_tx.text.tokenizer import Tokenizer
from keras_tx.text.word_tokenizer import WordTokenizer

__all__ = ["SentencePieceTokenizer", "Tokenizer", "WordTokenizer", "pack"]
