"""The layers under JAX: their own tests again, where the backend can make a difference.

The tests of the layers pass under JAX (`KERAS_BACKEND=jax python -m pytest tests/layers`),
but compiling every small operation by itself takes JAX minutes, so a few stand for them
here. What is saved under JAX gives the same numbers under TensorFlow, and the other way round.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_tx.layers import PositionalEmbedding, TransformerDecoder, TransformerEncoder

ROOT = Path(__file__).resolve().parents[2]
LAYERS = "tests/layers"
SELECTED = (
    f"{LAYERS}/test_layer_contract.py::test_one_fit_step_changes_every_weight",
    f"{LAYERS}/test_layer_contract.py::test_graph_is_eager",
    f"{LAYERS}/test_layer_contract.py::test_symbolic_shapes_are_the_eager_shapes",
    f"{LAYERS}/test_transformer_decoder.py::test_cached_loop_in_a_graph_is_the_eager_pass",
    f"{LAYERS}/test_worked_examples.py",
    f"{LAYERS}/test_dot_product_attention.py::test_the_gradients_are_those_of_the_formula",
    f"{LAYERS}/test_gelu.py::test_the_gradient_is_that_of_the_formula",
    f"{LAYERS}/test_masks.py::test_masks_travel_to_the_loss",
    f"{LAYERS}/test_masks.py::test_decoder_never_sees_the_future",
    f"{LAYERS}/test_masks.py::test_source_padding_changes_nothing_with_unequal_lengths",
)
# JAX compiles each operation of an eager call by itself; doing it badly is quicker.
XLA_FLAGS = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


pytestmark = pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="these tests start from TensorFlow"
)


# A model saved under TensorFlow first, then the tests, all in one process: its start and what
# JAX has compiled serve both.
PROGRAM = """
import sys, keras, keras_tx, numpy as np, pytest
assert keras.backend.backend() == "jax"
folder, *tests = sys.argv[1:]
with np.load(folder + "/ids.npz") as file:
    ids = [file[name] for name in file.files]
model = keras.models.load_model(folder + "/model.keras")
np.save(folder + "/outputs.npy", model.predict(ids, verbose=0))
# Other weights, as after a training here, for the way back.
for number, weight in enumerate(model.weights):
    weight.assign(weight + 0.01 * np.cos(number + np.arange(weight.shape[-1], dtype="float32")))
model.save(folder + "/back.keras")
np.save(folder + "/back.npy", model.predict(ids, verbose=0))
# No cache: the tests under TensorFlow write one.
sys.exit(pytest.main(["-x", "-p", "no:cacheprovider", *tests]))
"""


@pytest.fixture(scope="module")
def under_jax(tmp_path_factory):
    """What the tests under JAX print, a folder, and what the model saved there gives here."""
    folder = tmp_path_factory.mktemp("jax")
    keras.utils.set_random_seed(3)
    source = keras.Input((None,), dtype="int32")
    target = keras.Input((None,), dtype="int32")
    embed = PositionalEmbedding(8, 10, 8, scale=True)
    encoded = TransformerEncoder(8, 16, 2, norm_first=True, gated=True)(embed(source))
    decoded = TransformerDecoder(8, 16, 2, key_dim=8)(embed(target), encoded)
    model = keras.Model([source, target], embed(decoded, reverse=True))
    ids = [np.array([[3, 1, 4], [5, 0, 0]]), np.array([[2, 7, 1, 8], [6, 6, 0, 0]])]
    model.save(folder / "model.keras")
    np.savez(folder / "ids.npz", *ids)
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), *SELECTED],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": "jax", "XLA_FLAGS": XLA_FLAGS},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stdout[-5000:] + process.stderr[-2000:]
    expected = keras.ops.convert_to_numpy(model(ids))
    return process.stdout, folder, ids, expected


def test_layers_pass_their_tests_under_jax(under_jax):
    summary = under_jax[0].splitlines()[-1]
    assert " passed" in summary and "skipped" not in summary


def test_what_is_saved_under_tensorflow_gives_the_same_under_jax(under_jax):
    _, folder, _, expected = under_jax
    np.testing.assert_allclose(np.load(folder / "outputs.npy"), expected, rtol=1e-5, atol=1e-5)


def test_what_is_saved_under_jax_gives_the_same_under_tensorflow(under_jax):
    _, folder, ids, before = under_jax
    outputs = keras.models.load_model(folder / "back.keras")(ids)
    expected = np.load(folder / "back.npy")
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)
    assert np.abs(expected - before).max() > 0.01
