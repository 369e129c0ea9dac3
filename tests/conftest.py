"""What must stand before Keras is first imported."""

import os

# TensorFlow's start-up messages would bury the tests' own.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
