"""Packing: against a plain-Python twin, at its edges, in a graph, and its errors."""

import numpy as np
import pytest
import tensorflow as tf

from keras_tx.text import pack


def packed_by_hand(rows, sequence_length, start_id, end_id, padding_id, truncation, fraction, full):
    packed = []
    for row in rows:
        row = list(row)
        if sequence_length is not None:
            room = sequence_length - (start_id is not None) - (end_id is not None)
            if len(row) > room:
                front = room if truncation == "head" else int(room * fraction + 0.5)
                row = row[:front] + row[len(row) - (room - front) :]
        if start_id is not None:
            row = [start_id] + row
        if end_id is not None:
            row = row + [end_id]
        packed.append(row)
    width = sequence_length if full else max([1] + [len(row) for row in packed])
    lengths = [len(row) for row in packed]
    return [row + [padding_id] * (width - len(row)) for row in packed], lengths, width


def test_equals_a_plain_python_twin_on_random_rows():
    generator = np.random.default_rng(7)
    for _ in range(60):
        rows = [
            generator.integers(4, 50, generator.integers(0, 9)).tolist()
            for _ in range(generator.integers(0, 5))
        ]
        sequence_length = generator.choice([None, 3, 4, 7, 20])
        full = bool(generator.integers(2)) and sequence_length is not None
        arguments = (
            sequence_length,
            generator.choice([None, 2]),
            generator.choice([None, 3]),
            int(generator.choice([0, 9])),
            str(generator.choice(["head", "head_tail"])),
            float(generator.choice([0.0, 0.25, 0.5, 1.0])),
            full,
        )
        tokens = tf.ragged.constant(rows, dtype=tf.int32, ragged_rank=1)
        ids, lengths = pack(tokens, *arguments)
        expected, expected_lengths, width = packed_by_hand(rows, *arguments)
        assert ids.numpy().tolist() == expected, arguments
        assert lengths.numpy().tolist() == expected_lengths, arguments
        assert ids.shape == (len(rows), width)
        assert ids.dtype == lengths.dtype == tf.int32


def test_head_tail_keeps_start_end_and_both_ends():
    tokens = tf.ragged.constant([list(range(10, 30))], dtype=tf.int32)
    ids, lengths = pack(tokens, 8, 2, 3, truncation="head_tail", head_fraction=1 / 3)
    assert ids.numpy().tolist() == [[2, 10, 11, 26, 27, 28, 29, 3]]
    assert lengths.numpy().tolist() == [8]


def test_no_rows_and_empty_rows_still_have_a_column():
    no_rows = tf.RaggedTensor.from_row_lengths(tf.zeros([0], tf.int32), tf.zeros([0], tf.int64))
    ids, lengths = pack(no_rows, 5, start_id=2)
    assert ids.shape == (0, 1) and lengths.shape == (0,)
    empty_rows = tf.RaggedTensor.from_row_lengths(tf.zeros([0], tf.int32), [0, 0])
    ids, lengths = pack(empty_rows, 5)
    assert ids.numpy().tolist() == [[0], [0]]
    assert lengths.numpy().tolist() == [0, 0]


@pytest.mark.parametrize("truncation", ["head", "head_tail"])
@pytest.mark.parametrize("pad_to", [False, True])
def test_graph_equals_eager(truncation, pad_to):
    signature = [tf.RaggedTensorSpec([None, None], tf.int64)]

    @tf.function(input_signature=signature)
    def packed(tokens):
        return pack(tokens, 6, 2, 3, truncation=truncation, pad_to=pad_to)

    for rows in ([[4] * 9, [5], []], [[7, 8]], [[]]):
        tokens = tf.ragged.constant(rows, dtype=tf.int64, ragged_rank=1)
        expected = pack(tokens, 6, 2, 3, truncation=truncation, pad_to=pad_to)
        for graph, eager in zip(packed(tokens), expected, strict=True):
            np.testing.assert_array_equal(graph, eager)
    assert packed.get_concrete_function().outputs[0].shape[1] == (6 if pad_to else None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sequence_length": 2, "start_id": 2, "end_id": 3}, "at least 3 .*sequence_length=2"),
        ({"sequence_length": 0}, "at least 1 .*sequence_length=0"),
        ({"sequence_length": 2.5}, "whole number .*sequence_length=2.5"),
        ({"sequence_length": True}, "whole number .*sequence_length=True"),
        ({"pad_to": True}, "sequence_length to pad to .*sequence_length=None"),
        ({"truncation": "tail"}, "truncation='tail'"),
        ({"head_fraction": 1.5}, "head_fraction=1.5"),
    ],
)
def test_errors_say_what_was_expected(arguments, message):
    with pytest.raises(ValueError, match=message):
        pack(tf.ragged.constant([[1]], dtype=tf.int32), **arguments)


def test_dense_tokens_are_refused():
    with pytest.raises(TypeError, match="tf.RaggedTensor. Received: tokens="):
        pack(tf.constant([[1]]))
