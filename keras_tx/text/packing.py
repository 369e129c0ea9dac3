"""Ragged token ids -> one padded batch of a bounded length, inside the graph."""

from __future__ import annotations

import numbers

import tensorflow as tf

TRUNCATIONS = ("head", "head_tail")


def pack(
    tokens: tf.RaggedTensor,
    sequence_length: int | None = None,
    start_id: int | None = None,
    end_id: int | None = None,
    padding_id: int = 0,
    truncation: str = "head",
    head_fraction: float = 0.5,
    pad_to: bool = False,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Truncate, frame with start and end, and pad a ragged batch of token ids.

    The start and end ids count towards `sequence_length` and are always kept: a row that is too
    long loses tokens of its own, from its end (`"head"`) or from its middle (`"head_tail"`, which
    suits long reviews whose verdict stands at the end). Sun et al. 2019, "How to Fine-Tune BERT
    for Text Classification?", section 5.3.1, compares the two.

    Args:
        tokens: ragged integer ids `(B, None)`.
        sequence_length: most ids in a packed row. `None` (default) truncates nothing.
        start_id: id put before each row. `None` (default) puts none.
        end_id: id put after each row. `None` (default) puts none.
        padding_id: id that fills a row up. Defaults to 0.
        truncation: `"head"` (default) keeps the first tokens of a row that is too long;
            `"head_tail"` keeps the first and the last ones.
        head_fraction: the share of the kept tokens that `"head_tail"` takes from the front,
            rounded to whole tokens. Defaults to 0.5.
        pad_to: if False (default) pad to the longest packed row of this batch; if True always to
            `sequence_length`.

    Returns:
        `(ids, lengths)`: ids `(B, T)` int32 and the number of ids in each row that are no
        padding, `(B,)` int32. `T` is at least 1, so that a network never meets an empty axis.

    Raises:
        TypeError: if `tokens` is not a ragged tensor.
        ValueError: if an argument is out of its range.

    Example:

    >>> import tensorflow as tf
    >>> from keras_tx.text import pack
    >>> tokens = tf.ragged.constant([[4, 5, 6, 7, 8, 9], [4], []], dtype=tf.int32)
    >>> ids, lengths = pack(tokens, 5, start_id=2, end_id=3, truncation="head_tail")
    >>> ids.numpy().tolist()
    [[2, 4, 5, 9, 3], [2, 4, 3, 0, 0], [2, 3, 0, 0, 0]]
    >>> lengths.numpy().tolist()
    [5, 3, 2]
    """
    frame = (start_id is not None) + (end_id is not None)
    _check_arguments(tokens, sequence_length, frame, truncation, head_fraction, pad_to)
    tokens = tf.cast(tokens, tf.int32)

    if sequence_length is not None:
        room = sequence_length - frame
        # Half a token goes to the front; Python's round would send it to the even side.
        head = room if truncation == "head" else int(room * head_fraction + 0.5)
        tokens = _keep_ends(tokens, head, room - head)

    column = tf.ones([tokens.nrows(), 1], dtype=tf.int32)
    parts = [tokens]
    if start_id is not None:
        parts.insert(0, start_id * column)
    if end_id is not None:
        parts.append(end_id * column)
    if len(parts) > 1:
        tokens = tf.concat(parts, axis=1)

    lengths = tf.cast(tokens.row_lengths(), tf.int32)
    shape = [None, sequence_length] if pad_to else None
    ids = tokens.to_tensor(default_value=padding_id, shape=shape)
    if not pad_to:
        one_if_empty = tf.cast(tf.equal(tf.shape(ids)[1], 0), tf.int32)
        ids = tf.pad(ids, [[0, 0], [0, one_if_empty]], constant_values=padding_id)
    return ids, lengths


def _keep_ends(tokens: tf.RaggedTensor, head: int, tail: int) -> tf.RaggedTensor:
    """Keep the first `head` and the last `tail` tokens of each row; shorter rows stay whole."""
    row_lengths = tokens.row_lengths()
    positions = tf.ragged.range(row_lengths)  # (B, None)
    tail_starts = tf.gather(row_lengths, tokens.value_rowids()) - tail  # one for each token
    keep = (positions.flat_values < head) | (positions.flat_values >= tail_starts)
    return tf.ragged.boolean_mask(tokens, tokens.with_values(keep))


def _check_arguments(tokens, sequence_length, frame, truncation, head_fraction, pad_to) -> None:
    if not isinstance(tokens, tf.RaggedTensor):
        raise TypeError(f"pack expected a tf.RaggedTensor. Received: tokens={tokens!r}")
    if sequence_length is not None:
        whole = isinstance(sequence_length, numbers.Integral)
        if isinstance(sequence_length, bool) or not whole or sequence_length <= frame:
            raise ValueError(
                f"pack expected a whole number sequence_length of at least {frame + 1} (one token "
                "beside the start and end ids) or None. "
                f"Received: sequence_length={sequence_length!r}"
            )
    elif pad_to:
        raise ValueError(
            "pack expected a sequence_length to pad to with pad_to=True. "
            "Received: sequence_length=None"
        )
    if truncation not in TRUNCATIONS:
        raise ValueError(
            f"pack expected truncation to be one of {TRUNCATIONS}. "
            f"Received: truncation={truncation!r}"
        )
    if not 0.0 <= head_fraction <= 1.0:
        raise ValueError(
            "pack expected head_fraction between 0 and 1. "
            f"Received: head_fraction={head_fraction!r}"
        )
