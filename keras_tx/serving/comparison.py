"""Outputs that should be equal: of an export alone, in a batch, and of its model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf


class Tolerance(NamedTuple):
    """What may differ between outputs that should be equal.

    Attributes:
        difference: of two numbers, relative for numbers above 1.
        share: of the texts, how many may differ by more, or in a string.

    Example:
        >>> from keras_tx.serving.comparison import TOLERANCES
        >>> TOLERANCES["float32"]
        Tolerance(difference=0.0001, share=0.0)
    """

    difference: float
    share: float


# In bfloat16 each product is rounded to 8 bits, after sums whose order depends on the batch: of
# translations that are all but equally good it may then be the other one that is found.
TOLERANCES = {"float32": Tolerance(1e-4, 0.0), "bfloat16": Tolerance(0.05, 0.25)}

Outputs = dict[str, np.ndarray]


def difference(first: np.ndarray, second: np.ndarray) -> float:
    """The largest difference between arrays: infinite for strings, numbers or ranks that differ.

    Where one array is longer, the other counts as padded with zeros or empty strings: the
    padding of a row depends on its batch.
    """
    if first.ndim != second.ndim or (first.dtype == object) != (second.dtype == object):
        return float("inf")
    shape = np.maximum(first.shape, second.shape).astype(int)
    first, second = (
        np.pad(
            array,
            [(0, more) for more in shape - array.shape],
            constant_values=b"" if array.dtype == object else 0,
        )
        if array.ndim
        else array
        for array in (first, second)
    )
    if first.dtype == object or first.dtype.kind in "biu":
        return 0.0 if np.array_equal(first, second) else float("inf")
    with np.errstate(invalid="ignore"):
        gaps = np.abs(first - second) / np.maximum(np.abs(second), 1.0)
    same = (first == second) | (np.isnan(first) & np.isnan(second))
    gaps = np.where(same, 0.0, np.where(np.isnan(gaps), np.inf, gaps))
    return float(gaps.max(initial=0.0))


class Comparison:
    """Collects what differs between outputs that should be equal.

    `texts` go through an export in a batch and one by one, `further` only in batches.
    `precision` is the one that the export computes in.
    """

    def __init__(
        self,
        texts: Sequence[bytes],
        further: Sequence[bytes] = (),
        precision: str = "float32",
    ) -> None:
        self.texts = texts
        self.further = further
        self.tolerance = TOLERANCES[precision]
        self.problems: list[str] = []
        self.max_difference = 0.0

    def check_batches(self, name: str, batches: list[Outputs]) -> None:
        """The first batch holds all texts, the others hold one each."""
        everything, *singles = batches
        for output, array in everything.items():
            counts = [(array.shape[:1], len(self.texts))]
            counts += [(single[output].shape[:1], 1) for single in singles]
            wrong = [(rows, texts) for rows, texts in counts if rows != (texts,)]
            if wrong:
                rows, texts = wrong[0]
                self.problems.append(
                    f"output {output} of {name} expected the batch as dimension 0: {texts} for "
                    f"{texts} texts. Received: {rows[0] if rows else 'a scalar'}"
                )
                continue
            if array.dtype.kind == "f" and np.isnan(array).any():
                row = int(np.isnan(array).reshape(len(array), -1).any(axis=1).argmax())
                self.problems.append(f"output {output} of {name} is NaN for {self._text(row)}")
            self._compare(
                f"output {output} of {name} alone and in a batch",
                [(array[row], single[output][0]) for row, single in enumerate(singles)],
            )

    def check_empty(self, name: str, outputs: Outputs) -> None:
        """No texts must give no rows."""
        for output, array in sorted(outputs.items()):
            if array.shape[:1] != (0,):
                self.problems.append(
                    f"output {output} of {name} expected the batch as dimension 0: 0 for 0 texts. "
                    f"Received: {array.shape[0] if array.ndim else 'a scalar'}"
                )

    def check_model(
        self, name: str, batches: Sequence[Outputs], expected: Sequence[Outputs]
    ) -> None:
        """The outputs of an export for all texts, in batches, and those of the model's function."""
        names, wanted = set(batches[0]), set(expected[0])
        if names != wanted:
            self.problems.append(
                f"{name} expected the model's outputs {sorted(wanted)}. Received: {sorted(names)}"
            )
            return
        for output in batches[0]:
            arrays = [batch[output] for batch in batches]
            others = [batch[output] for batch in expected]
            if all(
                one.ndim and one.shape[:1] == two.shape[:1]
                for one, two in zip(arrays, others, strict=True)
            ):
                pairs = [
                    pair
                    for one, two in zip(arrays, others, strict=True)
                    for pair in zip(one, two, strict=True)
                ]
                self._compare(f"output {output} of {name} in the export and the model", pairs)

    def _compare(self, what: str, pairs: list[tuple[np.ndarray, np.ndarray]]) -> None:
        # A row may be a bare string or number.
        gaps = [difference(_as_array(one), _as_array(two)) for one, two in pairs]
        finite = [gap for gap in gaps if np.isfinite(gap)]
        self.max_difference = max([self.max_difference, *finite])
        wrong = [row for row, gap in enumerate(gaps) if gap > self.tolerance.difference]
        if len(wrong) > self.tolerance.share * len(pairs):
            one, two = (_shorten(value) for value in pairs[wrong[0]])
            self.problems.append(
                f"{what} differs for {len(wrong)} of {len(pairs)} texts, such as "
                f"{self._text(wrong[0])}: {one} and {two}"
            )

    def _text(self, row: int) -> str:
        return _shorten([*self.texts, *self.further][row])


def compile_function(
    function: Callable, specification: list[tf.TensorSpec]
) -> Callable[[Sequence[bytes]], Outputs]:
    """A model's signature as a function of texts, with arrays like those of a session.

    All its inputs get the same texts.
    """
    compiled = tf.function(function, input_signature=specification, autograph=False)

    def run(texts: Sequence[bytes]) -> Outputs:
        outputs = compiled(*[tf.constant(list(texts), tf.string)] * len(specification))
        return {name: as_plain(tensor.numpy()) for name, tensor in outputs.items()}

    return run


def as_plain(array: np.ndarray) -> np.ndarray:
    """An array whose numbers are whole, or float64."""
    return array if array.dtype.kind in "Obiu" else array.astype("float64")


def _as_array(value: Any) -> np.ndarray:
    if isinstance(value, bytes):
        array = np.empty((), object)
        array[()] = value
        return array
    return np.asarray(value)


def _shorten(value: Any) -> str:
    plain = value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
    text = " ".join(repr(plain).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
