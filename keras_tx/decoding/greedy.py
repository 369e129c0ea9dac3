"""Greedy search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from keras_tx.decoding.constraints import Constraint, SuppressTokens
from keras_tx.decoding.gathering import gather_beams
from keras_tx.decoding.token_loop import DecodedTokens, Step, decode_tokens
from keras_tx.decoding.top_tokens import skippable, top_tokens


def greedy_search(
    step: Step,
    state: Any,
    start_ids: Any,
    end_id: int,
    max_lengths: Any,
    padding_id: int = 0,
    constraints: Sequence[Constraint] = (),
    shrink: bool | int = False,
    longest: Any = None,
    with_scores: bool = True,
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
        with_scores: whether the scores are wanted, which take further passes over the logits.
            Default `True`.

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
    suppressed: tuple[int, ...] = ()
    if shrink:  # Uncompiled, each pass over the logits counts; XLA makes one of them all.
        kinds = [isinstance(constraint, SuppressTokens) for constraint in constraints]
        found = [rule.token_ids for rule, here in zip(constraints, kinds, strict=True) if here]
        suppressed = sum(found, ())
        constraints = [rule for rule, here in zip(constraints, kinds, strict=True) if not here]

    def choose(logits: Any, index: Any, chances: Any) -> Any:
        return _best(logits, suppressed)

    return decode_tokens(
        step,
        state,
        start_ids,
        end_id,
        max_lengths,
        padding_id,
        constraints,
        choose=choose,
        shrink=shrink,
        longest=longest,
        with_scores=with_scores,
    )


def _best(logits: Any, suppressed: tuple[int, ...]) -> Any:
    """The most probable token of each row `(B, N)` that is none of a few."""
    skipped, suppressed = skippable(suppressed)
    count = min(1 + len(suppressed), logits.shape[-1])
    _, tokens = top_tokens(logits, count, skipped)  # (B, C)
    if not suppressed:
        return tokens[:, 0]
    never = ops.any(tokens[..., None] == ops.array(suppressed, "int32"), axis=-1)
    first = ops.argmin(ops.cast(never, "int32"), axis=-1)
    return gather_beams(tokens, first[:, None])[:, 0]
