"""The contract that every public layer keeps, with several sets of arguments each."""

from __future__ import annotations

import functools
import inspect
import json
from dataclasses import dataclass, field

import keras
import numpy as np
import pytest
from keras import ops

import keras_tx
from keras_tx.layers import (
    FeedForward,
    HashedNGramPooling,
    MeanMaxPooling1D,
    MultiHeadAttention,
    PositionalEmbedding,
    RegionEmbedding,
    SinusoidalPositionalEncoding,
    TransformerDecoder,
    TransformerEncoder,
)

WIDTH = 8  # of all vectors
NORM = 2 * WIDTH  # weights of one normalization


ARRAYS = {
    "ids": np.array([[5, 2, 9, 3], [4, 6, 0, 0]], "int32"),
    "vectors": np.random.default_rng(3).normal(size=(2, 5, WIDTH)).astype("float32"),
    # Not as long as the target: lengths mixed up must show.
    "source": np.random.default_rng(4).normal(size=(2, 3, WIDTH)).astype("float32"),
}


@dataclass
class Case:
    """A layer with its arguments, what it is called on, and how many numbers it learns."""

    layer: type
    arguments: dict
    weights: int
    inputs: tuple[str, ...] = ("vectors",)
    call: dict = field(default_factory=dict)

    def make(self, **kwargs) -> keras.layers.Layer:
        return self.layer(**self.arguments, **kwargs)

    def arrays(self) -> list[np.ndarray]:
        return [ARRAYS[kind] for kind in self.inputs]


def dense(inputs: int, units: int) -> int:
    return (inputs + 1) * units


def attention(head: int = WIDTH // 2, heads: int = 2) -> int:
    return dense(WIDTH, 3 * heads * head) + dense(heads * head, WIDTH)


def feed_forward(inner: int = 16) -> int:
    return dense(WIDTH, inner) + dense(inner, WIDTH)


BLOCK = {"embed_dim": WIDTH, "dense_dim": 16, "num_heads": 2}
PAIR = ("vectors", "source")
CASES = {
    "feed_forward": Case(FeedForward, {"dense_dim": 16}, feed_forward()),
    "feed_forward_gated": Case(
        FeedForward,
        {"dense_dim": 16, "activation": "silu", "gated": True, "output_dim": 6, "dropout": 0.1},
        dense(WIDTH, 32) + dense(16, 6),
    ),
    "feed_forward_without_bias": Case(
        FeedForward, {"dense_dim": 16, "activation": "gelu", "use_bias": False}, 2 * WIDTH * 16
    ),
    "regions": Case(RegionEmbedding, {"region_size": 3}, WIDTH),
    "regions_without_activation": Case(
        RegionEmbedding, {"region_size": 2, "activation": None, "normalize": False}, WIDTH
    ),
    "hashed_ngrams": Case(
        HashedNGramPooling, {"num_buckets": 11, "output_dim": 3}, 11 * 3 + 3, ("ids",)
    ),
    "hashed_ngrams_small": Case(
        HashedNGramPooling,
        {
            "num_buckets": 11,
            "output_dim": 2,
            "orders": [2, 4],
            "embeddings_initializer": "uniform",
            "embeddings_dtype": "float32",
        },
        11 * 2 + 2,
        ("ids",),
    ),
    "mean_max_pooling": Case(MeanMaxPooling1D, {}, 0),
    "self_attention": Case(MultiHeadAttention, {"num_heads": 2, "key_dim": 4}, attention()),
    "self_attention_book": Case(
        MultiHeadAttention,
        {"num_heads": 2, "key_dim": WIDTH, "dropout": 0.1},
        attention(WIDTH),
        call={"use_causal_mask": True, "return_attention_scores": True},
    ),
    "cross_attention": Case(
        MultiHeadAttention,
        {
            "num_heads": 2,
            "key_dim": 3,
            "value_dim": 5,
            "output_dim": 6,
            "kernel_initializer": keras.initializers.RandomNormal(stddev=0.3, seed=5),
        },
        dense(WIDTH, 2 * 3) + dense(WIDTH, 2 * 3 + 2 * 5) + dense(2 * 5, 6),
        PAIR,
    ),
    "positional_embedding": Case(
        PositionalEmbedding,
        {"sequence_length": 6, "input_dim": 10, "output_dim": WIDTH},
        (6 + 10) * WIDTH,
        ("ids",),
    ),
    "positional_embedding_sinusoidal": Case(
        PositionalEmbedding,
        {
            "sequence_length": None,
            "input_dim": 10,
            "output_dim": WIDTH,
            "positions": "sinusoidal",
            "scale": True,
            "mask_zero": False,
            "embeddings_initializer": "glorot_uniform",
        },
        10 * WIDTH,
        ("ids",),
    ),
    "sinusoidal_encoding": Case(SinusoidalPositionalEncoding, {"max_wavelength": 100}, 0),
    "encoder": Case(TransformerEncoder, BLOCK, attention() + feed_forward() + 2 * NORM),
    "encoder_pre_norm_gated": Case(
        TransformerEncoder,
        {
            **BLOCK,
            "key_dim": WIDTH,
            "norm_first": True,
            "dropout": 0.1,
            "attention_dropout": 0.2,
            "activation": "silu",
            "gated": True,
            "epsilon": 1e-6,
        },
        attention(WIDTH) + dense(WIDTH, 32) + dense(16, WIDTH) + 2 * NORM,
    ),
    "encoder_without_bias": Case(
        TransformerEncoder,
        {**BLOCK, "use_bias": False, "activation": keras.activations.gelu},
        4 * WIDTH * WIDTH + 2 * WIDTH * 16 + 2 * NORM,
        call={"return_attention_scores": True},
    ),
    "decoder": Case(TransformerDecoder, BLOCK, 2 * attention() + feed_forward() + 3 * NORM, PAIR),
    "decoder_pre_norm": Case(
        TransformerDecoder,
        {**BLOCK, "key_dim": 3, "norm_first": True, "dropout": 0.1},
        2 * attention(3) + feed_forward() + 3 * NORM,
        PAIR,
        call={"return_attention_scores": True},
    ),
    "decoder_only": Case(TransformerDecoder, BLOCK, attention() + feed_forward() + 2 * NORM),
}

every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
CHOICES = ("activation", "embeddings_initializer", "kernel_initializer")  # kept as objects


def flat(outputs) -> list[np.ndarray]:
    return [ops.convert_to_numpy(x) for x in keras.tree.flatten(outputs)]


@functools.cache
def everything() -> tuple[keras.Model, list[str]]:
    """One functional model of all cases, and the name of each of its outputs.

    Making, tracing and saving a model is what takes time, so it is done once for all.
    """
    inputs = {
        "ids": keras.Input((None,), dtype="int32", name="ids"),
        "vectors": keras.Input((None, WIDTH), name="vectors"),
        "source": keras.Input((None, WIDTH), name="source"),
    }
    outputs, names = [], []
    for name, case in CASES.items():
        made = case.make(name=f"case_{name}")(*(inputs[kind] for kind in case.inputs), **case.call)
        made = keras.tree.flatten(made)
        outputs += made
        names += [name] * len(made)
    # Masks as operations of the graph, as the book's 3rd edition writes them.
    mask = inputs["ids"] != 0
    source = TransformerEncoder(**BLOCK)(
        PositionalEmbedding(6, 10, WIDTH)(inputs["ids"]), source_mask=mask
    )
    outputs.append(TransformerDecoder(**BLOCK)(inputs["vectors"], source, source_mask=mask))
    names.append("masks in the graph")
    return keras.Model(list(inputs.values()), outputs), names


def test_every_public_layer_has_a_case():
    tried = {case.layer.__name__ for case in CASES.values()}
    public = {name: getattr(keras_tx.layers, name) for name in keras_tx.layers.__all__}
    assert tried == {name for name, thing in public.items() if isinstance(thing, type)}


@every_case
def test_config_round_trip(case):
    layer = case.make(name="mine")
    config = layer.get_config()
    again = case.layer.from_config(json.loads(json.dumps(config)))
    assert again.get_config() == config
    own = set(inspect.signature(case.layer).parameters) - {"kwargs"}
    inherited = set(keras.layers.Layer().get_config())
    assert set(config) - inherited == own, "get_config lists exactly the arguments"
    for name, value in case.arguments.items():
        if name not in CHOICES:
            assert config[name] == value
            assert getattr(layer, name) == value


@every_case
def test_weights_go_to_a_copy_made_from_the_configs(case):
    layer = case.make()
    before = flat(layer(*case.arrays(), **case.call))
    copy = case.layer.from_config(layer.get_config())
    copy.build_from_config(layer.get_build_config())
    copy.set_weights(layer.get_weights())
    for ours, theirs in zip(before, flat(copy(*case.arrays(), **case.call)), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_keras_file_loads_in_a_fresh_process(outputs_of_fresh_process, randomize):
    model, names = everything()
    randomize(model)
    arrays = list(ARRAYS.values())
    got = outputs_of_fresh_process(model, arrays)
    for name, ours, theirs in zip(names, flat(model(arrays)), got, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5, err_msg=name)


def test_symbolic_shapes_are_the_eager_shapes():
    model, names = everything()
    eager = flat(model(list(ARRAYS.values())))
    # By rank, which axes are free: the batch and the lengths. What is left must be known.
    free = {2: (0,), 3: (0, 1), 4: (0, 2, 3)}  # (B, D), (B, T, D), scores (B, H, Tq, Tk)
    for name, symbol, array in zip(names, model.outputs, eager, strict=True):
        expected = [None if i in free[array.ndim] else n for i, n in enumerate(array.shape)]
        assert list(symbol.shape) == expected, name


@every_case
def test_count_of_weights(case):
    layer = case.make()
    layer(*case.arrays())
    assert layer.count_params() == case.weights
    assert sum(int(np.prod(w.shape)) for w in layer.trainable_weights) == case.weights


def test_one_fit_step_changes_every_weight(eager_training):
    model, names = everything()
    arrays = list(ARRAYS.values())
    generator = np.random.default_rng(5)
    targets = [generator.normal(size=x.shape).astype("float32") for x in flat(model(arrays))]
    before = [w.copy() for w in flat([w.value for w in model.trainable_weights])]
    model.compile(keras.optimizers.SGD(0.1), ["mse"] * len(names), **eager_training)
    history = model.fit(arrays, targets, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert not np.array_equal(ops.convert_to_numpy(weight.value), old), weight.path


def test_graph_is_eager():
    model, names = everything()
    arrays = list(ARRAYS.values())
    model.compile()
    graph = model.predict(arrays, verbose=0)
    for name, ours, theirs in zip(names, flat(model(arrays)), graph, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5, err_msg=name)


@every_case
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(case, policy):
    layer = case.make(dtype=policy)
    outputs = keras.tree.flatten(layer(*case.arrays(), **case.call))
    for output in outputs:
        assert keras.backend.standardize_dtype(output.dtype) == policy.removeprefix("mixed_")
        assert np.isfinite(ops.convert_to_numpy(ops.cast(output, "float32"))).all()
    assert {w.dtype for w in layer.trainable_weights} <= {"float32"}


@every_case
def test_batch_of_one_is_batch_of_many(case):
    layer = case.make()
    together = flat(layer(*case.arrays(), **case.call))
    for row in range(2):
        alone = flat(layer(*(x[row : row + 1] for x in case.arrays()), **case.call))
        for one, many in zip(alone, together, strict=True):
            np.testing.assert_allclose(one[0], many[row], atol=1e-6)
