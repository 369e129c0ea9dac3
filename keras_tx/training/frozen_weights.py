"""A setting of the kernels that only fits weights which stay as they are."""

from __future__ import annotations

import os

FROZEN_WEIGHTS = "TF_ONEDNN_ASSUME_FROZEN_WEIGHTS"


def require_changing_weights() -> None:
    """Raise `ValueError` where oneDNN was told that weights never change.

    It then keeps the weights of a product with a bias as they were when the product ran first.
    That makes a model faster that only runs; but the loss of a training would be computed from
    the weights of its first step, for ever.

    Example:
        >>> import os
        >>> from keras_tx.training.frozen_weights import require_changing_weights
        >>> os.environ["TF_ONEDNN_ASSUME_FROZEN_WEIGHTS"] = "1"
        >>> require_changing_weights()
        Traceback (most recent call last):
        ValueError: training expected TF_ONEDNN_ASSUME_FROZEN_WEIGHTS not to be set. Received: '1'
        >>> del os.environ["TF_ONEDNN_ASSUME_FROZEN_WEIGHTS"]
    """
    told = os.environ.get(FROZEN_WEIGHTS, "")
    if told.lower() in ("1", "true"):
        raise ValueError(f"training expected {FROZEN_WEIGHTS} not to be set. Received: {told!r}")
