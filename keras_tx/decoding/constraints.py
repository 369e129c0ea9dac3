"""What a search may choose: rules that take tokens out of the running."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

from keras import ops

FORBIDDEN = -1e9


class Constraint:
    """A rule of a search: it sets the logits of forbidden tokens to a very low number.

    Scores stay those of the whole distribution. A subclass has `apply`. What differs from
    row to row, such as a prefix, goes into `rows`: a search hands it back for the rows that
    it still follows.

    Args:
        rows: nested arrays with the rows as first axis. Default: none.

    Call arguments:
        logits: `(B, K, N)` of step `index`.
        index: the step.
        ids: `(B, K, L)`, what was chosen before it, then padding.
        rows: see above. Default: those that the constraint was made with.

    Returns:
        Logits.

    Example:
        >>> import numpy as np
        >>> from keras import ops
        >>> from keras_tx.decoding import Constraint
        >>> class EvenSteps(Constraint):  # Token 0 at even steps only
        ...     def apply(self, logits, index, ids, rows):
        ...         forbidden = ops.logical_and(np.arange(logits.shape[-1]) == 0, index % 2 == 1)
        ...         return ops.where(forbidden, -1e9, logits)
        >>> float(EvenSteps()(np.zeros((1, 1, 3), "float32"), 1, None)[0, 0, 0])
        -1000000000.0
    """

    def __init__(self, rows: Any = ()) -> None:
        self.rows = rows

    def __call__(self, logits: Any, index: Any, ids: Any, rows: Any = None) -> Any:
        return self.apply(logits, index, ids, self.rows if rows is None else rows)

    def apply(self, logits: Any, index: Any, ids: Any, rows: Any) -> Any:
        """The logits after the rule."""
        raise NotImplementedError


class SuppressTokens(Constraint):
    """Never choose these ids.

    Example:
        >>> import numpy as np
        >>> from keras_tx.decoding import SuppressTokens
        >>> np.asarray(SuppressTokens([1])(np.ones((1, 1, 3), "float32"), 0, None)).tolist()
        [[[1.0, -1000000000.0, 1.0]]]
    """

    def __init__(self, token_ids: Sequence[int]) -> None:
        super().__init__()
        self.token_ids = tuple(int(token_id) for token_id in token_ids)

    def apply(self, logits: Any, index: Any, ids: Any, rows: Any) -> Any:
        if not self.token_ids:
            return logits
        suppressed = ops.one_hot(ops.array(self.token_ids), logits.shape[-1], dtype="int32")
        return ops.where(ops.max(suppressed, axis=0) > 0, FORBIDDEN, logits)


class MinimumLength(Constraint):
    """Do not end before a row has `length` ids, the end included.

    Args:
        end_id: id that ends a row.
        length: `(B,)` integers, or one for all.

    Example:
        >>> import numpy as np
        >>> from keras_tx.decoding import MinimumLength
        >>> not_yet = MinimumLength(end_id=2, length=3)
        >>> [float(not_yet(np.ones((1, 1, 3), "float32"), t, None)[0, 0, 2]) for t in (1, 2)]
        [-1000000000.0, 1.0]
    """

    def __init__(self, end_id: int, length: Any) -> None:
        one_for_all = isinstance(length, numbers.Integral)
        super().__init__(() if one_for_all else ops.cast(length, "int32"))
        self.end_id = end_id
        self.length = length if one_for_all else None

    def apply(self, logits: Any, index: Any, ids: Any, rows: Any) -> Any:
        is_end = ops.arange(logits.shape[-1], dtype="int32") == self.end_id  # (N,)
        length = rows[:, None, None] if self.length is None else self.length
        return ops.where(ops.logical_and(is_end, index + 1 < length), FORBIDDEN, logits)


class NoRepeatedNGrams(Constraint):
    """Do not choose a token that would complete an n-gram which the hypothesis has already.

    Args:
        size: `n`, the length of the n-grams.

    Raises:
        ValueError: when `size` is not positive.

    Example:
        >>> import numpy as np
        >>> from keras_tx.decoding import NoRepeatedNGrams
        >>> ids = np.array([[[4, 5, 4, 0]]])  # 5 came after 4.
        >>> logits = NoRepeatedNGrams(2)(np.zeros((1, 1, 6), "float32"), 3, ids)
        >>> np.asarray(logits)[0, 0].argmin().item()
        5

    Source: Paulus et al. 2017, "A Deep Reinforced Model for Abstractive Summarization",
    section 2.5.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        if size < 1:
            raise ValueError(f"size expected a positive integer. Received: size={size!r}")
        self.size = size

    def apply(self, logits: Any, index: Any, ids: Any, rows: Any) -> Any:
        size, length = self.size, ops.shape(ids)[2]
        # Where an n-gram starts whose first n - 1 ids are the last n - 1 ones chosen.
        match = ops.broadcast_to(ops.arange(length, dtype="int32") + size <= index, ops.shape(ids))
        for offset in range(size - 1):
            last = ops.take(ids, ops.maximum(index - size + 1 + offset, 0), axis=2)  # (B, K)
            shifted = ops.roll(ids, -offset, axis=2)  # (B, K, L)
            match = ops.logical_and(match, shifted == last[..., None])
        completing = ops.roll(ids, -(size - 1), axis=2)  # (B, K, L): what came next
        count = ops.shape(logits)[0] * logits.shape[1]
        numbers = ops.broadcast_to(ops.arange(count, dtype="int32")[:, None], (count, length))
        places = ops.stack([numbers, ops.reshape(completing, (count, length))], axis=-1)
        found = ops.scatter(
            ops.reshape(places, (-1, 2)),
            ops.reshape(ops.cast(match, "int32"), (-1,)),
            (count, logits.shape[-1]),
        )
        found = ops.reshape(found, (-1, *logits.shape[1:]))  # (B, K, N)
        return ops.where(found > 0, FORBIDDEN, logits)


class ForcedPrefix(Constraint):
    """Begin each row with given ids, whatever other constraints say of them.

    Args:
        prefix_ids: `(B, P)` integers, padded at the end with anything.
        prefix_lengths: `(B,)` integers, how many of them each row has.
        otherwise: constraints that hold behind the prefix. Default: none.

    Example:
        >>> import numpy as np
        >>> from keras_tx.decoding import ForcedPrefix
        >>> prefix = ForcedPrefix(np.array([[4, 2]]), np.array([2]))
        >>> np.asarray(prefix(np.zeros((1, 1, 6), "float32"), 1, None))[0, 0].argmax().item()
        2

    Source: Wuebker et al. 2016, "Models and Inference for Prefix-Constrained Machine
    Translation".
    """

    def __init__(
        self, prefix_ids: Any, prefix_lengths: Any, otherwise: Sequence[Constraint] = ()
    ) -> None:
        self.otherwise = list(otherwise)
        further = [constraint.rows for constraint in self.otherwise]
        ids, lengths = ops.cast(prefix_ids, "int32"), ops.cast(prefix_lengths, "int32")
        super().__init__((ids, lengths, further))

    def apply(self, logits: Any, index: Any, ids: Any, rows: Any) -> Any:
        prefix_ids, lengths, further = rows
        place = ops.minimum(index, ops.maximum(ops.shape(prefix_ids)[1] - 1, 0))
        forced = ops.take(prefix_ids, place, axis=1)  # (B,)
        other = ops.arange(logits.shape[-1], dtype="int32") != forced[:, None]  # (B, N)
        inside = ops.where(other[:, None], FORBIDDEN, logits)
        behind = logits
        for constraint, rows in zip(self.otherwise, further, strict=True):
            behind = constraint(behind, index, ids, rows)
        return ops.where((index < lengths)[:, None, None], inside, behind)
