"""Region encoders that are trained in advance on texts without labels."""

from __future__ import annotations

from typing import Any

import keras

from keras_tx.layers.context_error import ContextError
from keras_tx.models.region_encoder import RegionEncoder
from keras_tx.models.region_pretraining import pretrain_regions
from keras_tx.models.text_embedder import TextEmbedder
from keras_tx.models.text_model import check_vocabulary
from keras_tx.text import Tokenizer


@keras.saving.register_keras_serializable(package="keras_tx")
class RegionBackbone(TextEmbedder):
    """Learns vectors of regions of a few tokens, which foretell the tokens around the region.

    Two regions that may stand in the same places get similar vectors, whatever words they are
    made of. It takes minutes where a masked language model takes days, and its encoder is one
    that a classifier can begin with: see `TextClassifier.from_backbone`.

    Args:
        tokenizer: a fitted `Tokenizer`.
        region_size: tokens of a region. Default 5.
        embed_dim: size of its vector. Default 200.
        context_size: tokens on either side that are foretold. Default 5.
        vocabulary_size: number of token ids. Default: the tokenizer's.

    Raises:
        ValueError: when a size does not fit.

    Example:
        >>> from keras_tx.models import RegionBackbone
        >>> from keras_tx.text import WordTokenizer
        >>> tokenizer = WordTokenizer().fit(["good film", "bad film"])
        >>> RegionBackbone(tokenizer, embed_dim=8).embed(["a good film", "film"]).shape
        (2, 8)

    Source: Johnson and Zhang 2015, "Semi-supervised Convolutional Neural Networks for Text
    Categorization via Region Embedding" (tv-embeddings).
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        region_size: int = 5,
        embed_dim: int = 200,
        context_size: int = 5,
        vocabulary_size: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.tokenizer = tokenizer
        self.region_size, self.embed_dim = region_size, embed_dim
        self.context_size = context_size
        self.vocabulary_size = vocabulary_size or tokenizer.vocabulary_size
        check_vocabulary("vocabulary_size", self.vocabulary_size, tokenizer)
        self.network = self.build_network()
        self.built = True

    @property
    def encoder(self) -> RegionEncoder:
        """The encoder, with its weights."""
        return self.network.get_layer("encoder")

    def build_network(self, dtype: Any = None) -> keras.Model:
        """A new network of this model's shape: ids `(B, T)` to errors `(B, T)`."""
        ids = keras.Input((None,), dtype="int32", name="ids")
        encoder = RegionEncoder(self.vocabulary_size, self.region_size, self.embed_dim, dtype=dtype)
        error = ContextError(
            self.vocabulary_size, self.region_size, self.context_size, name="context_error"
        )
        return keras.Model(ids, error(encoder(ids), ids), name="region_network")

    @property
    def _token_encoder(self) -> keras.Model:
        return self.encoder

    fit = pretrain_regions

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "tokenizer": keras.saving.serialize_keras_object(self.tokenizer),
            "region_size": self.region_size,
            "embed_dim": self.embed_dim,
            "context_size": self.context_size,
            "vocabulary_size": self.vocabulary_size,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> RegionBackbone:
        tokenizer = keras.saving.deserialize_keras_object(config["tokenizer"])
        return cls(**{**config, "tokenizer": tokenizer})
