"""Sampling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from keras import ops

from keras_tx.decoding.constraints import FORBIDDEN, Constraint
from keras_tx.decoding.token_loop import DecodedTokens, Step, decode_tokens

LOWEST_TEMPERATURE = 1e-6  # At lower ones nothing but the best token has a chance either.


def sample_tokens(
    logits: Any,
    uniforms: Any,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Any:
    """Draw one token for each row, by the inverse of the cumulative distribution.

    Args:
        logits: `(B, N)`.
        uniforms: `(B,)` numbers in [0, 1) that decide the draw.
        temperature: the logits are divided by it. Default 1.
        top_k: draw among the `top_k` most probable tokens only. Default `None`: all.
        top_p: draw among the most probable tokens that together have at least this
            probability only. Default `None`: all.

    Returns:
        `(B,)` ids.

    Raises:
        ValueError: for a number out of range.

    Example:
        >>> import numpy as np
        >>> from keras_tx.decoding import sample_tokens
        >>> logits = np.log([[0.5, 0.2, 0.3], [0.5, 0.2, 0.3]]).astype("float32")
        >>> np.asarray(sample_tokens(logits, np.array([0.4, 0.6], "float32"))).tolist()
        [0, 2]

    Source: top-k: Fan et al. 2018, "Hierarchical Neural Story Generation"; top-p: Holtzman
    et al. 2020, "The Curious Case of Neural Text Degeneration".
    """
    check_sampling(temperature, top_k, top_p)
    size = logits.shape[-1]
    # Most probable first: the nucleus is then a beginning of the row.
    ordered, ids = ops.top_k(_tempered(logits, temperature), k=min(top_k or size, size))  # (B, k)
    probabilities = ops.softmax(ordered, axis=-1)
    cumulative = ops.cumsum(probabilities, axis=-1)
    if top_p is not None:
        inside = cumulative - probabilities < top_p  # The first one always is.
        probabilities = ops.where(inside, probabilities, 0.0)
        cumulative = ops.cumsum(probabilities, axis=-1)
    aim = uniforms[:, None] * cumulative[:, -1:]
    place = ops.sum(ops.cast(cumulative <= aim, "int32"), axis=-1)
    # Rounding can put the aim at the very end: stay with what has a probability.
    last = ops.sum(ops.cast(probabilities > 0, "int32"), axis=-1) - 1
    place = ops.minimum(place, last)
    return ops.take_along_axis(ids, place[:, None], axis=-1)[:, 0]


def _tempered(logits: Any, temperature: float) -> Any:
    """Logits by a temperature: at any one, the best is finite and what is forbidden stays so."""
    best = ops.max(logits, axis=-1, keepdims=True)
    tempered = (logits - best) / max(temperature, LOWEST_TEMPERATURE)
    forbidden = ops.logical_and(logits <= FORBIDDEN / 2, best > FORBIDDEN / 2)
    return ops.where(forbidden, FORBIDDEN, tempered)


def sampling_search(
    step: Step,
    state: Any,
    start_ids: Any,
    end_id: int,
    max_lengths: Any,
    uniforms: Any,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    padding_id: int = 0,
    constraints: Sequence[Constraint] = (),
    shrink: bool | int = False,
    longest: Any = None,
) -> DecodedTokens:
    """Draw a token at each step, until every sequence has ended.

    All chance is in `uniforms`: the same numbers give the same result, and a row's result
    does not depend on its batch.

    Args:
        step, state, start_ids, end_id, max_lengths, padding_id, constraints, shrink,
            longest: as for `greedy_search`.
        uniforms: `(B, L)` numbers in [0, 1), one for each step; `L` at least the largest of
            `max_lengths`.
        temperature, top_k, top_p: as for `sample_tokens`.

    Returns:
        `DecodedTokens`; the scores are those of the untempered distribution.

    Raises:
        ValueError: for a number out of range.

    Example:
        >>> import numpy as np
        >>> from keras import ops
        >>> from keras_tx.decoding import sampling_search
        >>> def step(ids, index, state, origins):
        ...     return ops.zeros((1, 1, 4)), state
        >>> uniforms = np.array([[0.1, 0.6, 0.9]], "float32")
        >>> start, longest = np.array([1]), np.array([3])
        >>> found = sampling_search(step, (), start, 3, longest, uniforms)
        >>> np.asarray(found.ids).tolist()
        [[0, 2, 3]]
    """
    check_sampling(temperature, top_k, top_p)
    uniforms = ops.cast(uniforms, "float32")

    def choose(logits: Any, index: Any, chances: Any) -> Any:
        return sample_tokens(logits, ops.take(chances, index, axis=1), temperature, top_k, top_p)

    return decode_tokens(
        step,
        state,
        start_ids,
        end_id,
        max_lengths,
        padding_id,
        constraints,
        choose,
        chances=uniforms,
        shrink=shrink,
        longest=longest,
    )


def check_sampling(temperature: float, top_k: int | None, top_p: float | None) -> None:
    """Raise unless these are options of `sample_tokens`.

    Raises:
        ValueError: for a number out of range.

    Example:
        >>> from keras_tx.decoding import check_sampling
        >>> check_sampling(temperature=0.7, top_k=None, top_p=1.0)
    """
    if not 0 < temperature < math.inf:
        raise ValueError(
            f"temperature expected a finite number above 0. Received: temperature={temperature!r}"
        )
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k expected a positive integer. Received: top_k={top_k!r}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p expected a number in (0, 1]. Received: top_p={top_p!r}")
