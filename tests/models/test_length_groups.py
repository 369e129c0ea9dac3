"""Groups by length: what each search is given, and that rows come back in their places."""

import numpy as np
import pytest
import tensorflow as tf

from keras_tx.decoding import BeamHypotheses
from keras_tx.models.length_groups import search_in_groups


def search(source_ids, numbers):
    """Two hypotheses a row, which say how many rows and columns the search was given."""
    rows, width = tf.unstack(tf.shape(source_ids))
    lengths = tf.tile(tf.stack([[rows, width]]), [rows, 1])
    scores = tf.stack([numbers, -numbers], axis=1)
    ids = tf.tile(source_ids[:, None], [1, 2, 1])
    return BeamHypotheses(ids, lengths, scores, 2 * scores)


@pytest.mark.parametrize(
    ("lengths", "shapes"),
    [
        ([3, 1, 2], {3: (3, 3), 1: (3, 3), 2: (3, 3)}),  # All are short.
        ([5, 6], {5: (2, 6), 6: (2, 6)}),  # All are long.
        ([6, 1, 3, 5, 2], {6: (2, 6), 5: (2, 6), 1: (3, 3), 3: (3, 3), 2: (3, 3)}),
        ([4], {4: (1, 4)}),
        ([], {}),
    ],
)
def test_each_group_is_as_wide_as_its_own_longest_row(lengths, shapes):
    rows = [[length] * length + [0] * (8 - length) for length in lengths]
    ids = tf.constant(np.array(rows, "int32").reshape(-1, 8))
    inputs = {"source_ids": ids, "numbers": tf.cast(lengths, tf.float32)}
    grouped = tf.function(
        lambda: search_in_groups(search, inputs, tf.constant(lengths, tf.int32), 2, 4)
    )
    for found in (
        grouped(),
        search_in_groups(search, inputs, tf.constant(lengths, tf.int32), 2, 4),
    ):
        assert found.lengths.numpy().tolist() == [list(shapes[length]) for length in lengths]
        assert found.scores.numpy().tolist() == [[length, -length] for length in lengths]
        assert found.log_probabilities.numpy().tolist() == [[2 * n, -2 * n] for n in lengths]
        longest = max(lengths, default=0)
        for row, length in enumerate(lengths):
            expected = [[length] * length + [0] * (longest - length)] * 2
            assert found.ids.numpy()[row].tolist() == expected
    assert grouped().ids.shape[1] == 2  # Known to the graph.
