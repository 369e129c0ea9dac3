"""Weights and states of a training in files."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from encoder import BLOCK, Weights


def save_weights(path: pathlib.Path, weights: Weights) -> None:
    """Weights in half precision, in the order of `EncoderNetwork`'s; then those of `head`."""
    layers = [array for each in zip(*weights["blocks"], strict=True) for array in each]
    arrays = [weights["table"], *layers, *weights["norm"], *weights.get("head", [])]
    beside = path.with_name(path.name + ".part")
    with open(beside, "wb") as file:
        numbered = {f"array_{place}": np.asarray(a, "float16") for place, a in enumerate(arrays)}
        np.savez(file, **numbered)
    beside.rename(path)


def save_state(path: pathlib.Path, state: Any, history: list[dict[str, float]]) -> None:
    """All that a later call needs to go on."""
    beside = path.with_name(path.name + ".part")
    with open(beside, "wb") as file:
        leaves = {f"array_{place}": np.asarray(a) for place, a in enumerate(jax.tree.leaves(state))}
        np.savez(file, history=json.dumps(history), **leaves)
    beside.rename(path)


def load_state(path: pathlib.Path, like: Any) -> tuple[Any, list[dict[str, float]]]:
    """What `save_state` wrote, in the structure of another state, and the history."""
    with np.load(path) as stored:
        leaves = [jnp.asarray(stored[f"array_{place}"]) for place in range(len(stored.files) - 1)]
        history = json.loads(str(stored["history"]))
    return jax.tree.unflatten(jax.tree.structure(like), leaves), history


def checkpoint_of(output: pathlib.Path) -> pathlib.Path:
    """Where a training keeps its state; not there any more when it has come to its end."""
    return output.with_suffix(".state.npz")


def is_finished(output: pathlib.Path) -> bool:
    """Whether a training has come to its end: its history, beside the output, is written last."""
    history = output.with_suffix(".json")
    return output.exists() and history.exists() and not checkpoint_of(output).exists()


def forget_run(output: pathlib.Path) -> None:
    """Remove what would make a new training look like the earlier one, stopped or finished."""
    for path in (output.with_suffix(".json"), checkpoint_of(output)):
        path.unlink(missing_ok=True)


def load_arrays(path: pathlib.Path) -> list[np.ndarray]:
    with np.load(path) as stored:
        return [stored[f"array_{place}"].astype("float32") for place in range(len(stored.files))]


def load_classifier(path: pathlib.Path) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """What `save_weights` wrote: the encoder's arrays, and the head's, none of an encoder's file.

    Raises:
        ValueError: when the number of arrays is that of neither.
    """
    arrays = load_arrays(path)
    if (len(arrays) - 3) % BLOCK == 0:
        return arrays, []
    if (len(arrays) - 5) % BLOCK == 0:
        return arrays[:-2], arrays[-2:]
    raise ValueError(
        f"{path} expected the arrays of an encoder, {BLOCK} for each layer and 3 more, or of a "
        f"classifier, 2 more. Received: {len(arrays)} arrays"
    )
