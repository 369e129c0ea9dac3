"""The hypotheses of a beam search, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from keras import ops

from keras_tx.decoding.constraints import FORBIDDEN, Constraint, SuppressTokens
from keras_tx.decoding.gathering import gather_beams
from keras_tx.decoding.log_normalizer import log_normalizer
from keras_tx.decoding.top_tokens import skippable, top_continuations

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


def start_beams(
    start_ids: Any, max_lengths: Any, longest: Any, beams: int, padding_id: int, source_mask: Any
) -> tuple[Live, Finished]:
    rows = ops.shape(max_lengths)[0]
    last = ops.broadcast_to(ops.cast(start_ids, "int32")[:, None], (rows, beams))
    ids = ops.full((rows, beams, longest), padding_id, dtype="int32")
    own = ops.arange(beams, dtype="int32")[:, None]
    # All begin alike: only the first one counts, or the beam would hold one hypothesis K times.
    first = ops.where(ops.arange(beams, dtype="int32") == 0, ops.cast(0.0, "float32"), NOTHING)
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
    empty = ops.logical_and(done[:, None], ops.arange(beams, dtype="int32") == 0)
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
    # What is chosen is looked for in all beams at once. Ids that are never chosen are skipped if
    # they are the first ones, or else taken out of what is found: no pass over the logits for them.
    skipped, suppressed = skippable(suppressed)
    count = min(beams * (2 + len(suppressed)), beams * size)
    offsets = live.log_probabilities - log_normalizer(logits)
    totals, places, tokens = top_continuations(allowed, offsets, count, skipped)  # (B, C)
    if suppressed:
        never = ops.any(tokens[..., None] == ops.array(suppressed, "int32"), axis=-1)
        totals, best = ops.top_k(ops.where(never, FORBIDDEN, totals), k=2 * beams)
        places, tokens = gather_beams(places, best), gather_beams(tokens, best)
    return totals, places, tokens  # (B, 2K)


def ending(
    live: Live, index: Any, totals: Any, beams: Any, tokens: Any, ended: Any, done: Any
) -> Finished:
    """Those of the K best candidates that end here; a score of `NOTHING` for the others."""
    count = live.last.shape[1]
    totals, beams, tokens = totals[:, :count], beams[:, :count], tokens[:, :count]
    ending = ops.logical_and(ended[:, :count], ops.logical_not(done)[:, None])
    ending = ops.logical_and(ending, totals > NOTHING / 2)
    here = ops.arange(ops.shape(live.ids)[2], dtype="int32") == index
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
        gather_beams(lengths, best),
        scores,
        gather_beams(sums, best),
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
    beams = gather_beams(beams, best)
    tokens = gather_beams(tokens, best)
    positions = ops.arange(ops.shape(live.ids)[2], dtype="int32")
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
