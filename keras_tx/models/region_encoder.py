"""An encoder that reads regions of a few tokens: what a text says somewhere, not in which order."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_tx.layers.partly_frozen_embedding import PartlyFrozenEmbedding
from keras_tx.layers.region_embedding import RegionEmbedding


@keras.saving.register_keras_serializable(package="keras_tx")
class RegionEncoder(keras.Model):
    """Token ids to one vector a token, of the region around it.

    Without `units` the vectors are a `RegionEmbedding` of the tokens: what a `RegionBackbone`
    trains on texts without labels. With `units` these vectors stay as they are, and are one
    input of a layer that is trained on labels; the other one is a region embedding of its own:

        `outputs = relu(W · known regions + sum of the tokens' own vectors + bias)`

    Args:
        vocabulary_size: number of token ids, `N`.
        region_size: tokens of a region. Default 5.
        embed_dim: size of the known regions' vectors. Default 200.
        units: size of the layer that is trained on labels; 0 (default) for none.
        token_dropout: rate at which whole tokens are left out in training. Default 0.
        frozen_dtype: dtype in which the known token vectors are kept, with `units`. Default: as
            the others.
        dtype: dtype policy of all layers. Default: the global one.

    Call arguments:
        inputs: ids `(B, T)`; 0 is padding.

    Returns:
        `(B, T, units or embed_dim)`. The layers are named `embedding`, which is `token_embedding`
        too, `known_regions`, and with `units` `own_regions`, `combination`.

    Example:
        >>> from keras_tx.models import RegionEncoder
        >>> RegionEncoder(vocabulary_size=50, embed_dim=8, units=12).output_shape
        (None, None, 12)

    Source: Johnson and Zhang 2015, "Semi-supervised Convolutional Neural Networks for Text
    Categorization via Region Embedding".
    """

    def __init__(
        self,
        vocabulary_size: int,
        region_size: int = 5,
        embed_dim: int = 200,
        units: int = 0,
        token_dropout: float = 0.0,
        frozen_dtype: str | None = None,
        dtype: Any = None,
        name: str = "encoder",
    ) -> None:
        ids = keras.Input((None,), dtype="int32", name="ids")
        if units:
            embedding = PartlyFrozenEmbedding(
                vocabulary_size, embed_dim, units, frozen_dtype, dtype=dtype, name="embedding"
            )
        else:
            embedding = keras.layers.Embedding(
                vocabulary_size,
                embed_dim,
                # Of a sum of so many vectors, lengths of some size whatever their number.
                embeddings_initializer=keras.initializers.RandomNormal(
                    stddev=0.3 * region_size**-0.5
                ),
                dtype=dtype,
                name="embedding",
            )
        # One draw a token, so that whole tokens go, not single numbers of their vectors.
        x = keras.layers.Dropout(
            token_dropout, noise_shape=(None, None, 1), dtype=dtype, name="token_dropout"
        )(embedding(ids))
        is_token = ops.not_equal(ids, 0)  # Slices of a tensor lose Keras' own mask.
        known = RegionEmbedding(
            region_size, dtype=dtype, trainable=not units, name="known_regions"
        )(x[..., :embed_dim], mask=is_token)
        outputs = known
        if units:
            own = RegionEmbedding(
                region_size, activation=None, normalize=False, dtype=dtype, name="own_regions"
            )(x[..., embed_dim:], mask=is_token)
            known = keras.layers.Dense(
                units,
                use_bias=False,
                kernel_initializer="he_normal",
                dtype=dtype,
                name="combination",
            )(known)
            outputs = keras.layers.ReLU(dtype=dtype, name="activation")(known + own)
        super().__init__(inputs=ids, outputs=outputs, name=name)
        self.token_embedding = embedding
        self.settings = {
            "vocabulary_size": vocabulary_size,
            "region_size": region_size,
            "embed_dim": embed_dim,
            "units": units,
            "token_dropout": token_dropout,
            "frozen_dtype": frozen_dtype,
        }

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            **self.settings,
            "dtype": self.token_embedding.dtype_policy.name,
            "trainable": self.trainable,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> RegionEncoder:
        config = dict(config)
        trainable = config.pop("trainable", True)
        encoder = cls(**config)
        if not trainable:  # To say that it is would also be said to parts that never are.
            encoder.trainable = False
        return encoder
