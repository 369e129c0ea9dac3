"""Several translation networks that are one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_tx.models.networks import translation_network

MOST_MEMBERS = 32  # More than anyone wants: a file that claims them is not built.


def ensemble_network(members: Sequence[dict[str, Any]], **shared: Any) -> keras.Model:
    """A network whose next token is as likely as several networks say on average.

    Args:
        members: arguments of `translation_network`, for each network its own.
        **shared: arguments that all of them have, such as the sizes of the vocabularies.

    Returns:
        A model from `[source ids (B, Ts), target ids (B, Tt)]` to the logarithm of the mean of
        the members' probabilities, `(B, Tt, N)`, in float32. The members are its layers
        `member_0`, `member_1` ….

    Raises:
        ValueError: when there is no member, or more than 32.

    Example:
        >>> from keras_tx.models.ensemble_network import ensemble_network
        >>> network = ensemble_network(
        ...     [{"embed_dim": 16}, {"embed_dim": 32}], source_vocabulary_size=100)
        >>> network.output_shape
        (None, None, 100)

    Source: Sutskever et al. 2014, "Sequence to Sequence Learning with Neural Networks".
    """
    if not 1 <= len(members) <= MOST_MEMBERS:
        raise ValueError(
            f"members expected from 1 to {MOST_MEMBERS} networks. Received: {len(members)}"
        )
    source_ids = keras.Input((None,), dtype="int32", name="source_ids")
    target_ids = keras.Input((None,), dtype="int32", name="target_ids")
    logits = []
    for number, arguments in enumerate(members):
        network = translation_network(**{**shared, **arguments}, name=f"member_{number}")
        logits.append(network([source_ids, target_ids]))
    outputs = mean_log_probabilities(logits)
    return keras.Model([source_ids, target_ids], outputs, name="ensemble_network")


def ensemble_members(network: keras.Model) -> list[keras.Model]:
    """The networks in an ensemble; none where a network is no ensemble."""
    return [layer for layer in network.layers if layer.name.startswith("member_")]


def require_single(network: keras.Model) -> None:
    """Raise `ValueError` where a network is an ensemble."""
    members = ensemble_members(network)
    if members:
        raise ValueError(
            f"translator expected one network. Received: an ensemble of {len(members)}"
        )


def mean_log_probabilities(logits: Sequence[Any]) -> Any:
    """The logarithm of the mean of several softmaxes.

    Args:
        logits: one or more arrays `(…, N)`.

    Returns:
        `(…, N)` in float32. Its softmax is the exponential of it.

    Example:
        >>> import numpy as np
        >>> from keras_tx.models.ensemble_network import mean_log_probabilities
        >>> logits = [np.log([[0.9, 0.1]]), np.log([[0.5, 0.5]])]
        >>> np.allclose(np.exp(mean_log_probabilities(logits)), [[0.7, 0.3]])
        True
    """
    each = [ops.log_softmax(ops.cast(one, "float32"), axis=-1) for one in logits]
    total = each[0]
    for one in each[1:]:
        total = ops.logaddexp(total, one)
    return total - math.log(len(each))
