"""The layers under JAX: their own tests again, where the backend can make a difference.

That both backends give the same numbers is `test_layer_contract.py`'s: it loads under each
what was saved under the other. All tests of the layers pass under JAX too, but compiling
every small operation by itself takes JAX minutes: `KERAS_BACKEND=jax python -m pytest
tests/layers`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS = "tests/layers"
SELECTED = (
    f"{LAYERS}/test_layer_contract.py::test_one_fit_step_changes_every_weight",
    f"{LAYERS}/test_layer_contract.py::test_graph_is_eager",
    f"{LAYERS}/test_layer_contract.py::test_symbolic_shapes_are_the_eager_shapes",
    f"{LAYERS}/test_transformer_decoder.py::test_cached_loop_in_a_graph_is_the_eager_pass",
    f"{LAYERS}/test_worked_examples.py",
    f"{LAYERS}/test_masks.py::test_masks_travel_to_the_loss",
    f"{LAYERS}/test_masks.py::test_decoder_never_sees_the_future",
    f"{LAYERS}/test_masks.py::test_source_padding_changes_nothing_with_unequal_lengths",
)
# JAX compiles each operation of an eager call by itself; doing it badly is quicker.
XLA_FLAGS = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


def test_layers_pass_their_tests_under_jax():
    if os.environ.get("KERAS_BACKEND") == "jax":
        pytest.skip("these tests run under JAX already")
    pytest.importorskip("jax", reason="JAX is not installed")
    process = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", *SELECTED],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": "jax", "XLA_FLAGS": XLA_FLAGS},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stdout[-5000:] + process.stderr[-2000:]
    summary = process.stdout.splitlines()[-1]
    assert " passed" in summary and "skipped" not in summary
