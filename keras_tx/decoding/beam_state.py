"""The hypotheses of a beam search, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from keras import ops

from keras_tx.decoding.constraints import FORBIDDEN, Constraint, SuppressTokens
from keras_tx.decoding.top_tokens import top_tokens

NOTHING = -1e9  # The score of what is not there.


class Live(NamedTuple):
    """Hypotheses that have not ended, the most probable first."""

    last: Any  # (B, K) ids that the next step reads
    ids: Any  # (B, K, L)
    origins: Any  # (B, K, L)
    log_probabilities: Any  # (B, K)
    coverage: Any  # (B, K, Ts): attention to each source token so far; or ()


class Finished(NamedTuple):
    """Hypotheses that have ended: they never change, a better one can take a worse one's place."""

    ids: Any  # (B, K, L)
    lengths: Any  # (B, K)
    scores: Any  # (B, K)
    log_probabilities: Any  # (B, K)
    count: Any  # (B,): how many have ended so far
    done: Any  # (B,)


def gather_beams(x: Any, beams: Any) -> Any:
    """Rows of `x` `(B, K, …)` in a new order: row `k` of the result is row `beams[:, k]`.

    Example:
        >>> import numpy as np
        >>> from keras_tx.decoding import gather_beams
        >>> np.asarray(gather_beams(np.array([[[1], [2], [3]]]), np.array([[2, 2, 0]]))).tolist()
        [[[3], [3], [1]]]
    """
    shape = ops.shape(x)
    rows = ops.arange(shape[0])[:, None] * shape[1] + beams  # (B, K') in (B * K)
    return ops.take(ops.reshape(x, (shape[0] * shape[1], *shape[2:])), rows, axis=0)


def start_beams(
    start_ids: Any, max_lengths: Any, longest: Any, beams: int, padding_id: int, source_mask: Any
) -> tuple[Live, Finished]:
    rows = ops.shape(max_lengths)[0]
    last = ops.broadcast_to(ops.cast(start_ids, "int32")[:, None], (rows, beams))
    ids = ops.full((rows, beams, longest), padding_id, dtype="int32")
    own = ops.arange(beams, dtype="int32")[:, None]
    # All begin alike: only the first one counts, or the beam would hold one hypothesis K times.
    first = ops.where(ops.arange(beams) == 0, 0.0, NOTHING)
    log_probabilities = ops.broadcast_to(first, (rows, beams))
    coverage: Any = ()
    if source_mask is not None:
        coverage = ops.zeros((rows, beams, ops.shape(source_mask)[1]), "float32")
    live = Live(
        last, ids, ops.broadcast_to(own, (rows, beams, longest)), log_probabilities, coverage
    )
    done = max_lengths <= 0
    none = ops.full((rows, beams), NOTHING, dtype="float32")
    # A row that may have no ids has one hypothesis: the empty one.
    empty = ops.logical_and(done[:, None], ops.arange(beams) == 0)
    scores = ops.where(empty, 0.0, none)
    lengths = ops.zeros((rows, beams), "int32")
    return live, Finished(ids, lengths, scores, scores, ops.zeros_like(max_lengths), done)


def best_continuations(
    logits: Any, live: Live, index: Any, rules: Sequence[tuple[Constraint, Any]]
) -> tuple[Any, Any, Any]:
    """The 2K best continuations: log-probabilities, beams and tokens, each `(B, 2K)`.

    So many, because at most K of them end: K can always go on. `rules` are constraints with
    what they know of the rows.
    """
    beams, size = live.last.shape[1], logits.shape[-1]
    logits = ops.cast(logits, "float32")  # (B, K, N)
    allowed, suppressed = logits, ()
    for constraint, rows in rules:
        if isinstance(constraint, SuppressTokens):
            suppressed += constraint.token_ids
        else:
            allowed = constraint(allowed, index, live.ids, rows)
    # First within each beam: what is then sorted over all of them is short. A few ids that
    # are never chosen are taken out of what is found, which spares a pass over the logits.
    count = min(2 * beams + len(suppressed), size)
    values, tokens = top_tokens(ops.reshape(allowed, (-1, size)), count)  # (B * K, C)
    values = values - ops.logsumexp(ops.reshape(logits, (-1, size)), axis=-1, keepdims=True)
    if suppressed:
        never = ops.any(tokens[..., None] == ops.array(suppressed, "int32"), axis=-1)
        values = ops.where(never, FORBIDDEN, values)
    values = ops.reshape(values, (-1, beams, count))
    totals = ops.reshape(live.log_probabilities[:, :, None] + values, (-1, beams * count))
    totals, places = ops.top_k(totals, k=2 * beams)  # (B, 2K)
    places = ops.cast(places, "int32")
    tokens = ops.take_along_axis(ops.reshape(tokens, (-1, beams * count)), places, axis=-1)
    return totals, places // count, tokens


def ending(
    live: Live, index: Any, totals: Any, beams: Any, tokens: Any, ended: Any, done: Any
) -> Finished:
    """Those of the K best candidates that end here; a score of `NOTHING` for the others."""
    count = live.last.shape[1]
    totals, beams, tokens = totals[:, :count], beams[:, :count], tokens[:, :count]
    ending = ops.logical_and(ended[:, :count], ops.logical_not(done)[:, None])
    ending = ops.logical_and(ending, totals > NOTHING / 2)
    here = ops.arange(ops.shape(live.ids)[2]) == index
    ids = ops.where(here, tokens[..., None], gather_beams(live.ids, beams))  # (B, K, L)
    lengths = ops.where(ending, index + 1, 0)
    totals = ops.where(ending, totals, NOTHING)
    return Finished(ids, lengths, totals, totals, ops.sum(ops.cast(ending, "int32"), 1), done)


def where_ended(new: Finished, scores: Any) -> Any:
    return ops.where(new.lengths > 0, scores, NOTHING)


def merge(old: Finished, new: Finished) -> Finished:
    """The K best of what had finished and of what is new."""
    scores = ops.concatenate([old.scores, new.scores], axis=1)  # (B, 2K)
    scores, best = ops.top_k(scores, k=old.scores.shape[1])
    ids = gather_beams(ops.concatenate([old.ids, new.ids], axis=1), best)
    lengths = ops.concatenate([old.lengths, new.lengths], axis=1)
    sums = ops.concatenate([old.log_probabilities, new.log_probabilities], axis=1)
    return Finished(
        ids,
        ops.take_along_axis(lengths, best, axis=1),
        scores,
        ops.take_along_axis(sums, best, axis=1),
        old.count + new.count,
        old.done,
    )


def go_on(
    live: Live, index: Any, totals: Any, beams: Any, tokens: Any, end_id: int
) -> tuple[Live, Any]:
    """The K best candidates that have not ended, and the beams that they come from."""
    count = live.last.shape[1]
    totals = ops.where(tokens == end_id, 2 * NOTHING, totals)
    totals, best = ops.top_k(totals, k=count)  # (B, K)
    beams = ops.take_along_axis(beams, best, axis=1)
    tokens = ops.take_along_axis(tokens, best, axis=1)
    positions = ops.arange(ops.shape(live.ids)[2])
    own = ops.arange(count, dtype="int32")[:, None]
    ids = ops.where(positions == index, tokens[..., None], gather_beams(live.ids, beams))
    # The past was written where it was read; what comes is written in one's own place.
    origins = ops.where(positions > index, own, gather_beams(live.origins, beams))
    coverage = live.coverage
    if not isinstance(coverage, tuple):
        coverage = gather_beams(coverage, beams)
    return Live(tokens, ids, origins, totals, coverage), beams


def total_coverage(coverage: Any, source_mask: Any) -> Any:
    """`Σ_i log min(coverage_i, 1)` over the source tokens that count, `(B, K)`."""
    terms = ops.log(ops.clip(coverage, 1e-9, 1.0))
    return ops.sum(ops.where(source_mask[:, None], terms, 0.0), axis=-1)
