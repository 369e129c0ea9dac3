"""The translators' network in JAX: training, and searching with one or several; no TensorFlow.

It is `keras_tx.models.translation_network`, made of the same layers under the same names.
"""

from __future__ import annotations

import dataclasses
import io
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from pairs import END, PADDING, START, UNKNOWN

from keras_tx.decoding import SuppressTokens, beam_search
from keras_tx.layers import PositionalEmbedding, TransformerDecoder, TransformerEncoder

Weights = dict[str, list[jax.Array]]


@dataclasses.dataclass(frozen=True)
class Size:
    """Sizes of a network, on the command line `256,1024,4,3,3`."""

    embed_dim: int
    dense_dim: int
    num_heads: int
    num_encoder_layers: int
    num_decoder_layers: int

    @classmethod
    def parse(cls, text: str) -> Size:
        return cls(*map(int, text.split(",")))


class Network:
    """A translator as pure functions of its weights.

    The weights are a dictionary of lists: `table`, that of the tokens, `kernels`, the matrices of
    the blocks, and `others`. Where they are stacked, they are those of several models.
    """

    def __init__(
        self,
        vocabulary_size: int,
        size: Size,
        dropout: float,
        use_bias: bool = True,
        dtype: str = "mixed_bfloat16",
    ) -> None:
        self.blocks: dict[str, list[keras.layers.Layer]] = {"encoder": [], "decoder": []}
        self.norms = {
            name: keras.layers.LayerNormalization(epsilon=1e-5, dtype=dtype, name=f"{name}_norm")
            for name in self.blocks
        }
        self.embedding = PositionalEmbedding(
            None,
            vocabulary_size,
            size.embed_dim,
            positions="sinusoidal",
            scale=True,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=size.embed_dim**-0.5),
            dtype=dtype,
            name="embedding",
        )
        counts = (size.num_encoder_layers, size.num_decoder_layers)
        kinds = (TransformerEncoder, TransformerDecoder)
        for name, count, kind in zip(self.blocks, counts, kinds, strict=True):
            self.blocks[name] = [
                kind(
                    size.embed_dim,
                    size.dense_dim,
                    size.num_heads,
                    norm_first=True,
                    dropout=dropout,
                    activation="relu",
                    use_bias=use_bias,
                    dtype=dtype,
                    name=f"{name}_{number}",
                )
                for number in range(count)
            ]
        self.model = self._model(dropout, dtype)
        self.variables = self.model.trainable_variables
        self.groups = [_group(variable) for variable in self.variables]

    def _model(self, dropout: float, dtype: str) -> keras.Model:
        source, target = (keras.Input((None,), dtype="int32") for _ in range(2))
        source_mask = keras.ops.not_equal(source, PADDING)
        x = keras.layers.Dropout(dropout, dtype=dtype)(self.embedding(source))
        for block in self.blocks["encoder"]:
            x = block(x, source_mask=source_mask)
        x = self.norms["encoder"](x)
        y = keras.layers.Dropout(dropout, dtype=dtype)(self.embedding(target))
        for block in self.blocks["decoder"]:
            # No mask of the target: what is behind its end is not counted, and nothing sees it.
            y = block(y, x, source_mask=source_mask)
        logits = self.embedding(self.norms["decoder"](y), reverse=True)
        return keras.Model([source, target], logits)

    def new_weights(self, count: int) -> tuple[Weights, list[jax.Array]]:
        """Weights of several models to begin with, and states of their random numbers."""
        models = [keras.models.clone_model(self.model) for _ in range(count)]
        stacked = [
            jnp.stack([jnp.asarray(value) for value in each])
            for each in zip(*(model.get_weights() for model in models), strict=True)
        ]
        places = {id(one): place for place, one in enumerate(self.model.weights)}
        trainable = [stacked[places[id(one)]] for one in self.variables]
        seeds = np.random.default_rng(1).integers(
            0, 2**32, (len(self.model.non_trainable_variables), count, 2)
        )
        return self.grouped(trainable), list(jnp.asarray(seeds, "uint32"))

    def grouped(self, values: list[Any]) -> Weights:
        weights: Weights = {"table": [], "kernels": [], "others": []}
        for group, value in zip(self.groups, values, strict=True):
            weights[group].append(value)
        return weights

    def listed(self, weights: Weights) -> list[Any]:
        """The weights in the order of the variables."""
        left = {name: iter(values) for name, values in weights.items()}
        return [next(left[group]) for group in self.groups]

    def logits(
        self, weights: Weights, seeds: list[Any], source: Any, target: Any, training: bool
    ) -> tuple[jax.Array, list[Any]]:
        """Scores `(B, T, N)` of each next token of targets that begin with the start id."""
        inputs = jnp.pad(target[:, :-1], ((0, 0), (1, 0)), constant_values=START)
        logits, seeds = self.model.stateless_call(
            self.listed(weights), seeds, [source, inputs], training=training
        )
        return logits.astype(jnp.float32), seeds

    def search(self, weights: Weights, source: Any, longest: int, beam_size: int) -> Any:
        """Translations `(B, longest)` by the mean of the models' probabilities.

        Args:
            weights: of one or more models, stacked.
            source: `(B, T)`.
        """
        mask = source != PADDING
        state = jax.vmap(lambda one: self._start(one, source, mask, longest * beam_size))(weights)
        positions = self.embedding.position_vectors(longest)
        places = jnp.arange(beam_size)

        def step(ids: Any, index: Any, state: Any, origins: Any) -> tuple[Any, Any]:
            # As in `keras_tx.models.TranslationFunctions`, with caches of a fixed length.
            seen = (origins[..., None] == places) & (jnp.arange(longest) <= index)[:, None]
            seen = seen.reshape(-1, beam_size, longest * beam_size)

            def run(one: Weights, caches: Any) -> Any:
                masks = {"target_mask": seen, "source_mask": mask}
                return self._step(one, caches, ids, positions[index], index * beam_size, masks)

            logits, state = jax.vmap(run)(weights, state)
            logits = jax.nn.log_softmax(logits.astype(jnp.float32))
            return jax.nn.logsumexp(logits, axis=0), state

        return beam_search(
            step,
            state,
            jnp.full(source.shape[0], START),
            END,
            jnp.minimum(2 * jnp.sum(mask, axis=1) + 10, longest),
            beam_size=beam_size,
            constraints=[SuppressTokens((PADDING, UNKNOWN, START))],
            longest=longest,
        ).ids[:, 0]

    def _scope(self, weights: Weights) -> keras.StatelessScope:
        mapping = zip(self.variables, self.listed(weights), strict=True)
        return keras.StatelessScope(state_mapping=list(mapping))

    def _start(self, weights: Weights, source: Any, mask: Any, slots: int) -> Any:
        with self._scope(weights):
            x = self.embedding(source)
            for block in self.blocks["encoder"]:
                x = block(x, source_mask=mask)
            x = self.norms["encoder"](x)
            return [
                block.start_cache(source.shape[0], slots, x) for block in self.blocks["decoder"]
            ]

    def _step(
        self, weights: Weights, caches: Any, ids: Any, position: Any, slot: Any, masks: Any
    ) -> tuple[Any, Any]:
        """Scores of the next tokens, and the caches with these ones from a slot on."""
        with self._scope(weights):
            x = self.embedding.token_vectors(ids) + position
            new = []
            for block, cache in zip(self.blocks["decoder"], caches, strict=True):
                x, cache = block(x, cache=cache, cache_index=slot, in_place_cache=True, **masks)
                new.append(cache)
            return self.embedding(self.norms["decoder"](x), reverse=True), new

    def save(self, path: pathlib.Path, weights: Weights) -> None:
        """One model's weights in half precision, under their layers' names."""
        arrays = zip(self.variables, self.listed(weights), strict=True)
        file = io.BytesIO()
        np.savez(file, **{one.path: np.asarray(value, "float16") for one, value in arrays})
        beside = path.with_name(path.name + ".part")
        beside.write_bytes(file.getvalue())
        beside.rename(path)


def _group(variable: keras.Variable) -> str:
    if "embedding" in variable.path:
        return "table"
    return "kernels" if len(variable.shape) == 2 else "others"
