"""The loop of all searches, which can leave rows behind that are done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops


def run_search(
    advance: Callable[[Any, Any], Any],
    carry: dict[str, Any],
    longest: Any,
    outputs: tuple[str, ...],
    shrink: bool | int,
) -> tuple[Any, ...]:
    """Call `carry = advance(index, carry)` until `carry["done"]` holds for all rows.

    With `shrink`, the loop stops whenever it can do without a quarter of the rows, which are
    done: what is left costs less. That needs arrays whose sizes may change in a loop: TensorFlow
    without XLA. As a number it says what the number of rows shall be a multiple of, for kernels
    that are compiled for each; then some rows that are done stay.

    Args:
        advance: one step for all rows, each by itself.
        carry: nested arrays with the rows as first axis; `"done"` is `(B,)` booleans.
        longest: the most steps.
        outputs: names of the parts of `carry` that are wanted at the end; with `shrink`
            their further axes must keep their sizes.
        shrink: see above.

    Returns:
        The outputs, of all rows.

    Example:
        >>> import numpy as np
        >>> from keras_tx.decoding.search_loop import run_search
        >>> def advance(index, carry):
        ...     count = carry["count"] + 1
        ...     return {**carry, "count": count, "done": count >= carry["wanted"]}
        >>> carry = {"count": np.zeros(2, "int32"), "wanted": np.array([1, 3], "int32"),
        ...          "done": np.zeros(2, bool)}
        >>> count, = run_search(advance, carry, 9, ("count",), shrink=True)
        >>> np.asarray(count).tolist()
        [1, 3]
    """
    carry = keras.tree.map_structure(ops.convert_to_tensor, carry)
    longest = ops.convert_to_tensor(longest, "int32")
    start = ops.zeros((), "int32")

    def some_unfinished(index: Any, carry: Any) -> Any:
        return ops.logical_and(index < longest, ops.logical_not(ops.all(carry["done"])))

    def step(index: Any, carry: Any) -> Any:
        return index + 1, advance(index, carry)

    if not shrink:
        _, carry = ops.while_loop(some_unfinished, step, (start, carry))
        return tuple(carry[name] for name in outputs)

    def needed(done: Any) -> Any:
        """How many rows the loop has to go on with."""
        rows = ops.shape(done)[0]
        unfinished = rows - ops.sum(ops.cast(done, "int32"))
        return ops.minimum(-(-unfinished // multiple) * multiple, rows)

    multiple = int(shrink)

    def most_unfinished(index: Any, carry: Any) -> Any:
        rows = ops.shape(carry["done"])[0]
        return ops.logical_and(index < longest, 4 * needed(carry["done"]) > 3 * rows)

    def shrunk(index: Any, rows: Any, results: Any, carry: Any) -> Any:
        index, carry = ops.while_loop(most_unfinished, step, (index, carry))
        results = tuple(
            ops.scatter_update(result, rows[:, None], carry[name])
            for result, name in zip(results, outputs, strict=True)
        )
        done = carry["done"]
        left = ops.argsort(ops.cast(done, "int32"))[: needed(done)]  # What is done comes last.
        rows, carry = keras.tree.map_structure(lambda x: ops.take(x, left, axis=0), (rows, carry))
        return index, rows, results, carry

    def some_left(index: Any, rows: Any, results: Any, carry: Any) -> Any:
        return ops.logical_and(index < longest, ops.shape(rows)[0] > 0)

    rows = ops.arange(ops.shape(carry["done"])[0], dtype="int32")
    results = tuple(carry[name] for name in outputs)
    _, _, results, _ = ops.while_loop(some_left, shrunk, (start, rows, results, carry))
    return results
