"""Decoding: a step function to token ids; knows no model and no string."""

from keras_tx.decoding.beam import BeamHypotheses, beam_search
from keras_tx.decoding.constraints import (
    Constraint,
    ForcedPrefix,
    MinimumLength,
    NoRepeatedNGrams,
    SuppressTokens,
)
from keras_tx.decoding.gathering import gather_beams
from keras_tx.decoding.greedy import greedy_search
from keras_tx.decoding.length_penalty import LengthPenalty
from keras_tx.decoding.sampling import check_sampling, sample_tokens, sampling_search
from keras_tx.decoding.token_loop import DecodedTokens
from keras_tx.decoding.top_tokens import top_tokens

__all__ = [
    "BeamHypotheses",
    "Constraint",
    "DecodedTokens",
    "ForcedPrefix",
    "LengthPenalty",
    "MinimumLength",
    "NoRepeatedNGrams",
    "SuppressTokens",
    "beam_search",
    "check_sampling",
    "gather_beams",
    "greedy_search",
    "sample_tokens",
    "sampling_search",
    "top_tokens",
]
