"""Adversarial and virtual adversarial training: options, and what its losses are made of."""

from __future__ import annotations

import dataclasses
from typing import Any

from keras import ops


@dataclasses.dataclass(frozen=True)
class AdversarialTraining:
    """What a classifier has to withstand while it is trained.

    Token vectors are shifted a little, in the direction that does most harm: the classifier must
    give the same answers all the same. For texts with labels that direction is the one that
    raises the loss most (`adversarial`); for any text it is the one that changes the answer most
    (`virtual`), so that texts without labels teach, too. For those, answers may also be asked to
    be clear (`entropy`). A step then costs four to nine times as much.

    Attributes:
        shift: the length of the shift of a whole text: the square root of the sum of the squares
            over all its tokens' vectors. About a hundredth of the length of the vectors
            themselves is a good beginning. Default 5.
        adversarial: weight of the loss of shifted texts with labels. Default 1; 0 for none.
        virtual: weight of the divergence between the answers for texts and for shifted ones.
            Default 1; 0 for none.
        entropy: weight of the entropy of the answers for texts without labels. Default 1; 0 for
            none.

    Raises:
        ValueError: when `shift` is not positive, or a weight negative.

    Example:
        >>> from keras_tx.training import AdversarialTraining
        >>> AdversarialTraining(shift=2.0, entropy=0.5).virtual
        1.0

    Source: Miyato, Dai and Goodfellow 2017, "Adversarial Training Methods for Semi-Supervised
    Text Classification"; all three together: Sachan, Zaheer and Salakhutdinov 2019, "Revisiting
    LSTM Networks for Semi-Supervised Text Classification via Mixed Objective Function".
    """

    shift: float = 5.0
    adversarial: float = 1.0
    virtual: float = 1.0
    entropy: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.shift < float("inf"):
            raise ValueError(f"shift expected a positive number. Received: shift={self.shift!r}")
        for name in ("adversarial", "virtual", "entropy"):
            if not 0 <= (value := getattr(self, name)) < float("inf"):
                raise ValueError(
                    f"{name} expected a number that is not negative. Received: {name}={value!r}"
                )


def shift_factors(squares: Any, mask: Any, length: float) -> Any:
    """What makes a shift of a given length of a direction.

    Args:
        squares: of each token's direction the sum of the squares, `(B, T)`.
        mask: `(B, T)`, `True` = a token of the text; others are not shifted.
        length: that of the shift of a text.

    Returns:
        `(B, T)`: the factors of the tokens' directions. 0 for a text without a direction.

    Example:
        >>> import numpy as np
        >>> from keras_tx.training import shift_factors
        >>> np.asarray(shift_factors([[9.0, 16.0, 7.0]], [[True, True, False]], 10.0)).tolist()
        [[2.0, 2.0, 0.0]]
    """
    counted = ops.where(mask, ops.cast(squares, "float32"), 0.0)
    total = ops.sum(counted, axis=1, keepdims=True)
    factors = ops.where(total > 0, length * ops.rsqrt(ops.maximum(total, 1e-30)), 0.0)
    return ops.where(mask, factors, 0.0)


def answer_divergence(given: Any, logits: Any) -> Any:
    """`KL(p‖q)` of the distributions of two arrays of logits `(B, C)` -> `(B,)`.

    Example:
        >>> import numpy as np
        >>> from keras_tx.training import answer_divergence
        >>> p, q = np.log([[0.5, 0.5]]), np.log([[0.25, 0.75]])
        >>> round(float(answer_divergence(p, q)[0]), 4)  # ½ log 2 + ½ log ⅔
        0.1438
    """
    known, found = ops.log_softmax(given, axis=-1), ops.log_softmax(logits, axis=-1)
    return ops.sum(ops.exp(known) * (known - found), axis=-1)


def answer_entropy(logits: Any) -> Any:
    """The entropy, in nats, of the distributions of logits `(B, C)` -> `(B,)`.

    Example:
        >>> import numpy as np
        >>> from keras_tx.training import answer_entropy
        >>> round(float(answer_entropy(np.zeros((1, 4), "float32"))[0]), 4)  # log 4
        1.3863
    """
    known = ops.log_softmax(logits, axis=-1)
    return -ops.sum(ops.exp(known) * known, axis=-1)
