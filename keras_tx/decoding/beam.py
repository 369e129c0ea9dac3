"""Beam search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from keras import ops

from keras_tx.decoding.beam_state import (
    Finished,
    best_continuations,
    ending,
    go_on,
    merge,
    start_beams,
    total_coverage,
    where_ended,
)
from keras_tx.decoding.constraints import Constraint
from keras_tx.decoding.gathering import gather_beams
from keras_tx.decoding.length_penalty import LengthPenalty
from keras_tx.decoding.search_loop import run_search
from keras_tx.decoding.token_loop import Step, longest_row


class BeamHypotheses(NamedTuple):
    """What a beam search returns: the best hypotheses of each row, the best one first.

    Attributes:
        ids: `(B, H, L)`, the ids without the start; the end id where a hypothesis has
            ended, then padding.
        lengths: `(B, H)`, how many ids stand in each, the end id included; 0 where a row
            has fewer hypotheses.
        scores: `(B, H)` float32, what they are ranked by: the log-probability divided by
            the length penalty, plus the coverage penalty; -1e9 where there is none.
        log_probabilities: `(B, H)` float32.

    Example:
        >>> from keras_tx.decoding import BeamHypotheses
        >>> BeamHypotheses([[[5, 3]]], [[2]], [[-0.35]], [[-0.7]]).scores
        [[-0.35]]
    """

    ids: Any
    lengths: Any
    scores: Any
    log_probabilities: Any


def beam_search(
    step: Step,
    state: Any,
    start_ids: Any,
    end_id: int,
    max_lengths: Any,
    beam_size: int = 4,
    num_hypotheses: int = 1,
    length_penalty: LengthPenalty | None = None,
    coverage_penalty: float = 0.0,
    source_mask: Any = None,
    stop: str = "safe",
    padding_id: int = 0,
    constraints: Sequence[Constraint] = (),
    reorder: Callable[[Any, Any], Any] | None = None,
    shrink: bool | int = False,
    longest: Any = None,
) -> BeamHypotheses:
    """Follow the `beam_size` most probable hypotheses of each row, until none can win.

    Hypotheses that end are kept apart from the live ones and ranked by
    `log-probability / length penalty + coverage penalty`. The loop is one `while_loop`, so
    it works in a graph. The result of a row does not depend on its batch: a row has its
    own bound and its own end.

    A key/value cache need not be moved when hypotheses change places: beams stand where
    tokens stand, each writes its keys into a slot of its own at each step, and `origins`
    tells which slots are a hypothesis's past. A state that has to follow the hypotheses
    can be moved by `reorder`.

    Args:
        step: `step(ids, index, state, origins) -> (logits, state)`. `ids` `(B, K)` are the
            tokens at position `index`, `logits` `(B, K, N)` those for the next one.
            `origins` `(B, K, L)` says for each hypothesis and position `t <= index` in
            which beam's place the token at `t` was read. With a coverage penalty it
            returns the attention weights `(B, K, Ts)` as a third thing.
        state: what `step` carries from one call to the next: nested tensors.
        start_ids: `(B,)`, the first tokens.
        end_id: id that ends a sequence.
        max_lengths: `(B,)` integers, the most ids that each row may get, end included.
        beam_size: how many hypotheses live, `K`. Default 4.
        num_hypotheses: how many are wanted, `H`, at most `beam_size`. Default 1.
        length_penalty: see `LengthPenalty`. Default: its default, the mean log-probability.
        coverage_penalty: `β` of `β Σ_i log min(Σ_t attention[t, i], 1)`, which ranks
            hypotheses lower that leave source tokens out. Default 0.
        source_mask: `(B, Ts)`, which source tokens the coverage penalty counts.
        stop: `"safe"` (default) ends a row when provably no live hypothesis can still
            come among the wanted ones; `"count"` as soon as `beam_size` have ended, which
            is faster and what most engines do.
        padding_id: what fills the places behind the end. Default 0.
        constraints: rules that forbid tokens, such as `SuppressTokens`. Default none.
        reorder: `reorder(state, beams) -> state`, called after each step with `beams`
            `(B, K)`: the hypothesis in place `k` goes on from the one in `beams[:, k]`.
        shrink: go on without rows that are done, which saves time when lengths differ. All
            of the state must have the rows as first axis. It needs arrays whose sizes may
            change in a loop: TensorFlow without XLA. A number says what the number of rows
            shall be a multiple of, `True` is 1. Default `False`.
        longest: a bound of `max_lengths` that is known beforehand, for compilers that must
            know the sizes of arrays. Default: the largest of `max_lengths`.

    Returns:
        `BeamHypotheses`; `L` is `longest`.

    Raises:
        ValueError: when a size is not positive, more hypotheses than beams are wanted, a
            coverage penalty comes without a `source_mask`, or `stop` is unknown.

    Example:
        >>> import numpy as np
        >>> from keras import ops
        >>> from keras_tx.decoding import LengthPenalty, beam_search
        >>> table = np.log([[0, 0.6, 0.4, 0], [0, 0, 0.5, 0.5], [0, 0.1, 0, 0.9], [1, 0, 0, 0]])
        >>> table = np.maximum(table, -50).astype("float32")
        >>> def step(ids, index, state, origins):  # Greedily: 1 3 with 0.3. Better: 2 3.
        ...     return ops.take(table, ids, axis=0), state
        >>> found = beam_search(
        ...     step, (), np.array([0]), end_id=3, max_lengths=np.array([4]), beam_size=2,
        ...     length_penalty=LengthPenalty(0.0))
        >>> np.asarray(found.ids)[0, 0].tolist()
        [2, 3, 0, 0]

    Source: Wu et al. 2016, "Google's Neural Machine Translation System", section 7.
    """
    if beam_size < 1 or not 1 <= num_hypotheses <= beam_size:
        raise ValueError(
            "expected a positive beam_size and from 1 to beam_size num_hypotheses. "
            f"Received: beam_size={beam_size!r}, num_hypotheses={num_hypotheses!r}"
        )
    if stop not in ("safe", "count"):
        raise ValueError(f"stop expected 'safe' or 'count'. Received: stop={stop!r}")
    if coverage_penalty and source_mask is None:
        raise ValueError("coverage_penalty expected a source_mask beside it. Received: None")
    penalty = length_penalty or LengthPenalty()
    max_lengths = ops.cast(max_lengths, "int32")
    longest = longest_row(max_lengths) if longest is None else longest
    mask = source_mask if coverage_penalty else None
    live, finished = start_beams(start_ids, max_lengths, longest, beam_size, padding_id, mask)
    carry = {
        "live": live,
        "state": state,
        "max_lengths": max_lengths,
        "source_mask": () if mask is None else mask,
        "constraint_rows": [constraint.rows for constraint in constraints],
        **finished._asdict(),
    }

    def advance(index: Any, carry: dict[str, Any]) -> dict[str, Any]:
        live, max_lengths = carry["live"], carry["max_lengths"]
        finished = Finished(**{name: carry[name] for name in Finished._fields})
        logits, state, *attention = step(live.last, index, carry["state"], live.origins)
        if coverage_penalty:
            live = live._replace(coverage=live.coverage + ops.cast(attention[0], "float32"))
        rules = list(zip(constraints, carry["constraint_rows"], strict=True))
        totals, beams, tokens = best_continuations(logits, live, index, rules)
        ended = ops.logical_or(tokens == end_id, (index + 1 >= max_lengths)[:, None])
        new = ending(live, index, totals, beams, tokens, ended, finished.done)
        scores = new.log_probabilities / penalty(index + 1)
        if coverage_penalty:
            covered = total_coverage(live.coverage, carry["source_mask"])
            scores = scores + coverage_penalty * gather_beams(covered, beams[:, :beam_size])
        finished = merge(finished, new._replace(scores=where_ended(new, scores)))
        live, beams = go_on(live, index, totals, beams, tokens, end_id)
        if reorder is not None:
            state = reorder(state, beams)
        if stop == "count":
            enough = finished.count >= beam_size
        else:
            # A live hypothesis only loses log-probability, and the most that it can be worth
            # is known: divided by the largest penalty, with nothing taken off for coverage.
            best = live.log_probabilities[:, 0] / penalty(max_lengths)
            enough = finished.scores[:, num_hypotheses - 1] >= best
        done = ops.logical_or(enough, index + 1 >= max_lengths)
        finished = finished._replace(done=ops.logical_or(finished.done, done))
        return {**carry, "live": live, "state": state, **finished._asdict()}

    outputs = ("ids", "lengths", "scores", "log_probabilities")
    found = run_search(advance, carry, longest, outputs, shrink)
    return BeamHypotheses(*(part[:, :num_hypotheses] for part in found))
