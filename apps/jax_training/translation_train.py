"""Second part of the recipe: translators from token ids, on an accelerator, in JAX.

    KERAS_BACKEND=jax python apps/jax_training/translation_train.py --run runs/multi30k_jax \
        --teachers 4 --reverse 4 --students 2

Data diversification (Nguyen et al. 2020): teachers of both directions translate all training
texts, and the students learn from these pairs too. Beside the words of a pair they learn the
mean probabilities of the teachers (Kim and Rush 2016; Freitag et al. 2017 for several teachers).
After each part of that its result is kept in the folder of the run; after a stop the same
command goes on behind it. `student_0.npz` has the weights of the first student, and
`student_0.json` its translations of the dev sets. Needs JAX (`pip install jax`), Keras,
sentencepiece and sacrebleu, no TensorFlow.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import keras
import numpy as np
import sacrebleu
import sentencepiece
from from_apps import one_line_errors
from pairs import Pairs, read_corpora
from translation_network import Network, Size
from translation_search import Search
from translation_training import Settings, Teachers, Training


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=pathlib.Path, required=True, help="its folder")
    parser.add_argument("--teachers", type=int, default=4, help="from English to French")
    parser.add_argument("--reverse", type=int, default=4, help="teachers from French to English")
    parser.add_argument("--cycles", type=int, default=1, help="of training teachers")
    parser.add_argument("--students", type=int, default=1, help="0 for none yet")
    parser.add_argument("--teacher-size", type=Size.parse, default="256,1024,4,3,3")
    parser.add_argument("--student-size", type=Size.parse, default="256,1024,4,3,3")
    parser.add_argument("--lengths", type=int, nargs="+", default=[16, 24, 32, 48, 72])
    parser.add_argument("--no-bias", action="store_true", help="projections without biases")
    parser.add_argument("--teacher-dropout", type=float, default=0.15)
    parser.add_argument("--student-dropout", type=float, default=0.15)
    parser.add_argument("--teacher-steps", type=int, default=2200)
    parser.add_argument("--student-steps", type=int, default=6000)
    parser.add_argument("--teacher-minutes", type=float, default=1e9, help="at most, a cycle")
    parser.add_argument("--student-minutes", type=float, default=1e9, help="at most")
    parser.add_argument("--minutes", type=float, default=1e9, help="of this call, at most")
    parser.add_argument("--tokens-per-batch", type=int, default=4096)
    parser.add_argument("--teacher-learning-rate", type=float, default=3e-3)
    parser.add_argument("--student-learning-rate", type=float, default=3e-3)
    parser.add_argument("--warmup-steps", type=int, default=300)
    parser.add_argument("--teacher-share", type=float, default=0.5, help="of a student's loss")
    parser.add_argument("--average", type=float, default=0.99, help="of the moving average")
    parser.add_argument("--weight-decay", type=float, default=0.0)
    parser.add_argument("--beam-size", type=int, default=5)
    parser.add_argument("--search-tokens", type=int, default=32768, help="in a batch of sources")
    parser.add_argument("--steps-per-round", type=int, default=500)
    parser.add_argument("--precision", default="mixed_bfloat16", help="or float32")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


class Recipe:
    """The parts of the recipe, and the pairs that grow between them."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments, self.started = arguments, time.monotonic()
        corpora = read_corpora(arguments.run / "ids.npz")
        self.dev = {name: texts for name, texts in corpora.items() if name.startswith("dev_")}
        self.train = [texts for name, texts in corpora.items() if name not in self.dev]
        self.pairs, self.validation = Pairs(arguments.lengths), Pairs(arguments.lengths)
        for english, french, times, count in self.train:
            # Of a text and its other pieces, one is read.
            self.pairs.add(english, french, times * count / len(english))
        for corpus in self.dev.values():
            self.validation.add(corpus.english, corpus.french, 1.0)
        path = str(arguments.run / "tokenizer" / "sentencepiece.model")
        self.pieces = sentencepiece.SentencePieceProcessor(model_file=path)
        self.forward = [True] * arguments.teachers + [False] * arguments.reverse
        self.networks, self.searches = {}, {}
        for kind in ("teacher", "student"):
            size, dropout = (getattr(arguments, f"{kind}_{name}") for name in ("size", "dropout"))
            network = Network(
                self.pieces.vocab_size(),
                size,
                dropout,
                not arguments.no_bias,
                arguments.precision,
            )
            self.networks[kind] = network
            self.searches[kind] = Search(
                network, arguments.lengths, arguments.search_tokens, arguments.beam_size
            )

    def trained(self, kind: str, name: str, forward: list[bool], **others: Any) -> Any:
        """The weights of new models, stacked."""
        arguments = vars(self.arguments)
        shared = ("average", "warmup_steps", "weight_decay", "seed")
        left = self.arguments.minutes - (time.monotonic() - self.started) / 60
        settings = Settings(
            steps=arguments[f"{kind}_steps"],
            # Even when all is used up there is a limit: a step, so that there are weights.
            minutes=max(min(arguments[f"{kind}_minutes"], left), 1e-6),
            learning_rate=arguments[f"{kind}_learning_rate"],
            tokens_per_batch=self.arguments.tokens_per_batch,
            steps_per_round=self.arguments.steps_per_round,
            teacher_share=self.arguments.teacher_share,
            **{name: arguments[name] for name in shared},
        )
        network = self.networks[kind]
        training = Training(network, self.pairs, self.validation, forward, settings, **others)
        return training.run(name)

    def kept(self, name: str, make: Callable[[], list[Any]]) -> list[np.ndarray]:
        """The arrays of a part: what an earlier call has made, or made now."""
        path = self.arguments.run / f"{name}.npz"
        if not path.exists():
            beside = path.with_suffix(".part.npz")
            np.savez(beside, **{f"array_{place}": array for place, array in enumerate(make())})
            beside.rename(path)
            print(f"{name}: after {time.monotonic() - self.started:.0f} seconds", flush=True)
        with np.load(path) as stored:
            return [stored[f"array_{place}"] for place in range(len(stored.files))]

    def teachers(self, cycle: int) -> Teachers | None:
        """Trained teachers, whose translations are among the pairs from now on.

        None when all of them translate from French, which teaches a student no probabilities.
        """
        name, network = f"teachers_{cycle}", self.networks["teacher"]
        arrays = self.kept(
            name, lambda: network.listed(self.trained("teacher", name, self.forward))
        )
        expected = [(len(self.forward), *variable.shape) for variable in network.variables]
        found = [array.shape for array in arrays]
        if found != expected:
            raise ValueError(f"{name}.npz expected shapes {expected}. Received: {found}")
        weights = network.grouped([jnp.asarray(array) for array in arrays])
        from_english = Teachers(network, part_of(weights, 0, self.arguments.teachers))
        if self.arguments.teachers:
            self.report(f"{name}: the first one", "teacher", part_of(weights, 0, 1))
        if self.arguments.teachers > 1:
            self.report(f"{name}: together", "teacher", from_english.weights)
        made = self.kept(f"translations_{cycle}", lambda: self.translations(weights))
        self.add_translations(made)
        return from_english if self.arguments.teachers else None

    def translations(self, weights: Any) -> list[np.ndarray]:
        """For each model and corpus the ids, and the lengths; -1 where there is no end."""
        found = []
        for number, forward in enumerate(self.forward):
            for corpus in self.train:
                texts = (corpus.english if forward else corpus.french)[: corpus.count]
                made = self.searches["teacher"](part_of(weights, number, number + 1), texts)
                lengths = [-1 if row is None else len(row) for row in made]
                rows = [np.zeros(0, "uint16"), *(row for row in made if row is not None)]
                found += [np.concatenate(rows), np.array(lengths, "int32")]
        return found

    def add_translations(self, found: list[np.ndarray]) -> None:
        parts = iter(zip(found[::2], found[1::2], strict=True))
        for forward in self.forward:
            for corpus in self.train:
                ids, lengths = next(parts)
                (ended,) = (lengths >= 0).nonzero()
                made = np.split(ids, np.cumsum(lengths[ended])[:-1]) if len(ended) else []
                texts = corpus.english if forward else corpus.french
                texts = [texts[number] for number in ended]
                both = (texts, made) if forward else (made, texts)
                self.pairs.add(*both, corpus.times)

    def report(self, name: str, kind: str, weights: Any) -> dict[str, list[str]]:
        """BLEU of the dev sets; the translations of each."""
        scores, translated = {}, {}
        for corpus, texts in self.dev.items():
            made = self.searches[kind](weights, texts.english)
            lines = [self.pieces.decode([] if row is None else row.tolist()) for row in made]
            truth = [self.pieces.decode(row.tolist()) for row in texts.french]
            scores[corpus] = round(sacrebleu.corpus_bleu(lines, [truth]).score, 2)
            translated[corpus] = lines
        seconds = round(time.monotonic() - self.started)
        print(name, json.dumps({"seconds": seconds, **scores}), flush=True)
        return translated

    def run(self) -> None:
        arguments, teachers = self.arguments, None
        for cycle in range(arguments.cycles if self.forward else 0):
            teachers = self.teachers(cycle)
        if not arguments.students:
            return
        if not arguments.teacher_share:
            teachers = None
        forward = [True] * arguments.students
        weights = self.trained("student", "students", forward, teachers=teachers)
        for number in range(arguments.students):
            student = part_of(weights, number, number + 1)
            path = arguments.run / f"student_{number}.npz"
            self.networks["student"].save(path, jax.tree.map(lambda leaf: leaf[0], student))
            lines = self.report(f"student {number}", "student", student)
            text = json.dumps(lines, ensure_ascii=False, indent=1) + "\n"
            path.with_suffix(".json").write_text(text)


def part_of(weights: Any, first: int, end: int) -> Any:
    """Some of the stacked models."""
    return jax.tree.map(lambda leaf: leaf[first:end], weights)


@one_line_errors
def main() -> None:
    arguments = options()
    keras.utils.set_random_seed(arguments.seed)
    Recipe(arguments).run()


if __name__ == "__main__":
    main()
