"""AdamW with a learning rate for each layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


@keras.saving.register_keras_serializable(package="keras_tx")
class LayerwiseAdamW(keras.optimizers.AdamW):
    """AdamW whose learning rate is multiplied by a factor of each variable.

    In fine-tuning, the layers near the input, which know of language in general, should
    change less than those near the output, which are new. The factor scales the whole
    update, that of the weight decay too; with a factor of 0 a variable stays as it is.

    Args:
        learning_rate: a number or a schedule.
        factors: one for each trainable variable, in the order in which the optimizer is
            built with them. `None` (default): 1 for all. See `layerwise_factors`.
        **arguments: of `keras.optimizers.AdamW`.

    Raises:
        ValueError: when built with another number of variables, or for a negative factor.

    Example:
        >>> import keras, numpy as np
        >>> from keras_tx.training import LayerwiseAdamW
        >>> first, second = keras.Variable([1.0]), keras.Variable([1.0])
        >>> optimizer = LayerwiseAdamW(0.1, factors=[0.5, 1.0], weight_decay=0.0)
        >>> optimizer.apply([np.array([1.0])] * 2, [first, second])
        >>> [round(float(variable.value[0]), 3) for variable in (first, second)]
        [0.95, 0.9]

    Source: discriminative fine-tuning: Howard and Ruder 2018, "Universal Language Model
    Fine-tuning for Text Classification", section 3.2; one factor a layer: Clark et al. 2020,
    "ELECTRA", appendix B.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        factors: Sequence[float] | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(learning_rate, **arguments)
        if factors is not None and not all(factor >= 0 for factor in factors):
            raise ValueError(f"factors expected numbers from 0 on. Received: factors={factors!r}")
        self.factors = None if factors is None else [float(factor) for factor in factors]

    def build(self, variables: Sequence[Any]) -> None:
        if self.factors is not None and len(self.factors) != len(variables):
            raise ValueError(
                f"factors expected one for each of {len(variables)} variables. "
                f"Received: {len(self.factors)}"
            )
        super().build(variables)

    def _factor(self, variable: Any) -> float:
        return 1.0 if self.factors is None else self.factors[self._get_variable_index(variable)]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        super().update_step(gradient, variable, learning_rate * self._factor(variable))

    def _apply_weight_decay(self, variables: Sequence[Any]) -> None:
        # Keras multiplies the decay by the rate that all variables share.
        whole = self.weight_decay
        try:
            for variable in variables:
                self.weight_decay = whole * self._factor(variable)
                super()._apply_weight_decay([variable])
        finally:
            self.weight_decay = whole

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factors": self.factors}


def layerwise_factors(depths: Sequence[int], decay: float) -> list[float]:
    """Factors that fall from the output to the input: `decay ** (highest depth - depth)`.

    Args:
        depths: how far each variable's layer stands from the input.
        decay: in (0, 1]; 1 gives all variables the same rate.

    Returns:
        The factors, 1 for the highest depth.

    Raises:
        ValueError: when `decay` is outside (0, 1].

    Example:
        >>> from keras_tx.training import layerwise_factors
        >>> layerwise_factors([0, 1, 2, 2], decay=0.5)
        [0.25, 0.5, 1.0, 1.0]
    """
    if not 0 < decay <= 1:
        raise ValueError(f"decay expected a number in (0, 1]. Received: decay={decay!r}")
    return [float(decay ** (max(depths) - depth)) for depth in depths]
