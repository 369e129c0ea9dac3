"""Batches of sequences of similar length, with a bounded number of tokens each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


def bucket_lengths(lengths: Any, longest: int | None = None) -> np.ndarray:
    """Lengths rounded up to an eighth of the next power of two.

    So 1 to 8 stay, then come 10, 12, 14, 16, 20, 24, 28, 32, 40 and so on. Batches padded to
    these lengths have few different shapes, and some 5% more padding. A processor's matrix
    products are compiled for each shape when it first occurs: in a training with a new shape
    in every batch that took a third of the time.

    Args:
        lengths: integers of any shape, not negative.
        longest: no length gets longer than this, such as the model's longest sequence.
            Default `None`: no bound.

    Returns:
        Integers of the same shape.

    Example:
        >>> from keras_tx.data import bucket_lengths
        >>> bucket_lengths([0, 7, 9, 16, 17, 33]).tolist()
        [0, 7, 10, 16, 20, 40]
        >>> bucket_lengths([33], longest=36).tolist()
        [36]
    """
    lengths = np.asarray(lengths).astype("int64")  # An unsigned one would have no negative.
    _, bits = np.frexp(np.maximum(lengths - 1, 0))  # 2 ** bits is the next power of two.
    steps = np.int64(2) ** np.maximum(bits - 3, 0)
    rounded = -(-lengths // steps) * steps
    return rounded if longest is None else np.minimum(rounded, longest)


class TokenBatches:
    """A plan of batches: which examples stand together, in which order.

    Examples are sorted by length, cut into batches whose padded size
    `examples × longest` stays within `tokens_per_batch`, and the batches are shuffled.
    Who stands beside whom among equal lengths, and the order, change from epoch to
    epoch; the number of batches does not. The plan of an epoch depends only on the
    seed and the epoch, so a stopped training goes on exactly where it was.

    Args:
        lengths: `(N,)` or `(N, K)` integers, the tokens of each example (in each of
            its K parts; the longest part counts).
        tokens_per_batch: the most padded tokens in a batch. An example longer than
            that stands alone.
        shuffle: whether to shuffle. Default `True`; `False` is for evaluation.
        seed: of the shuffling. Default 0.
        batch_size: the most examples in a batch. Default: any number.

    Raises:
        ValueError: when there are no examples, or `tokens_per_batch` or `batch_size` is not
            positive.

    Example:
        >>> from keras_tx.data import TokenBatches
        >>> batches = TokenBatches([3, 9, 2, 3], tokens_per_batch=9, shuffle=False)
        >>> [rows.tolist() for rows in batches.plan(epoch=0)]
        [[2, 0, 3], [1]]

    Source: the batching of Vaswani et al. 2017, section 5.1.
    """

    def __init__(
        self,
        lengths: Any,
        tokens_per_batch: int,
        shuffle: bool = True,
        seed: int = 0,
        batch_size: int | None = None,
    ) -> None:
        lengths = np.asarray(lengths)
        self.lengths = lengths[:, None] if lengths.ndim == 1 else lengths
        if not self.lengths.size:
            raise ValueError("lengths expected at least one example. Received: none")
        for name, limit in (("tokens_per_batch", tokens_per_batch), ("batch_size", batch_size)):
            if limit is not None and limit < 1:
                raise ValueError(f"{name} expected a positive integer. Received: {name}={limit!r}")
        self.longest = np.maximum(self.lengths.max(axis=1), 1)
        self.tokens_per_batch = tokens_per_batch
        self.shuffle = shuffle
        self.seed = seed
        self.batch_size = len(self.lengths) if batch_size is None else batch_size
        # Sorting gives the same sequence of lengths each epoch, so the cuts stay.
        self._cuts = self._cut(np.sort(self.longest))

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return len(self._cuts) + 1

    def _cut(self, longest: np.ndarray) -> list[int]:
        cuts, first = [], 0
        for place, length in enumerate(longest.tolist()):
            count = place + 1 - first
            is_full = count > self.batch_size or length * count > self.tokens_per_batch
            if place > first and is_full:
                cuts.append(place)
                first = place
        return cuts

    def plan(self, epoch: int, lengths: np.ndarray | None = None) -> list[np.ndarray]:
        """The batches of an epoch, each an array of example numbers.

        Args:
            epoch: which one, from 0.
            lengths: `(N, K)`, where they are other ones in this epoch. The number of batches
                and of the examples in each stay as they are. Default: the plan's own.
        """
        lengths = self.lengths if lengths is None else lengths
        longest = lengths.max(axis=1)
        generator = np.random.default_rng([self.seed, epoch])
        ties = generator.permutation(len(longest)) if self.shuffle else longest
        # Last key first: by the longest part, then the other parts, then at random.
        order = np.lexsort((ties, *lengths.T, longest))
        batches = np.split(order, self._cuts)
        if self.shuffle:
            batches = [batches[place] for place in generator.permutation(len(batches))]
        return batches

    def stream(self, first_step: int = 0) -> Iterator[np.ndarray]:
        """All batches from `first_step` on, epoch after epoch, without end."""
        epoch, skipped = divmod(first_step, len(self))
        while True:
            yield from self.plan(epoch)[skipped:]
            epoch, skipped = epoch + 1, 0


def batch_dataset(
    batches: TokenBatches,
    assemble: Callable[[np.ndarray], Any],
    signature: Any,
    first_step: int | None = None,
) -> Any:
    """A `tf.data.Dataset` of the planned batches.

    Args:
        batches: the plan.
        assemble: makes the arrays of one batch from its example numbers.
        signature: nested `tf.TensorSpec` of what `assemble` returns.
        first_step: `None` (default) for one pass over epoch 0; a number for the endless
            stream from that step on.

    Returns:
        `tf.data.Dataset`, prefetching.

    Example:
        >>> import numpy as np, tensorflow as tf
        >>> from keras_tx.data import TokenBatches, batch_dataset
        >>> plan = TokenBatches([1, 1, 1], tokens_per_batch=2, shuffle=False)
        >>> data = batch_dataset(plan, lambda rows: rows * 10, tf.TensorSpec([None], tf.int64))
        >>> [batch.tolist() for batch in data.as_numpy_iterator()]
        [[0, 10], [20]]
    """
    import tensorflow as tf

    def generate() -> Iterator[Any]:
        rows = batches.plan(0) if first_step is None else batches.stream(first_step)
        return (assemble(numbers) for numbers in rows)

    dataset = tf.data.Dataset.from_generator(generate, output_signature=signature)
    # There is nothing to tune, and the end of each pass would wait for the tuner's next turn:
    # up to a minute (its turns come 10 ms apart at first, and then ever more seldom).
    options = tf.data.Options()
    options.autotune.enabled = False
    dataset = dataset.with_options(options)
    # Keras warns about data that ends unless it knows the number of batches.
    count = len(batches) if first_step is None else tf.data.INFINITE_CARDINALITY
    return dataset.apply(tf.data.experimental.assert_cardinality(count)).prefetch(4)
