"""Reviews as batches of token ids; without TensorFlow."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from encoder import END


class Reviews:
    """The reviews as rows of a few lengths, and the batches of a training."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        with np.load(arguments.ids) as stored:
            arrays = dict(stored)
        self.mask_id = len(arrays["begins_word"])
        steps = sorted(arguments.lengths)
        self.counts = {name: len(arrays[f"{name}_lengths"]) for name in ("held_out", "unlabelled")}
        self.parts = {
            name: padded(arrays[f"{name}_ids"], arrays[f"{name}_lengths"], steps)
            for name in ("train", "held_out", "unlabelled")
        }
        self.labels = arrays["train_labels"].astype("int32")
        self.truth = arrays["held_out_labels"]
        train, unlabelled = self.parts["train"], self.parts["unlabelled"]
        self.lengths = [length for length in train if length in unlabelled]
        tokens = np.array([len(train[length][0]) * length for length in self.lengths])
        self.shares = tokens / tokens.sum()
        # What a teacher answers for the reviews without labels; nothing, as long as none has.
        self.taught = np.zeros((self.counts["unlabelled"], 2), "float32")
        self.generator = np.random.default_rng(arguments.seed)
        self.orders: dict[Any, list[int]] = {}

    def any_length(self) -> int:
        return self.lengths[self.generator.choice(len(self.lengths), p=self.shares)]

    def batch(self, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Ids with labels, the labels, ids without, and a teacher's scores for those."""
        rows = self._next("train", length, self.arguments.labelled_tokens // length)
        others = self._next("unlabelled", length, self.arguments.unlabelled_tokens // length)
        numbers, ids = self.parts["train"][length]
        other_numbers, other_ids = self.parts["unlabelled"][length]
        taught = self.taught[other_numbers[others]]
        return ids[rows], self.labels[numbers[rows]], other_ids[others], taught

    def _next(self, part: str, length: int, size: int) -> np.ndarray:
        """The next rows of that length: each once, in a new order each time round."""
        order = self.orders.setdefault((part, length), [])
        while len(order) < size:
            order.extend(self.generator.permutation(len(self.parts[part][length][0])))
        chosen = np.array(order[:size])
        del order[:size]
        return chosen


def padded(
    ids: np.ndarray, lengths: np.ndarray, steps: list[int]
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """For each length of batches the numbers of its reviews, and their ids `(N, T)`.

    Of a longer review head and tail are kept, and the end id, as `keras_tx.text.pack` does.
    """
    ends = np.cumsum(lengths)
    groups: dict[int, tuple[list, list]] = {length: ([], []) for length in steps}
    for number, (end, size) in enumerate(zip(ends, lengths, strict=True)):
        review = np.append(ids[end - size : end].astype("int32"), END)
        if len(review) > steps[-1]:
            head = steps[-1] // 2
            review = np.concatenate([review[:head], review[head - steps[-1] :]])
        length = next(length for length in steps if len(review) <= length)
        groups[length][0].append(number)
        groups[length][1].append(np.pad(review, (0, length - len(review))))
    return {
        length: (np.array(numbers), np.stack(rows))
        for length, (numbers, rows) in groups.items()
        if numbers
    }
