"""The loop of all searches that follow one hypothesis: token after token until all have ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from keras import ops

from keras_tx.decoding.constraints import Constraint
from keras_tx.decoding.gathering import gather_beams
from keras_tx.decoding.log_normalizer import log_normalizer
from keras_tx.decoding.search_loop import run_search

# step(ids (B, K), index, state, origins) -> (logits (B, K, N), state): see `beam_search`.
Step = Callable[[Any, Any, Any, Any], tuple]


class DecodedTokens(NamedTuple):
    """What a search for one hypothesis returns.

    Attributes:
        ids: `(B, L)`, the chosen ids without the start; the end id where a sequence
            has ended, then padding.
        lengths: `(B,)`, how many ids stand in each row, the end id included.
        scores: `(B,)` float32, the log-probability of each row's ids; 0 where they were not
            asked for.

    Example:
        >>> from keras_tx.decoding import DecodedTokens
        >>> DecodedTokens(ids=[[5, 3]], lengths=[2], scores=[-0.7]).lengths
        [2]
    """

    ids: Any
    lengths: Any
    scores: Any


def longest_row(max_lengths: Any) -> Any:
    """The largest of the bounds; 0 when there is no row."""
    return ops.max(ops.concatenate([max_lengths, ops.zeros((1,), "int32")]))


def decode_tokens(
    step: Step,
    state: Any,
    start_ids: Any,
    end_id: int,
    max_lengths: Any,
    padding_id: int,
    constraints: Sequence[Constraint],
    choose: Callable[[Any, Any, Any], Any],
    chances: Any = (),
    shrink: bool | int = False,
    longest: Any = None,
    with_scores: bool = True,
) -> DecodedTokens:
    """The loop; `choose(logits (B, N), index, chances) -> ids (B,)` is what makes a search.

    A row that reaches its own `max_lengths` is cut there, whatever the other rows of the
    batch do: the result of a row does not depend on its batch.
    """
    tokens = ops.cast(start_ids, "int32")[:, None]  # (B, 1)
    max_lengths = ops.cast(max_lengths, "int32")
    longest = longest_row(max_lengths) if longest is None else longest
    carry = {
        "tokens": tokens,
        "state": state,
        "ids": ops.full((ops.shape(tokens)[0], longest), padding_id, dtype="int32"),
        "lengths": ops.zeros_like(max_lengths),
        "scores": ops.zeros_like(max_lengths, dtype="float32"),
        "max_lengths": max_lengths,
        "constraint_rows": [constraint.rows for constraint in constraints],
        "chances": chances,
        "done": max_lengths <= 0,
    }
    positions = ops.arange(longest, dtype="int32")

    def advance(index: Any, carry: dict[str, Any]) -> dict[str, Any]:
        ids, done = carry["ids"], carry["done"]
        logits, state = step(carry["tokens"], index, carry["state"], None)
        logits = allowed = ops.cast(logits, "float32")  # (B, 1, N)
        for constraint, rows in zip(constraints, carry["constraint_rows"], strict=True):
            allowed = constraint(allowed, index, ids[:, None], rows)
        chosen = ops.cast(choose(allowed[:, 0], index, carry["chances"]), "int32")  # (B,)
        scores = carry["scores"]
        if with_scores:
            logit = gather_beams(logits[:, 0], chosen[:, None])[:, 0]
            log_probability = logit - log_normalizer(logits[:, 0])
            scores = scores + ops.where(done, 0.0, log_probability)
        chosen = ops.where(done, padding_id, chosen)
        lengths = carry["lengths"] + ops.cast(ops.logical_not(done), "int32")
        ended = ops.logical_or(chosen == end_id, lengths >= carry["max_lengths"])
        return {
            **carry,
            "tokens": chosen[:, None],
            "state": state,
            "ids": ops.where(positions == index, chosen[:, None], ids),  # (B, L)
            "lengths": lengths,
            "scores": scores,
            "done": ops.logical_or(done, ended),
        }

    return DecodedTokens(*run_search(advance, carry, longest, ("ids", "lengths", "scores"), shrink))
