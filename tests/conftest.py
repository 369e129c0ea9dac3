"""What must stand before Keras is first imported, and which tests begin."""

import os

import pytest

# TensorFlow's start-up messages would bury the tests' own.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The file that takes longest: at the end it would keep one of two processes busy alone.
    items.sort(key=lambda item: item.path.name != "test_readme.py")
