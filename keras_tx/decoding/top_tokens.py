"""The few most probable tokens of a large vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from keras_tx.decoding.constraints import FORBIDDEN
from keras_tx.decoding.gathering import gather_beams

SMALLEST_BLOCK, LARGEST_BLOCK = 16, 512


def top_tokens(logits: Any, count: int, skipped: int = 0) -> tuple[Any, Any]:
    """The `count` largest logits of each row, sorted, and their ids: what `top_k` gives.

    A sorting `top_k` over a whole vocabulary costs more than the matrix product that made
    the logits. Here each row is cut into blocks, and only the `count` blocks with the largest
    maxima are looked into: no other block can hold one of the `count` largest.

    Args:
        logits: `(R, N)`.
        count: how many, at most `N`.
        skipped: so many of the first ids count as `FORBIDDEN`, without a pass over the logits.
            Default 0.

    Returns:
        Values `(R, count)` and ids `(R, count)` int32.

    Example:
        >>> import numpy as np
        >>> from keras_tx.decoding import top_tokens
        >>> values, ids = top_tokens(np.arange(1000, dtype="float32")[None], 2)
        >>> np.asarray(ids).tolist()
        [[999, 998]]
    """
    return _largest(logits[:, None], None, count, skipped)


def top_continuations(
    logits: Any, offsets: Any, count: int, skipped: int = 0
) -> tuple[Any, Any, Any]:
    """The `count` largest of `logits + offsets` over all hypotheses of a row.

    Found as `top_tokens` does, without a pass over the vocabulary for the sum.

    Args:
        logits: `(B, K, N)`.
        offsets: `(B, K)`, one number for all tokens of a hypothesis.
        count: how many, at most `K N`.
        skipped: so many of the first ids count as `FORBIDDEN`. Default 0.

    Returns:
        Values, hypotheses and tokens, each `(B, count)`; the last two int32. Of equal values the
        one of the lower hypothesis and the lower token comes first.

    Example:
        >>> import numpy as np
        >>> from keras_tx.decoding.top_tokens import top_continuations
        >>> logits = np.array([[[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]], "float32")
        >>> found = top_continuations(logits, np.array([[0.0, 1.5]], "float32"), 3)
        >>> [np.asarray(part).tolist() for part in found]
        [[[4.5, 3.5, 3.0]], [[1, 1, 0]], [[2, 1, 2]]]
    """
    values, places = _largest(logits, offsets, count, skipped)
    return values, places // logits.shape[2], places % logits.shape[2]


def skippable(token_ids: Sequence[int]) -> tuple[int, tuple[int, ...]]:
    """How many of the first ids are among some, if no others are; and those that are left.

    Example:
        >>> from keras_tx.decoding.top_tokens import skippable
        >>> skippable([0, 2, 1, 0]), skippable([0, 2])
        ((3, ()), (0, (0, 2)))
    """
    different = set(token_ids)
    if different == set(range(len(different))):
        return len(different), ()
    return 0, tuple(token_ids)


def _largest(logits: Any, offsets: Any, count: int, skipped: int) -> tuple[Any, Any]:
    """Values and places in `(B, K * N)`."""
    beams, size = logits.shape[1:]
    block = _block_size(size, beams, count, skipped)
    if block is None:
        if offsets is not None:
            logits = logits + offsets[..., None]
        if skipped:
            logits = ops.where(ops.arange(size, dtype="int32") < skipped, FORBIDDEN, logits)
        values, places = ops.top_k(ops.reshape(logits, (-1, beams * size)), k=count)
        return values, ops.cast(places, "int32")
    parts = size // block
    blocks = ops.reshape(logits, (-1, beams, parts, block))
    maxima = ops.max(blocks, axis=-1)  # (B, K, N / b)
    if skipped:  # They are all in the first block.
        rest = ops.max(blocks[:, :, 0, skipped:], axis=-1, keepdims=True)
        maxima = ops.concatenate([rest, maxima[:, :, 1:]], axis=-1)
    if offsets is not None:
        maxima = maxima + offsets[..., None]
    maxima = ops.reshape(maxima, (-1, beams * parts))
    # Sorted by number, so that of equal logits the one with the lower id comes first.
    best = -ops.top_k(-ops.top_k(maxima, k=count, sorted=False)[1], k=count)[0]
    best = ops.cast(best, "int32")
    chosen = gather_beams(ops.reshape(blocks, (-1, beams * parts, block)), best)  # (B, count, b)
    if offsets is not None:
        chosen = chosen + gather_beams(offsets, best // parts)[..., None]
    if skipped:
        never = ops.logical_and(
            (best % parts == 0)[..., None], ops.arange(block, dtype="int32") < skipped
        )
        chosen = ops.where(never, FORBIDDEN, chosen)
    values, places = ops.top_k(ops.reshape(chosen, (-1, count * block)), k=count)
    places = ops.cast(places, "int32")
    return values, gather_beams(best, places // block) * block + places % block


def _block_size(size: int, beams: int, count: int, skipped: int) -> int | None:
    """The divisor of `size` that leaves the fewest numbers to sort; `None` if none pays."""
    divisors = [b for b in range(SMALLEST_BLOCK, LARGEST_BLOCK + 1) if size % b == 0]
    blocks = {b: beams * size // b for b in divisors if b > skipped}
    costs = {b: blocks[b] + count * b for b in blocks if blocks[b] >= count}
    best = min(costs, key=costs.get, default=None)
    return best if best is not None and costs[best] * 2 < beams * size else None
