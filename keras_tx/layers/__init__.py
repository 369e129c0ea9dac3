"""Layers: tensors to tensors, in `keras.ops` only; they run on TensorFlow and JAX."""

from keras_tx.layers.feed_forward import FeedForward
from keras_tx.layers.hashed_ngram_pooling import HashedNGramPooling
from keras_tx.layers.mean_max_pooling import MeanMaxPooling1D
from keras_tx.layers.multi_head_attention import MultiHeadAttention
from keras_tx.layers.onednn import portable_operations
from keras_tx.layers.positional_embedding import PositionalEmbedding
from keras_tx.layers.region_embedding import RegionEmbedding
from keras_tx.layers.sinusoidal_positional_encoding import SinusoidalPositionalEncoding
from keras_tx.layers.transformer_decoder import TransformerDecoder
from keras_tx.layers.transformer_encoder import TransformerEncoder

__all__ = [
    "FeedForward",
    "HashedNGramPooling",
    "MeanMaxPooling1D",
    "MultiHeadAttention",
    "PositionalEmbedding",
    "RegionEmbedding",
    "SinusoidalPositionalEncoding",
    "TransformerDecoder",
    "TransformerEncoder",
    "portable_operations",
]
