"""Weights on disk: whole training states, snapshots, and averages of snapshots."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np


def write_arrays(path: pathlib.Path, arrays: Sequence[np.ndarray], facts: dict[str, Any]) -> None:
    """Write arrays and a JSON object into one file; an older one stays until this is whole."""
    beside = path.with_name(path.name + ".part")
    with open(beside, "wb") as file:
        # NumPy's files do not know bfloat16; in float32 it is the same number.
        whole = [
            array.astype("float32") if array.dtype.name == "bfloat16" else array for array in arrays
        ]
        numbered = {f"array_{place}": array for place, array in enumerate(whole)}
        np.savez(file, facts=json.dumps(facts), **numbered)
    os.replace(beside, path)


def read_arrays(path: pathlib.Path) -> tuple[list[np.ndarray], dict[str, Any]]:
    """What `write_arrays` wrote.

    Raises:
        ValueError: when the file is no such file, or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = [stored[f"array_{place}"] for place in range(len(stored.files) - 1)]
            return arrays, json.loads(str(stored["facts"]))
    except FileNotFoundError:
        raise
    except Exception as error:
        message = f"expected a checkpoint written by keras_tx. Received: {path} ({error})"
        raise ValueError(message) from error


def read_facts(path: pathlib.Path) -> dict[str, Any]:
    """The JSON object of what `write_arrays` wrote, without reading the arrays."""
    with np.load(path, allow_pickle=False) as stored:
        return json.loads(str(stored["facts"]))


def get_values(variables: Sequence[Any]) -> list[np.ndarray]:
    """The variables' values as NumPy arrays."""
    return [np.array(variable) for variable in variables]


def set_values(variables: Sequence[Any], values: Sequence[np.ndarray], origin: str) -> None:
    """Assign values to variables, in order.

    Raises:
        ValueError: when number or shapes differ: the values are of another network.
    """
    expected = [tuple(variable.shape) for variable in variables]
    received = [tuple(value.shape) for value in values]
    if expected != received:
        differing = [pair for pair in zip(expected, received, strict=False) if pair[0] != pair[1]]
        raise ValueError(
            f"expected the checkpoint of a network with the same {len(expected)} weights. "
            f"Received: {origin} with {len(received)} weights, "
            f"first difference {differing[:1] or 'in number'}"
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


class SnapshotAverage:
    """The plain mean of the last or the best snapshots of a network's weights, kept on disk.

    Args:
        directory: where the snapshots stand; made if it is not there.
        count: how many to keep and to average.
        best: whether to keep those of the lowest rank instead of the last ones. Default
            `False`.

    Raises:
        ValueError: when `count` is not positive.

    Example:
        >>> import tempfile, numpy as np
        >>> from keras_tx.training import SnapshotAverage
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     average = SnapshotAverage(directory, count=2)
        ...     for step, value in enumerate([9.0, 1.0, 3.0]):
        ...         average.add(step, [np.array([value])])
        ...     average.mean()[0].tolist()
        [2.0]

    Source: Vaswani et al. 2017, section 6.1 (average of the last checkpoints).
    """

    def __init__(self, directory: str | os.PathLike, count: int, best: bool = False) -> None:
        if count < 1:
            raise ValueError(f"count expected a positive integer. Received: count={count!r}")
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.count = count
        self.best = best

    def paths(self) -> list[pathlib.Path]:
        """The snapshots, oldest first."""
        return sorted(self.directory.glob("snapshot_*.npz"))

    def add(self, step: int, values: Sequence[np.ndarray], rank: float = 0.0) -> None:
        """Keep a snapshot, and drop what is above `count`: the oldest one, or the worst.

        Args:
            step: when it was taken.
            values: the weights.
            rank: lower is better; of equal ones the older is the worse. Default 0.
        """
        facts = {"step": step, "rank": rank if rank == rank else float("inf")}
        write_arrays(self.directory / f"snapshot_{step:09d}.npz", values, facts)
        paths = self.paths()
        if self.best:
            paths.sort(key=lambda path: (-read_facts(path).get("rank", 0.0), path))
        for path in paths[: -self.count]:
            path.unlink()

    def clear(self) -> None:
        """Remove all snapshots: those of an earlier training must not be averaged in."""
        for path in self.paths():
            path.unlink()

    def mean(self) -> list[np.ndarray]:
        """The mean of the snapshots, summed in float64."""
        paths = self.paths()
        if not paths:
            raise ValueError(f"expected at least one snapshot. Received: none in {self.directory}")
        total: list[np.ndarray] = []
        for path in paths:
            values, _ = read_arrays(path)
            total = [
                value.astype("float64") + (total[place] if total else 0.0)
                for place, value in enumerate(values)
            ]
        # Back to each one's own type: the states of random generators are whole numbers.
        return [
            (array / len(paths)).astype(value.dtype)
            for array, value in zip(total, values, strict=True)
        ]
