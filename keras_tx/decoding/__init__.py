"""Decoding: a step function to token ids; knows no model and no string."""

from keras_tx.decoding.greedy import DecodedTokens, greedy_search

__all__ = ["DecodedTokens", "greedy_search"]
