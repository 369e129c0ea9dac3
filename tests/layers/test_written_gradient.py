"""Gradients that are written out are the ones that a backend takes."""

from __future__ import annotations

import numpy as np
from keras import ops

from keras_tx.layers.written_gradient import written_gradient


def test_the_gradient_is_the_one_that_is_written(gradients):
    """Three and five times the true ones, to tell them apart."""

    @written_gradient
    def product(x, y):
        return x * y, lambda upstream: (3 * y * upstream, 5 * x * upstream)

    x, y = np.array([1.0, 2.0], "float32"), np.array([7.0, 0.5], "float32")
    np.testing.assert_allclose(product(x, y), x * y)
    found = gradients(lambda x, y: ops.sum(2 * product(x, y)), x, y)
    np.testing.assert_allclose(found, [6 * y, 10 * x])


def test_one_tensor_needs_no_tuple(gradients):
    @written_gradient
    def double(x):
        return 2 * x, lambda upstream: 4 * upstream

    (found,) = gradients(lambda x: ops.sum(double(x)), np.ones(3, "float32"))
    np.testing.assert_allclose(found, [4, 4, 4])
