"""Encoders that are trained in advance on texts without labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_tx.models.encoder_network import EncoderNetwork, encoder_settings, new_encoder
from keras_tx.models.masked_language_network import masked_language_network
from keras_tx.models.presets import preset_arguments
from keras_tx.models.pretraining import pretrain
from keras_tx.models.text_embedder import TextEmbedder
from keras_tx.models.text_model import check_vocabulary
from keras_tx.text import Tokenizer, WordPieceTokenizer
from keras_tx.text.word_piece_tokenizer import MASK_TOKEN

BACKBONE_PRESETS: dict[str, dict[str, Any]] = {
    # Learns something of the sample reviews within a minute.
    "tiny": {"embed_dim": 32, "dense_dim": 64, "num_heads": 2, "num_layers": 1},
    # What a day on two cores can train on 20 million tokens. No width is a power of two.
    "small": {"embed_dim": 192, "dense_dim": 576, "num_heads": 4, "num_layers": 3},
    "base": {"embed_dim": 256, "dense_dim": 768, "num_heads": 4, "num_layers": 4},
}


@keras.saving.register_keras_serializable(package="keras_tx")
class Backbone(TextEmbedder):
    """A masked language model: it guesses missing tokens, and so learns to read.

    Its encoder is what other models begin with: see `TextClassifier.from_backbone`. One
    `.keras` file holds encoder, tokenizer and the layers that guess, so that a later training
    on other texts goes on from there.

    Args:
        tokenizer: a fitted `Tokenizer`.
        sequence_length: tokens of a row in training; longer texts are read window by window.
            Default 256.
        vocabulary_size: number of token ids. Default: one more than the tokenizer's, for
            the mask; the table of `encoder`, if that is given.
        mask_id: what stands for a missing token. Default: the tokenizer's number of ids,
            which is the first one that no text has.
        encoder: an encoder to begin with: an `EncoderNetwork`, or any backbone of KerasHub
            that takes `token_ids`. Its weights are copied. Default: a new `EncoderNetwork`.
        **network: further arguments of the new `EncoderNetwork`.

    Raises:
        ValueError: when a size does not fit, or there is no id left for the mask.
        TypeError: for another kind of encoder.

    Example:
        >>> from keras_tx.models import Backbone
        >>> from keras_tx.text import WordTokenizer
        >>> tokenizer = WordTokenizer().fit(["good film", "bad film"])
        >>> backbone = Backbone.from_preset("tiny", tokenizer)
        >>> backbone.embed(["a good film", "film"]).shape
        (2, 32)

    Source: Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers".
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        sequence_length: int = 256,
        vocabulary_size: int | None = None,
        mask_id: int | None = None,
        encoder: keras.Model | Mapping[str, Any] | None = None,
        name: str | None = None,
        **network: Any,
    ) -> None:
        super().__init__(name=name)
        self.tokenizer = tokenizer
        self.sequence_length = sequence_length
        if encoder is None:
            size = vocabulary_size or tokenizer.vocabulary_size + 1
            learned = network.get("positions") == "learned"
            # A dictionary, as if one had been given: an encoder is made once, from it.
            encoder = EncoderNetwork(size, sequence_length if learned else None, **network)
        elif network:
            raise ValueError(
                f"encoder expected no further arguments of a new one. Received: {sorted(network)}"
            )
        given = encoder if isinstance(encoder, keras.Model) else None
        self.encoder_settings = encoder_settings(given) if given else dict(encoder)
        self.network = self.build_network()
        if given:
            self.encoder.set_weights(given.get_weights())
        self.vocabulary_size = self.encoder.token_embedding.input_dim
        check_vocabulary("vocabulary_size", self.vocabulary_size, tokenizer)
        self.mask_id = tokenizer.vocabulary_size if mask_id is None else mask_id
        if not 0 <= self.mask_id < self.vocabulary_size:
            raise ValueError(
                f"mask_id expected an id from 0 to {self.vocabulary_size - 1}: one more than the "
                f"tokenizer's is enough. Received: mask_id={self.mask_id}"
            )
        self.built = True

    @classmethod
    def from_preset(cls, preset: str, tokenizer: Tokenizer, **changes: Any) -> Backbone:
        """A backbone with the arguments of a preset (`"tiny"`, `"small"`, `"base"`)."""
        return cls(tokenizer, **preset_arguments(BACKBONE_PRESETS, preset, changes))

    @classmethod
    def from_hub(cls, encoder: keras.Model, tokenizer: Any, sequence_length: int = 256) -> Backbone:
        """A backbone of KerasHub with the tokenizer that it was trained with.

        Args:
            encoder: such as `keras_hub.models.BertBackbone.from_preset("bert_tiny_en_uncased")`.
            tokenizer: such as `keras_hub.models.BertTokenizer.from_preset(…)` of the same preset;
                see `WordPieceTokenizer.from_hub`.
            sequence_length: tokens of a window, no more than the encoder has positions for.
                Default 256.

        Returns:
            The backbone: the encoder's weights, with the rows of the token table in the order
            of our ids, and the tokenizer's mask.

        Raises:
            ValueError, TypeError: when the two do not fit each other, or are of another kind.
        """
        ours = WordPieceTokenizer.from_hub(tokenizer)
        mask_id = ours.token_to_id(MASK_TOKEN)
        if mask_id == ours.unknown_id:
            raise ValueError(f"tokenizer expected a token {MASK_TOKEN}. Received: one without")
        backbone = cls(ours, sequence_length, mask_id=mask_id, encoder=encoder)
        theirs = {token: number for number, token in enumerate(tokenizer.get_vocabulary())}
        order = [theirs[token] for token in ours.vocabulary]
        for weight in backbone.encoder.token_embedding.weights:
            rows = np.array(weight)
            # An untied table for the way back stands on its side.
            rows = rows if rows.shape[0] == backbone.vocabulary_size else rows.T
            rows[: len(order)] = rows[order]
            weight.assign(rows if rows.shape == tuple(weight.shape) else rows.T)
        return backbone

    @property
    def encoder(self) -> keras.Model:
        """The encoder, with its weights."""
        return self.network.get_layer("encoder").encoder

    def build_network(self, dtype: Any = None) -> keras.Model:
        """A new network of this model's shape."""
        return masked_language_network(new_encoder(self.encoder_settings, dtype), dtype)

    @property
    def _token_encoder(self) -> keras.Layer:
        return self.network.get_layer("encoder")

    @property
    def _longest(self) -> int:
        return self.sequence_length

    fit = pretrain

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "tokenizer": keras.saving.serialize_keras_object(self.tokenizer),
            "sequence_length": self.sequence_length,
            "mask_id": self.mask_id,
            "encoder": self.encoder_settings,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Backbone:
        tokenizer = keras.saving.deserialize_keras_object(config["tokenizer"])
        return cls(**{**config, "tokenizer": tokenizer})
