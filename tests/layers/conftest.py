"""Random inputs, slow NumPy twins and the fresh process that the layers' tests share.

Everything here is NumPy or `keras.ops`: the same tests run on TensorFlow and on JAX.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def seeded() -> None:
    keras.utils.set_random_seed(7)


@pytest.fixture
def eager_training() -> dict[str, bool]:
    """What `compile` gets for a fit of a few steps: tracing a graph would take most of its
    time under TensorFlow, and compiling each operation by itself under JAX."""
    return {"run_eagerly": keras.backend.backend() == "tensorflow"}


@pytest.fixture
def vectors() -> Callable:
    """Standard-normal `float32` arrays of a shape."""

    def make(*shape: int, seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed).normal(size=shape).astype("float32")

    return make


@pytest.fixture
def randomize() -> Callable:
    """Gives every weight of a built layer a random value: zero biases hide mistakes."""

    def fill(layer: keras.layers.Layer, seed: int = 1) -> keras.layers.Layer:
        generator = np.random.default_rng(seed)
        for variable in layer.trainable_variables:
            variable.assign(generator.normal(scale=0.4, size=variable.shape))
        return layer

    return fill


@pytest.fixture
def unfused() -> Callable:
    """The weights of our `MultiHeadAttention`, one array a projection.

    `query`, `key`: `(D, H, K)`, `value`: `(D, H, V)`, `output`: `(H, V, O)`, and the same
    names with `_bias`.
    """

    def split(attention: keras.layers.Layer) -> dict[str, np.ndarray]:
        heads, key_size = attention.num_heads, attention.num_heads * attention.key_dim
        if attention.is_self_attention:
            kernel, bias = attention.query_key_value.get_weights()
            query, key_value = kernel[:, :key_size], kernel[:, key_size:]
        else:
            query, query_bias = attention.query.get_weights()
            key_value, key_value_bias = attention.key_value.get_weights()
            bias = np.concatenate([query_bias, key_value_bias])
        output, output_bias = attention.output_projection.get_weights()
        by_head = {
            "query": query,
            "query_bias": bias[:key_size],
            "key": key_value[:, :key_size],
            "key_bias": bias[key_size : 2 * key_size],
            "value": key_value[:, key_size:],
            "value_bias": bias[2 * key_size :],
        }
        weights = {n: a.reshape(*a.shape[:-1], heads, -1) for n, a in by_head.items()}
        weights["output"] = output.reshape(heads, -1, output.shape[-1])
        weights["output_bias"] = output_bias
        return weights

    return split


@pytest.fixture
def attend_by_loops(unfused) -> Callable:
    """Attention one query, one key at a time. `mask` is `(B, Tq, Tk)` or `None`."""

    def attend(attention, query, value=None, mask=None) -> np.ndarray:
        w = unfused(attention)
        value = query if value is None else value
        result = np.zeros((*query.shape[:2], w["output"].shape[-1]))
        for b in range(query.shape[0]):
            for i in range(query.shape[1]):
                seen = [j for j in range(value.shape[1]) if mask is None or mask[b, i, j]]
                result[b, i] = w["output_bias"]
                for h in range(attention.num_heads):
                    q = query[b, i] @ w["query"][:, h] + w["query_bias"][h]
                    keys = [value[b, j] @ w["key"][:, h] + w["key_bias"][h] for j in seen]
                    exps = [math.exp(float(q @ k) / math.sqrt(attention.key_dim)) for k in keys]
                    head = np.zeros(w["value"].shape[-1])
                    for j, e in zip(seen, exps, strict=True):
                        v = value[b, j] @ w["value"][:, h] + w["value_bias"][h]
                        head += e / sum(exps) * v
                    result[b, i] += head @ w["output"][h]
        return result

    return attend


@pytest.fixture
def feed_forward_twin() -> Callable:
    """`FeedForward` in NumPy, from its own weights."""
    activations = {
        "relu": lambda x: np.maximum(x, 0),
        "gelu": lambda x: x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2))),
        "silu": lambda x: x / (1 + np.exp(-x)),
    }

    def transform(layer: keras.layers.Layer, x: np.ndarray, activation: str) -> np.ndarray:
        up, up_bias, down, down_bias = layer.get_weights()
        hidden = x @ up + up_bias
        if layer.gated:
            gate, hidden = np.split(hidden, 2, axis=-1)
            hidden = activations[activation](gate) * hidden
        else:
            hidden = activations[activation](hidden)
        return hidden @ down + down_bias

    return transform


@pytest.fixture
def norm_twin() -> Callable:
    """`LayerNormalization` in NumPy, from its own weights."""

    def normalize(layer: keras.layers.Layer, x: np.ndarray) -> np.ndarray:
        gamma, beta = layer.get_weights()
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt(x.var(-1, keepdims=True) + layer.epsilon) * gamma + beta

    return normalize


@pytest.fixture
def gradients() -> Callable:
    """The backend's gradients of a function that gives a number, for each of its arrays."""

    def derive(function: Callable, *arrays: np.ndarray) -> list[np.ndarray]:
        if keras.backend.backend() == "jax":
            import jax

            found = jax.grad(function, argnums=tuple(range(len(arrays))))(*arrays)
        else:
            import tensorflow as tf

            tensors = [tf.constant(array) for array in arrays]
            with tf.GradientTape() as tape:
                tape.watch(tensors)
                number = function(*tensors)
            found = tape.gradient(number, tensors)
        return [np.asarray(gradient) for gradient in found]

    return derive


@pytest.fixture
def differences() -> Callable:
    """Central differences of a NumPy function that gives a number, for the array at a place."""

    def derive(function: Callable, arrays: list[np.ndarray], place: int) -> np.ndarray:
        array = arrays[place]
        quotients = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            moved = []
            for step in (1e-6, -1e-6):
                changed = array.copy()
                changed[index] += step
                moved.append(function(*arrays[:place], changed, *arrays[place + 1 :]))
            quotients[index] = (moved[0] - moved[1]) / 2e-6
        return quotients

    return derive


@pytest.fixture
def outputs_of_fresh_process(tmp_path) -> Callable:
    """Saves a model, and returns what it gives in a process that imports only
    `keras` and `keras_tx`, under TensorFlow: where all models are served, also those
    trained with JAX."""
    code = """
import sys
from pathlib import Path
import keras
import keras_tx
import numpy as np

folder = Path(sys.argv[1])
model = keras.models.load_model(folder / "model.keras")
with np.load(folder / "inputs.npz") as file:
    outputs = model([file[name] for name in file.files])
np.savez(folder / "outputs.npz", *map(np.asarray, keras.tree.flatten(outputs)))
"""

    def reload(model: keras.Model, inputs: list) -> list[np.ndarray]:
        model.save(tmp_path / "model.keras")
        np.savez(tmp_path / "inputs.npz", *inputs)
        process = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)],
            cwd=ROOT,
            env={**os.environ, "KERAS_BACKEND": "tensorflow"},
            capture_output=True,
            text=True,
        )
        assert process.returncode == 0, process.stderr[-3000:]
        with np.load(tmp_path / "outputs.npz") as file:
            return [file[name] for name in file.files]

    return reload
