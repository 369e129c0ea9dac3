"""What must stand before Keras is first imported, and which tests begin."""

import atexit
import os
import shutil
import tempfile

import pytest

# TensorFlow's start-up messages would bury the tests' own.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# JAX compiles for longer than it runs here; what one process has compiled serves the next.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="jax_cache_")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The file that takes longest: at the end it would keep one of two processes busy alone.
    items.sort(key=lambda item: item.path.name != "test_readme.py")
