"""Both projections against NumPy, for any number of rows, also one that shrinks in a loop."""

import numpy as np
import pytest
import tensorflow as tf

from keras_tx.models.output_projection import (
    FEW_ROWS,
    compiled_output_projection,
    output_projection,
)

TABLE = np.random.default_rng(1).normal(size=(21, 6)).astype("float32")


def inputs(rows):
    return np.random.default_rng(rows).normal(size=(rows, 6)).astype("float32")


@pytest.mark.parametrize("rows", [0, 1, 2, FEW_ROWS, FEW_ROWS + 1])
@pytest.mark.parametrize("known", ["number", "tensor", "unknown"])
def test_it_is_the_product(rows, known):
    said = {"number": rows, "tensor": tf.constant(rows), "unknown": None}[known]
    project = output_projection(tf.constant(TABLE), said)
    for left in {rows, rows // 2}:  # Some may be done.
        x = inputs(left)
        np.testing.assert_allclose(project(tf.constant(x)), x @ TABLE.T, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rows", [0, 1, 5, 40])
def test_in_bfloat16_the_kernels_can_keep_the_table(rows):
    """A product with a bias, and with the table as it is: those are the ones that they keep."""
    table = tf.cast(TABLE, tf.bfloat16)
    product = tf.function(lambda x: output_projection(table, rows)(x))
    x = tf.cast(inputs(rows), tf.bfloat16)
    expected = tf.cast(x, tf.float32).numpy() @ tf.cast(table, tf.float32).numpy().T
    np.testing.assert_allclose(tf.cast(product(x), tf.float32), expected, rtol=1e-2, atol=1e-2)
    nodes = product.get_concrete_function(x).graph.as_graph_def().node
    assert [node.op for node in nodes if node.op in ("MatMul", "Transpose", "BiasAdd")] == [
        "MatMul",
        "BiasAdd",
    ]


def test_in_a_loop_of_a_graph():
    table = tf.Variable(TABLE)

    @tf.function(input_signature=[tf.TensorSpec([None, 6])])
    def repeated(x):
        project = output_projection(tf.convert_to_tensor(table), tf.shape(x)[0])
        return tf.while_loop(
            lambda index, x: index < 3, lambda index, x: (index + 1, project(x)[:, :6]), (0, x)
        )[1]

    for rows in (0, 1, 4, 30):
        x = inputs(rows)
        expected = x @ np.linalg.matrix_power(TABLE[:6].T, 3)
        np.testing.assert_allclose(repeated(tf.constant(x)), expected, rtol=1e-3, atol=1e-4)
    # One row does without a transposed table, and a few with one in halves: the graph says so.
    operations = repeated.get_concrete_function().graph.as_graph_def()
    products = [
        node
        for function in operations.library.function
        for node in function.node_def
        if node.op == "MatMul"
    ]
    assert sorted(node.attr["transpose_b"].b for node in products) == [False] * 3 + [True] * 2


@pytest.mark.parametrize("beam_size", [1, 3])
@pytest.mark.parametrize("rows", [0, 3, 12])
def test_compiled(beam_size, rows):
    compiled = tf.function(
        lambda table, x: compiled_output_projection(table, beam_size)(x), jit_compile=True
    )
    found = compiled(tf.constant(TABLE), tf.constant(inputs(rows)))
    np.testing.assert_allclose(found, inputs(rows) @ TABLE.T, rtol=1e-5, atol=1e-5)
