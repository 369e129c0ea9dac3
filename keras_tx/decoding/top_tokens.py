"""The few most probable tokens of a large vocabulary."""

from __future__ import annotations

from typing import Any

from keras import ops

SMALLEST_BLOCK, LARGEST_BLOCK = 16, 512


def top_tokens(logits: Any, count: int) -> tuple[Any, Any]:
    """The `count` largest logits of each row, sorted, and their ids: what `top_k` gives.

    A sorting `top_k` over a whole vocabulary costs more than the matrix product that made
    the logits. Here each row is cut into blocks, and only the `count` blocks with the largest
    maxima are looked into: no other block can hold one of the `count` largest.

    Args:
        logits: `(R, N)`.
        count: how many, at most `N`.

    Returns:
        Values `(R, count)` and ids `(R, count)` int32.

    Example:
        >>> import numpy as np
        >>> from keras_tx.decoding import top_tokens
        >>> values, ids = top_tokens(np.arange(1000, dtype="float32")[None], 2)
        >>> np.asarray(ids).tolist()
        [[999, 998]]
    """
    size = logits.shape[-1]
    block = _block_size(size, count)
    if block is None:
        values, ids = ops.top_k(logits, k=count)
        return values, ops.cast(ids, "int32")
    blocks = ops.reshape(logits, (-1, size // block, block))  # (R, N / b, b)
    _, best = ops.top_k(ops.max(blocks, axis=-1), k=count)  # (R, count)
    # Sorted by number, so that of equal logits the one with the lower id comes first.
    best = ops.cast(ops.sort(best, axis=-1), "int32")
    rows = ops.arange(ops.shape(blocks)[0], dtype="int32")[:, None] * (size // block) + best
    chosen = ops.take(ops.reshape(blocks, (-1, block)), rows, axis=0)  # (R, count, b)
    values, places = ops.top_k(ops.reshape(chosen, (-1, count * block)), k=count)
    places = ops.cast(places, "int32")
    number = ops.take_along_axis(best, places // block, axis=-1)
    return values, number * block + places % block


def _block_size(size: int, count: int) -> int | None:
    """The divisor of `size` that leaves the fewest numbers to sort; `None` if none pays."""
    divisors = [b for b in range(SMALLEST_BLOCK, LARGEST_BLOCK + 1) if size % b == 0]
    costs = {b: size // b + count * b for b in divisors if size // b >= count}
    best = min(costs, key=costs.get, default=None)
    return best if best is not None and costs[best] * 2 < size else None
