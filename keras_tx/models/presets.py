"""Named sets of arguments for the ready-made models."""

from __future__ import annotations

from typing import Any

CLASSIFIER_PRESETS: dict[str, dict[str, Any]] = {
    # Learns the sample reviews within a minute.
    "tiny": {
        "embed_dim": 32,
        "dense_dim": 64,
        "num_heads": 2,
        "num_layers": 1,
        "sequence_length": 128,
    },
    # One encoder beside linear n-grams: what 20,000 reviews can teach. The table of the n-grams
    # takes 2 MB for two classes, and for more 2 MB a class.
    "small": {
        "embed_dim": 128,
        "dense_dim": 256,
        "num_heads": 4,
        "num_layers": 1,
        "sequence_length": 400,
        "ngram_buckets": 2**20,
        "ngram_dtype": "float16",
    },
    # The 2nd edition's encoder with positions (listing 11.25), post-norm, one layer.
    "book": {
        "embed_dim": 256,
        "dense_dim": 32,
        "num_heads": 2,
        "num_layers": 1,
        "sequence_length": 600,
        "norm_first": False,
        "activation": "relu",
        "dropout": 0.0,
        "token_dropout": 0.0,
    },
}

TRANSLATOR_PRESETS: dict[str, dict[str, Any]] = {
    # Learns the sample sentence pairs within a minute.
    "tiny": {
        "embed_dim": 64,
        "dense_dim": 128,
        "num_heads": 2,
        "num_encoder_layers": 1,
        "num_decoder_layers": 1,
        "dropout": 0.0,
    },
    "small": {
        "embed_dim": 256,
        "dense_dim": 1024,
        "num_heads": 4,
        "num_encoder_layers": 3,
        "num_decoder_layers": 3,
        "dropout": 0.1,
    },
    # The paper's base model.
    "base": {
        "embed_dim": 512,
        "dense_dim": 2048,
        "num_heads": 8,
        "num_encoder_layers": 6,
        "num_decoder_layers": 6,
        "dropout": 0.1,
        "norm_first": False,
    },
}


def preset_arguments(
    presets: dict[str, dict[str, Any]], name: str, changes: dict[str, Any]
) -> dict[str, Any]:
    """The arguments of a preset, with changes.

    Raises:
        ValueError: for an unknown preset.
    """
    if name not in presets:
        known = ", ".join(repr(known) for known in presets)
        raise ValueError(f"preset expected one of {known}. Received: preset={name!r}")
    return {**presets[name], **changes}
