"""Greedy search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from keras import ops


class DecodedTokens(NamedTuple):
    """What a decoder returns.

    Attributes:
        ids: `(B, L)`, the chosen ids without the start; the end id where a sequence
            has ended, then padding.
        lengths: `(B,)`, how many ids stand in each row, the end id included.
        scores: `(B,)` float32, the log-probability of each row's ids.

    Example:
        >>> from keras_tx.decoding import DecodedTokens
        >>> DecodedTokens(ids=[[5, 3]], lengths=[2], scores=[-0.7]).lengths
        [2]
    """

    ids: Any
    lengths: Any
    scores: Any


def greedy_search(
    step: Callable[[Any, Any, Any], tuple[Any, Any]],
    state: Any,
    start_ids: Any,
    end_id: int,
    max_lengths: Any,
    padding_id: int = 0,
    suppressed_ids: Sequence[int] = (),
) -> DecodedTokens:
    """Choose the most probable token at each step, until every sequence has ended.

    The loop is one `while_loop`, so it works in a graph; it stops when all rows have
    ended. A row that reaches its own `max_lengths` is cut there, whatever the other
    rows of the batch do: the result of a row does not depend on its batch.

    Args:
        step: `step(ids, index, state) -> (logits, state)`. `ids` `(B, 1)` are the
            tokens at position `index`, `logits` `(B, N)` those for the next one. The
            state's shapes must stay the same.
        state: what `step` carries from one call to the next: nested tensors.
        start_ids: `(B,)`, the first tokens.
        end_id: id that ends a sequence.
        max_lengths: `(B,)` integers, the most ids that each row may get, end included.
        padding_id: what fills the places behind the end. Default 0.
        suppressed_ids: ids that are never chosen, however probable. Default none. The
            scores are still those of the whole distribution.

    Returns:
        `DecodedTokens`; `L` is the largest of `max_lengths`.

    Example:
        >>> import numpy as np
        >>> from keras import ops
        >>> from keras_tx.decoding import greedy_search
        >>> def step(ids, index, state):  # counts up: after token n comes n + 1
        ...     return ops.one_hot(ids[:, 0] + 1, 6) * 9.0, state
        >>> start, longest = np.array([1, 3]), np.array([9, 9])
        >>> found = greedy_search(step, (), start, end_id=5, max_lengths=longest)
        >>> np.asarray(found.ids)[:, :4].tolist()
        [[2, 3, 4, 5], [4, 5, 0, 0]]

    Source: Sutskever et al. 2014, "Sequence to Sequence Learning with Neural Networks",
    section 3.2 (with a beam of one).
    """
    tokens = ops.cast(start_ids, "int32")[:, None]  # (B, 1)
    max_lengths = ops.cast(max_lengths, "int32")
    longest = ops.max(ops.concatenate([max_lengths, ops.zeros((1,), "int32")]))
    ids = ops.full((ops.shape(tokens)[0], longest), padding_id, dtype="int32")
    lengths = ops.zeros_like(max_lengths)
    scores = ops.zeros_like(max_lengths, dtype="float32")
    finished = max_lengths <= 0
    positions = ops.arange(longest)

    def some_unfinished(index, tokens, state, ids, lengths, scores, finished):
        return ops.logical_and(index < longest, ops.logical_not(ops.all(finished)))

    def advance(index, tokens, state, ids, lengths, scores, finished):
        logits, state = step(tokens, index, state)
        logits = ops.cast(logits, "float32")
        normalizer = ops.logsumexp(logits, axis=-1)
        if suppressed_ids:
            suppressed = ops.one_hot(ops.array(suppressed_ids), logits.shape[-1])
            logits = ops.where(ops.any(suppressed > 0, axis=0), -1e9, logits)
        chosen = ops.cast(ops.argmax(logits, axis=-1), "int32")  # (B,)
        log_probability = ops.max(logits, axis=-1) - normalizer
        chosen = ops.where(finished, padding_id, chosen)
        scores = scores + ops.where(finished, 0.0, log_probability)
        lengths = lengths + ops.cast(ops.logical_not(finished), "int32")
        ids = ops.where(positions == index, chosen[:, None], ids)  # (B, L)
        ended = ops.logical_or(chosen == end_id, lengths >= max_lengths)
        finished = ops.logical_or(finished, ended)
        return index + 1, chosen[:, None], state, ids, lengths, scores, finished

    start = ops.zeros((), "int32")
    *_, ids, lengths, scores, _ = ops.while_loop(
        some_unfinished, advance, (start, tokens, state, ids, lengths, scores, finished)
    )
    return DecodedTokens(ids, lengths, scores)
