"""A linear classifier on binary features, weighted by naive Bayes; found without gradients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_tx.data import TokenSequences


def log_count_ratios(
    features: TokenSequences,
    belongs: Sequence[bool],
    num_features: int,
    smoothing: float = 1.0,
) -> np.ndarray:
    """How much more often a feature stands in one class than in the others, as a logarithm.

    `log(p / |p|) - log(q / |q|)`, with `p` the number of the class's examples that have the
    feature, `q` that of the other examples, each with `smoothing` added.

    Args:
        features: the features of each example, each feature once.
        belongs: whether an example is of the class.
        num_features: `N`; features go from 0 to `N - 1`.
        smoothing: pretended examples on both sides with each feature. Default 1.

    Returns:
        `(N,)`, float32.

    Raises:
        ValueError: when `smoothing` is not positive or the numbers of examples differ.

    Example:
        >>> from keras_tx.data import TokenSequences
        >>> from keras_tx.training import log_count_ratios
        >>> features = TokenSequences([([0, 1, 0, 2], [2, 2])])
        >>> log_count_ratios(features, [True, False], 3).astype(float).round(2).tolist()
        [0.0, 0.69, -0.69]

    Source: Wang and Manning 2012, "Baselines and Bigrams", section 2.
    """
    if smoothing <= 0:
        raise ValueError(f"smoothing expected a number above 0. Received: smoothing={smoothing!r}")
    belongs = _checked(features, belongs).astype(bool)
    inside = np.repeat(belongs, features.lengths)
    logarithms = []
    for chosen in (inside, ~inside):
        counts = smoothing + np.bincount(features.values[chosen], minlength=num_features)
        logarithms.append(np.log(counts) - np.log(counts.sum()))
    return (logarithms[0] - logarithms[1]).astype("float32")


def fit_linear_svm(
    features: TokenSequences,
    belongs: Sequence[bool],
    scale: np.ndarray,
    cost: float = 3.0,
    epochs: int = 100,
    seed: int = 0,
    weights: np.ndarray | None = None,
    tolerance: float = 0.1,
) -> tuple[np.ndarray, float]:
    """A linear support vector machine on scaled binary features.

    An example with the features `F` is the vector with `scale[f] / sqrt(|F|)` for each `f` in
    `F`, with one more factor for all examples that makes their mean squared length 1: so the
    same `cost` suits any scale. Minimized is

        `|w|² / 2 + b² / 2 + cost * sum(max(0, 1 - y (w·x + b))²)`

    with `y` of 1 or -1, by coordinate descent on the dual: each step solves for one example
    exactly, so that there is no learning rate. It ends when in a whole pass no example's
    margin was further than `tolerance` from what it should be: on texts, whose many features
    hardly get into each other's way, after ten passes or so.

    Args:
        features: the features of each example, each feature once.
        belongs: whether an example is of the class.
        scale: a factor for each feature, `(N,)`, such as `log_count_ratios`.
        cost: how much an error weighs against large weights. Default 3.
        epochs: the most passes over the examples. Default 100.
        seed: of the order of the examples. Default 0.
        weights: factors of the examples' costs, `(M,)` for `M` examples. Default: none.
        tolerance: see above. Default 0.1.

    Returns:
        `(v, b)`: the weights with the scale multiplied in, `(N,)`, float32, and the bias. The
        score of an example is `sum(v[f] for f in F) / sqrt(|F|) + b`.

    Raises:
        ValueError: when `cost` is not positive or the numbers of examples differ.

    Example:
        >>> import numpy as np
        >>> from keras_tx.data import TokenSequences
        >>> from keras_tx.training import fit_linear_svm
        >>> features = TokenSequences([([0, 1, 0, 2], [2, 2])])
        >>> v, b = fit_linear_svm(features, [True, False], np.ones(3))
        >>> bool(v[1] > 0.5 and v[2] < -0.5 and abs(v[0]) < 0.1)
        True

    Source: Hsieh et al. 2008, "A Dual Coordinate Descent Method for Large-scale Linear SVM".
    """
    if cost <= 0:
        raise ValueError(f"cost expected a number above 0. Received: cost={cost!r}")
    signs = np.where(_checked(features, belongs), 1.0, -1.0)
    lengths = np.maximum(features.lengths, 1)
    # Only the features that occur, side by side: the weights then stay in the cache.
    used, places = np.unique(features.values, return_inverse=True)
    values = scale[features.values] / np.sqrt(np.repeat(lengths, features.lengths))
    # If every feature had a scale of 0, any factor would do.
    factor = np.sqrt(len(features) / max(float(values @ values), 1e-30))
    values = (factor * values).astype("float32")
    places = places.astype("int32")  # Half the memory to go through in each pass.
    rows = np.split(places, features.starts[1:]), np.split(values, features.starts[1:])
    # What the squared loss adds to the dual's diagonal.
    softness = 1 / (2 * cost * (np.ones(len(features)) if weights is None else weights))
    # The bias is the weight of a feature that is 1 in all examples.
    diagonals = [float(row @ row) + 1 + soft for row, soft in zip(rows[1], softness, strict=True)]
    duals, primal, bias = np.zeros(len(features)), np.zeros(len(used)), 0.0
    generator = np.random.default_rng(seed)
    for _ in range(epochs):
        furthest = 0.0
        for number in generator.permutation(len(features)):
            row, value, sign = rows[0][number], rows[1][number], signs[number]
            margin = sign * (primal[row] @ value + bias)
            dual = duals[number]
            excess = margin - 1 + softness[number] * dual
            changed = max(dual - excess / diagonals[number], 0.0)
            if changed != dual:
                furthest = max(furthest, abs(excess))
                step = (changed - dual) * sign
                primal[row] += step * value
                bias += step
                duals[number] = changed
        if furthest < tolerance:
            break
    result = np.zeros(len(scale), "float32")
    result[used] = factor * primal * scale[used]
    return result, float(bias)


def fit_naive_bayes_svm(
    features: TokenSequences,
    labels: Sequence[int] | np.ndarray,
    num_classes: int,
    num_features: int,
    *,
    weights: np.ndarray | None = None,
    smoothing: float = 1.0,
    cost: float = 3.0,
    epochs: int = 100,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """A linear support vector machine on features scaled by their log-count ratios.

    The ratio tells at once what a feature is worth that is too rare for the machine to find
    out; the machine then corrects what the ratios count twice.

    Args:
        features: the features of each example, each feature once.
        labels: the classes of the examples, `(M,)`; or, where an example may have several, ones
            among zeros, `(M, C)`.
        num_classes: `C`. With two classes that exclude each other there is one machine, for
            the second one; otherwise one for each class against the others.
        num_features: `N`; features go from 0 to `N - 1`.
        weights: factors of the examples' costs, of the labels' shape. Default: none.
        smoothing: see `log_count_ratios`. Default 1.
        cost, epochs, seed: see `fit_linear_svm`. Default 3, 100 and 0.

    Returns:
        Weights `(N, C)` and biases `(C,)`, float32; `(N, 1)` and `(1,)` for one machine.

    Raises:
        ValueError: for numbers that are not positive or numbers of examples that differ.

    Example:
        >>> from keras_tx.data import TokenSequences
        >>> from keras_tx.training import fit_naive_bayes_svm
        >>> features = TokenSequences([([0, 1, 0, 2], [2, 2])])
        >>> weights, biases = fit_naive_bayes_svm(features, [1, 0], 2, 3)
        >>> weights.shape, biases.shape, bool(weights[1, 0] > 0.5)
        ((3, 1), (1,), True)

    Source: Wang and Manning 2012, "Baselines and Bigrams".
    """
    labels = np.asarray(labels)
    several = labels.ndim == 2
    tables, biases = [], []
    for number in range(num_classes) if several or num_classes > 2 else [1]:
        belongs = labels[:, number] == 1 if several else labels == number
        costs = weights if weights is None or not several else weights[:, number]
        ratios = log_count_ratios(features, belongs, num_features, smoothing)
        table, bias = fit_linear_svm(features, belongs, ratios, cost, epochs, seed, costs)
        tables.append(table)
        biases.append(bias)
    return np.stack(tables, axis=1), np.asarray(biases, "float32")


def _checked(features: TokenSequences, belongs: Sequence[bool]) -> np.ndarray:
    if len(belongs) != len(features) or not len(features):
        raise ValueError(
            "labels expected one for each of one or more examples. "
            f"Received: {len(belongs)} labels, {len(features)} examples"
        )
    return np.asarray(belongs)
