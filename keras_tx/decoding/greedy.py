"""Greedy search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from keras_tx.decoding.constraints import Constraint
from keras_tx.decoding.token_loop import DecodedTokens, Step, decode_tokens


def greedy_search(
    step: Step,
    state: Any,
    start_ids: Any,
    end_id: int,
    max_lengths: Any,
    padding_id: int = 0,
    constraints: Sequence[Constraint] = (),
    shrink: bool = False,
    longest: Any = None,
) -> DecodedTokens:
    """Choose the most probable token at each step, until every sequence has ended.

    The loop is one `while_loop`, so it works in a graph; it stops when all rows have
    ended. A row that reaches its own `max_lengths` is cut there, whatever the other
    rows of the batch do: the result of a row does not depend on its batch.

    Args:
        step: `step(ids, index, state, origins) -> (logits, state)`, as for `beam_search`
            with one beam: `ids` `(B, 1)` are the tokens at position `index`, `logits`
            `(B, 1, N)` those for the next one; `origins` is `None`.
        state: what `step` carries from one call to the next: nested tensors.
        start_ids: `(B,)`, the first tokens.
        end_id: id that ends a sequence.
        max_lengths: `(B,)` integers, the most ids that each row may get, end included.
        padding_id: what fills the places behind the end. Default 0.
        constraints: rules that forbid tokens, such as `SuppressTokens`. The scores are
            still those of the whole distribution. Default none.
        shrink, longest: see `beam_search`.

    Returns:
        `DecodedTokens`; `L` is `longest`.

    Example:
        >>> import numpy as np
        >>> from keras import ops
        >>> from keras_tx.decoding import greedy_search
        >>> def step(ids, index, state, origins):  # counts up: after token n comes n + 1
        ...     return ops.one_hot(ids + 1, 6) * 9.0, state
        >>> start, longest = np.array([1, 3]), np.array([9, 9])
        >>> found = greedy_search(step, (), start, end_id=5, max_lengths=longest)
        >>> np.asarray(found.ids)[:, :4].tolist()
        [[2, 3, 4, 5], [4, 5, 0, 0]]

    Source: Sutskever et al. 2014, "Sequence to Sequence Learning with Neural Networks",
    section 3.2 (with a beam of one).
    """
    return decode_tokens(
        step,
        state,
        start_ids,
        end_id,
        max_lengths,
        padding_id,
        constraints,
        choose=lambda logits, index, chances: ops.argmax(logits, axis=-1),
        shrink=shrink,
        longest=longest,
    )
