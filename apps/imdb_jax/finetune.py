"""Third part of the recipe: the pre-trained encoder becomes a classifier, on an accelerator.

    KERAS_BACKEND=jax python apps/imdb_jax/finetune.py --ids runs/imdb/ids.npz \
        --encoder runs/imdb/encoder.npz --output runs/imdb/classifier.npz

Each step reads labelled and unlabelled reviews. The loss is the cross-entropy of the labels, also
under the shift of the token vectors that raises it most (adversarial training); the divergence
between the answers with and without the shift that changes them most (virtual adversarial
training: it needs no labels); and the entropy of the answers for unlabelled reviews.

Sources: Miyato, Dai and Goodfellow 2017, "Adversarial Training Methods for Semi-Supervised Text
Classification"; Sachan, Zaheer and Salakhutdinov 2019, "Revisiting LSTM Networks for
Semi-Supervised Text Classification via Mixed Objective Function".
"""

from __future__ import annotations

import argparse
import concurrent.futures
import functools
import json
import os
import pathlib
import time
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import keras
import numpy as np
from networks import (
    END,
    Encoder,
    Optimizer,
    class_head,
    learning_rate,
    load_arrays,
    save_weights,
    values,
)

WINDOW = 512  # Tokens that are read at once.


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ids", type=pathlib.Path, required=True)
    parser.add_argument("--encoder", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--minutes", type=float, default=1e9, help="the schedule ends by then")
    # The reviews of a batch are filled up to one of these; 1,024 are read in two windows.
    parser.add_argument("--lengths", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--num-heads", type=int, default=6)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--token-dropout", type=float, default=0.1)
    parser.add_argument("--labelled-tokens", type=int, default=16384, help="in a step")
    parser.add_argument("--unlabelled-tokens", type=int, default=32768, help="in a step")
    parser.add_argument("--shift", type=float, default=5.0, help="length of the shift of a review")
    parser.add_argument("--adversarial", type=float, default=1.0, help="weight; 0 for none")
    parser.add_argument("--virtual", type=float, default=1.0, help="weight; 0 for none")
    parser.add_argument("--entropy", type=float, default=1.0, help="weight; 0 for none")
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--warmup-steps", type=int, default=200)
    parser.add_argument("--weight-decay", type=float, default=0.01)
    parser.add_argument("--average", type=float, default=0.998, help="of the moving average")
    parser.add_argument("--steps-per-round", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


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


def main() -> None:
    arguments = options()
    keras.utils.set_random_seed(arguments.seed)
    with np.load(arguments.ids) as stored:
        reviews = dict(stored)
    mask_id = len(reviews["begins_word"])
    parts = {
        name: padded(reviews[f"{name}_ids"], reviews[f"{name}_lengths"], sorted(arguments.lengths))
        for name in ("train", "held_out", "unlabelled")
    }
    pretrained = load_arrays(arguments.encoder)
    width, dense_dim = pretrained[0].shape[1], pretrained[7].shape[-1]
    num_layers = (len(pretrained) - 3) // 12
    encoder = Encoder(
        mask_id + 1, width, dense_dim, arguments.num_heads, num_layers, arguments.dropout
    )
    head = class_head(width)
    weights = {**encoder.from_arrays(pretrained), "head": values(head.trainable_variables)}

    def logits_of(weights: Any, seeds: Any, ids: Any, shift: Any, training: bool) -> Any:
        """Scores of reviews; without new seeds: each pass of a step drops the same values."""
        rows, length = ids.shape
        mask = ids != 0
        windows = ids.reshape(-1, min(length, WINDOW))
        vectors = encoder.vectors(weights, windows)
        if shift is not None:
            vectors = vectors + shift.reshape(vectors.shape).astype(vectors.dtype)
        vectors, block_seeds = encoder(weights, seeds[0], vectors, windows != 0, training)
        vectors = vectors.reshape(rows, length, width)
        logits, head_seeds = head.stateless_call(
            weights["head"], seeds[1], [vectors, mask], training=training
        )
        return logits.astype(jnp.float32), (block_seeds, head_seeds)

    def of_length(gradient: Any, ids: Any, length: float) -> Any:
        gradient = jnp.where((ids != 0)[:, :, None], gradient, 0.0)
        norm = jnp.sqrt(jnp.sum(gradient**2, axis=(1, 2), keepdims=True))
        return length * gradient / (norm + 1e-12)

    def crossentropy(logits: Any, labels: Any) -> Any:
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1))

    def divergence(given: Any, logits: Any) -> Any:
        known, found = jax.nn.log_softmax(given), jax.nn.log_softmax(logits)
        return jnp.sum(jnp.exp(known) * (known - found), axis=1)

    def loss(weights: Any, seeds: Any, key: Any, labelled: Any, labels: Any, others: Any) -> Any:
        ids = jnp.concatenate([labelled, others])
        drop_key, shift_key = jax.random.split(key)
        dropped = jax.random.uniform(drop_key, ids.shape) < arguments.token_dropout
        ids = jnp.where(dropped & (ids != 0) & (ids != END), mask_id, ids)
        rows = labelled.shape[0]
        logits, new_seeds = logits_of(weights, seeds, ids, None, True)
        total = crossentropy(logits[:rows], labels)
        figures = {"labels": total}
        if arguments.entropy:
            known = jax.nn.log_softmax(logits[rows:])
            figures["entropy"] = -jnp.mean(jnp.sum(jnp.exp(known) * known, axis=1))
            total = total + arguments.entropy * figures["entropy"]
        if arguments.adversarial:
            shape = (*ids[:rows].shape, width)
            slope = jax.grad(
                lambda shift: crossentropy(
                    logits_of(jax.lax.stop_gradient(weights), seeds, ids[:rows], shift, True)[0],
                    labels,
                )
            )(jnp.zeros(shape))
            shift = of_length(slope, ids[:rows], arguments.shift)
            shifted, _ = logits_of(weights, seeds, ids[:rows], shift, True)
            figures["adversarial"] = crossentropy(shifted, labels)
            total = total + arguments.adversarial * figures["adversarial"]
        if arguments.virtual:
            given = jax.lax.stop_gradient(logits)
            fixed = jax.lax.stop_gradient(weights)
            noise = jax.random.normal(shift_key, (*ids.shape, width))
            # Near the point itself the divergence is flat; half of the shift shows its slope.
            slope = jax.grad(
                lambda shift: jnp.sum(
                    divergence(given, logits_of(fixed, seeds, ids, shift, True)[0])
                )
            )(of_length(noise, ids, arguments.shift / 2))
            shift = of_length(slope, ids, arguments.shift)
            shifted, _ = logits_of(weights, seeds, ids, shift, True)
            figures["virtual"] = jnp.mean(divergence(given, shifted))
            total = total + arguments.virtual * figures["virtual"]
        return total, (new_seeds, figures)

    optimizer = Optimizer(jax.tree.map(lambda w: False, weights), 0.999, arguments.weight_decay)

    @functools.partial(jax.jit, donate_argnums=0)
    def one_step(state: Any, step: Any, rate: Any, labelled: Any, labels: Any, others: Any) -> Any:
        weights, average, optimizer_state, seeds = state
        key = jax.random.fold_in(jax.random.key(3), step)
        (_, (seeds, figures)), gradients = jax.value_and_grad(loss, has_aux=True)(
            weights, seeds, key, labelled, labels, others
        )
        weights, optimizer_state = optimizer.step(weights, gradients, optimizer_state, rate)
        # At the beginning the average reaches back a tenth of what has been done.
        kept = jnp.minimum(arguments.average, 1 - 10 / (step + 10))
        average = jax.tree.map(lambda a, w: kept * a + (1 - kept) * w, average, weights)
        return (weights, average, optimizer_state, seeds), figures

    answers = jax.jit(lambda weights, seeds, ids: logits_of(weights, seeds, ids, None, False)[0])

    def evaluate(weights: Any, seeds: Any, part: str) -> np.ndarray:
        found = np.zeros((len(reviews[f"{part}_lengths"]), 2), "float32")
        for length, (numbers, rows) in parts[part].items():
            size = 262144 // length
            for start in range(0, len(rows), size):
                batch = rows[start : start + size]
                batch = np.pad(batch, ((0, size - len(batch)), (0, 0)))
                logits = np.asarray(answers(weights, seeds, batch))
                found[numbers[start : start + size]] = logits[: len(numbers[start : start + size])]
        return found

    generator = np.random.default_rng(arguments.seed)
    lengths = [length for length in parts["train"] if length in parts["unlabelled"]]
    tokens = np.array([len(parts["train"][length][0]) * length for length in lengths], "float64")
    orders: dict[Any, list] = {}

    def drawn(part: str, length: int, size: int) -> np.ndarray:
        """The next rows of that length: each once, in a new order each time round."""
        order = orders.setdefault((part, length), [])
        while len(order) < size:
            order.extend(generator.permutation(len(parts[part][length][0])))
        chosen = np.array(order[:size])
        del order[:size]
        return chosen

    seeds = (encoder.new_seeds(arguments.seed), values(head.non_trainable_variables))
    state = (weights, jax.tree.map(jnp.copy, weights), optimizer.init(weights), seeds)
    history, started = [], time.monotonic()
    labels = np.asarray(reviews["train_labels"], "int32")
    truth = np.asarray(reviews["held_out_labels"])

    def batch(length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows = drawn("train", length, arguments.labelled_tokens // length)
        numbers, ids = parts["train"][length]
        others = drawn("unlabelled", length, arguments.unlabelled_tokens // length)
        return ids[rows], labels[numbers[rows]], parts["unlabelled"][length][1][others]

    def compiled(example: Any) -> Any:
        return one_step.lower(state, jnp.int32(0), jnp.float32(0), *example).compile()

    with concurrent.futures.ThreadPoolExecutor() as pool:
        found = pool.map(compiled, [batch(length) for length in lengths])
        steps = dict(zip(lengths, found, strict=True))
    print(f"compiled in {time.monotonic() - started:.0f} seconds", flush=True)
    step, progress, figures = 0, 0.0, {}
    while progress < 1:
        jax.block_until_ready(figures)  # Of the step before: the clock must not run ahead.
        length = lengths[generator.choice(len(lengths), p=tokens / tokens.sum())]
        rate = learning_rate(arguments.learning_rate, step, arguments.warmup_steps, progress)
        state, figures = steps[length](state, jnp.int32(step), jnp.float32(rate), *batch(length))
        step += 1
        elapsed = (time.monotonic() - started) / 60
        progress = max(step / arguments.steps, elapsed / arguments.minutes)
        if step % arguments.steps_per_round == 0 or progress >= 1:
            found = evaluate(state[1], state[3], "held_out")
            chances = np.asarray(jax.nn.log_softmax(found))
            row = {
                "step": step,
                "seconds": round(time.monotonic() - started, 1),
                **{name: round(float(value), 4) for name, value in figures.items()},
                "val_loss": round(float(-chances[np.arange(len(truth)), truth].mean()), 4),
                "val_accuracy": round(float((found.argmax(axis=1) == truth).mean()), 4),
            }
            history.append(row)
            print(arguments.output.stem, json.dumps(row), flush=True)
    save_weights(arguments.output, state[1])
    for part in ("held_out", "unlabelled"):
        name = f"{arguments.output.stem}_{part}.npy"
        np.save(arguments.output.with_name(name), evaluate(state[1], state[3], part))
    arguments.output.with_suffix(".json").write_text(json.dumps(history, indent=1) + "\n")


if __name__ == "__main__":
    main()
