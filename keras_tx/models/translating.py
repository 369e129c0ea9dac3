"""What a translator does with lists of strings."""

from __future__ import annotations

import dataclasses
import numbers
import threading
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_tx.data import TokenBatches
from keras_tx.models.compilation_choice import CompilationChoice
from keras_tx.models.compiled_search import search_bucket
from keras_tx.models.decoding_options import DecodingOptions
from keras_tx.models.text_tensors import as_strings, check_paired
from keras_tx.models.translation_functions import TranslationFunctions
from keras_tx.models.workers import run_batches, share_of
from keras_tx.serving.joined_hypotheses import join_hypotheses
from keras_tx.serving.results import Alignment, Hypothesis, TranslationScore
from keras_tx.text import SplitText, Tokenizer, encoded_texts, split_texts

# Longer pieces are split into sentences: models learn from sentences and short texts.
SPLIT_TOKENS = 80
MAKING_GRAPHS = threading.Lock()


class TranslationMethods:
    """The methods of `Translator` that take lists of strings; not used by itself.

    They sort and batch the texts, call the compiled graph functions of
    `TranslationFunctions`, and put the results into the order of the texts.
    """

    tokenizer: Tokenizer
    sequence_length: int
    decoding: DecodingOptions

    def translate(
        self,
        texts: Sequence[str],
        *,
        batch_size: int = 64,
        tokens_per_batch: int = 2048,
        prefixes: Sequence[str] | None = None,
        seed: int = 0,
        **decoding: Any,
    ) -> list[str]:
        """Translate texts.

        A text with several lines, or longer than the model takes, is translated line by
        line and sentence by sentence, and put together again: line breaks and empty lines
        stay. What is translated together has similar length.

        Args:
            texts: any number of texts; an empty one gives an empty translation.
            batch_size: the most sentences translated at once. Default 64.
            tokens_per_batch: the most padded source tokens at once. Default 2048.
            prefixes: what each translation begins with; one for each text. Texts are not
                split then. Default: nothing.
            seed: of the draws when sampling: text and seed decide the result. Default 0.
            **decoding: changes to this model's `DecodingOptions`, such as `beam_size`,
                `length_penalty`, `temperature`.

        Returns:
            One translation a text, in order.

        Raises:
            TypeError: when `texts` is not a list of `str`.
            ValueError: for an option that does not fit, or prefixes of another number.
        """
        decoding = self._decoding(decoding)
        encoded_texts(texts)
        if prefixes is not None:
            check_paired("prefixes", prefixes, texts)
            pieces, splits = list(texts), None
        else:
            splits = self._split(texts)
            pieces = [piece for split in splits for piece in split.pieces]
        translations = [""] * len(pieces)

        def search(rows: np.ndarray) -> dict[str, np.ndarray]:
            inputs = {}
            if prefixes is not None:
                inputs["prefix"] = as_strings(prefixes, rows)
            if decoding.temperature is not None:
                inputs["uniforms"] = self._draws([pieces[row] for row in rows], seed)
            return self._search("strings", decoding, pieces, rows, **inputs)

        batches = self._batched(pieces, batch_size, tokens_per_batch)
        for rows, found in run_batches(search, batches):
            for row, translation in zip(rows, found["translation"], strict=True):
                translations[row] = translation.decode("utf-8", errors="replace")
        if splits is None:
            return translations
        rest = iter(translations)
        return [split.join([next(rest) for _ in split.pieces]) for split in splits]

    def translate_n_best(
        self,
        texts: Sequence[str],
        n_best: int,
        *,
        batch_size: int = 64,
        tokens_per_batch: int = 2048,
        **decoding: Any,
    ) -> list[list[Hypothesis]]:
        """The `n_best` best translations of each text, the best first.

        Texts are split as by `translate`. The hypotheses of one in several pieces are the best
        combinations of its pieces' hypotheses; their scores are the sums.

        Args:
            texts: any number of texts.
            n_best: how many. The beam is at least as large.
            batch_size, tokens_per_batch, **decoding: as for `translate`.

        Returns:
            For each text a list of `Hypothesis`; fewer where the beam has found fewer, one
            empty one for a text of no tokens.

        Raises:
            TypeError, ValueError: as `translate`.
        """
        if n_best < 1:
            raise ValueError(f"n_best expected a positive integer. Received: n_best={n_best!r}")
        options = self._decoding(decoding)
        options = dataclasses.replace(options, beam_size=max(options.beam_size, n_best))
        if options.temperature is not None and options.beam_size == 1:
            raise ValueError(
                "translate_n_best expected a search, which is without temperature. Received: "
                f"temperature={options.temperature!r} with a beam of 1"
            )
        encoded_texts(texts)
        splits = self._split(texts)
        pieces = [piece for split in splits for piece in split.pieces]
        results: list[list[Hypothesis]] = [[] for _ in pieces]

        def search(rows: np.ndarray) -> dict[str, np.ndarray]:
            return self._search("n_best", options, pieces, rows, n_best)

        batches = self._batched(pieces, batch_size, tokens_per_batch)
        for rows, found in run_batches(search, batches):
            for place, row in enumerate(rows):
                outputs = {name: value[place] for name, value in found.items()}
                results[row] = Hypothesis.all_from_row(outputs)
        rest = iter(results)
        return [
            join_hypotheses(split, [next(rest) for _ in split.pieces], n_best) for split in splits
        ]

    def score(
        self, texts: Sequence[str], translations: Sequence[str], *, batch_size: int = 64
    ) -> list[TranslationScore]:
        """The log-probabilities of given translations.

        Args:
            texts: sources.
            translations: one for each.
            batch_size: how many at once. Default 64.

        Returns:
            One `TranslationScore` a pair; tokens and their log-probabilities end with the end.

        Raises:
            TypeError, ValueError: when these are no two lists of `str` of the same length.
        """
        return self._paired("score", texts, translations, batch_size, TranslationScore.from_row)

    def align(
        self,
        texts: Sequence[str],
        translations: Sequence[str] | None = None,
        *,
        batch_size: int = 64,
    ) -> list[Alignment]:
        """How much each token of a translation looks at each token of its source.

        Args:
            texts: sources.
            translations: one for each. Default: this model's own.
            batch_size: how many at once. Default 64.

        Returns:
            One `Alignment` a pair.

        Raises:
            TypeError, ValueError: when these are no two lists of `str` of the same length.
        """
        if translations is None:
            translations = self.translate(texts)
        return self._paired("align", texts, translations, batch_size, Alignment.from_row)

    def _paired(
        self, kind: str, texts: Any, translations: Any, batch_size: int, from_row: Callable
    ) -> list[Any]:
        encoded_texts(texts)
        check_paired("translations", translations, texts)
        results: list[Any] = [None] * len(texts)
        both = [f"{text} {other}" for text, other in zip(texts, translations, strict=True)]

        def run(rows: np.ndarray) -> dict[str, np.ndarray]:
            inputs = {"text": texts, "translation": translations}
            inputs = {name: as_strings(values, rows) for name, values in inputs.items()}
            return self._run(kind, self.decoding, **inputs)

        batches = self._batched(both, batch_size, tokens_per_batch=8192)
        for rows, outputs in run_batches(run, batches):
            for place, row in enumerate(rows):
                results[row] = from_row({name: value[place] for name, value in outputs.items()})
        return results

    def _split(self, texts: Sequence[str]) -> list[SplitText]:
        limit = min(SPLIT_TOKENS, self.sequence_length - 1)
        # A token of printable ASCII is a character at least, but for one that may stand in front.
        # Tokenizing only to know that took a twentieth of the time of a single sentence.
        short = all(len(text) < limit and text.isascii() and text.isprintable() for text in texts)
        return split_texts(texts, limit, None if short else self.tokenizer.lengths)

    def _decoding(self, changes: dict[str, Any]) -> DecodingOptions:
        """The model's options with changes; `None` stands for no change."""
        known = {field.name for field in dataclasses.fields(DecodingOptions)}
        for name in changes:
            if name not in known:
                raise TypeError(
                    f"expected decoding options among {', '.join(sorted(known))}. Received: {name}"
                )
        wanted = {name: value for name, value in changes.items() if value is not None}
        if wanted.get("temperature") is not None:
            wanted.setdefault("beam_size", 1)
        return dataclasses.replace(self.decoding, **wanted)

    def _search(
        self,
        kind: str,
        decoding: DecodingOptions,
        pieces: Sequence[str],
        rows: np.ndarray,
        *fixed: Any,
        **inputs: tf.Tensor,
    ) -> dict[str, np.ndarray]:
        """Run a search for some of the pieces, compiled or not as the options say."""
        texts = as_strings(pieces, rows)

        def run(jit_compile: bool) -> dict[str, np.ndarray]:
            options = dataclasses.replace(decoding, jit_compile=jit_compile)
            return self._run(kind, options, *fixed, text=texts, **inputs)

        if isinstance(decoding.jit_compile, bool):
            return run(decoding.jit_compile)
        choice = self.__dict__.setdefault("_compilation", CompilationChoice())
        longest = int(self.tokenizer.lengths([pieces[row] for row in rows]).max()) + 1  # The end.
        sizes = search_bucket(len(rows), min(longest, self.sequence_length), self.sequence_length)
        bucket = (sizes, kind, decoding, fixed, tuple(inputs))
        return choice.run(bucket, lambda: run(False), lambda: run(True))

    def _run(
        self, kind: str, decoding: DecodingOptions, *fixed: Any, **inputs: tf.Tensor
    ) -> dict[str, np.ndarray]:
        """Run a graph function, compiled once for each kind, options and set of inputs."""
        graphs = self.__dict__.setdefault("_graphs", {})
        key = (kind, decoding, fixed, tuple(inputs))
        with MAKING_GRAPHS:
            if key not in graphs:
                graphs[key] = self._new_graph(kind, decoding, fixed, inputs)
        return {name: value.numpy() for name, value in graphs[key](*inputs.values()).items()}

    def _new_graph(
        self, kind: str, decoding: DecodingOptions, fixed: tuple, inputs: dict[str, tf.Tensor]
    ) -> Callable:
        method = getattr(TranslationFunctions(self, decoding), kind)

        def function(text: tf.Tensor, *others: tf.Tensor) -> dict[str, tf.Tensor]:
            return method(text, *fixed, **dict(zip(list(inputs)[1:], others, strict=True)))

        # Of unknown sizes: one graph for all, in which the caches can grow.
        specification = [
            tf.TensorSpec([None] * len(value.shape), value.dtype, name)
            for name, value in inputs.items()
        ]
        graph = tf.function(function, input_signature=specification, autograph=False)
        return graph.get_concrete_function()

    def _batched(
        self, texts: Sequence[str], batch_size: int, tokens_per_batch: int
    ) -> list[np.ndarray]:
        """The numbers of the texts in each batch: texts of similar length together."""
        if batch_size < 1:
            raise ValueError(
                f"batch_size expected a positive integer. Received: batch_size={batch_size!r}"
            )
        if len(texts) < 2:  # Nothing to sort: not worth counting tokens.
            return [np.arange(1)] * len(texts)
        lengths = np.minimum(self.tokenizer.lengths(texts), self.sequence_length)
        batch_size = share_of(len(texts), batch_size)
        return TokenBatches(lengths, tokens_per_batch, False, batch_size=batch_size).plan(0)

    def _draws(self, texts: Sequence[str], seed: int) -> tf.Tensor:
        # Of the text, not of its place: what else is translated changes nothing.
        if not isinstance(seed, numbers.Integral) or seed < 0:
            raise ValueError(f"seed expected an integer from 0 on. Received: seed={seed!r}")
        checksums = [zlib.crc32(text) for text in encoded_texts(texts)]
        draws = [
            np.random.default_rng([seed, number]).random(self.sequence_length, dtype="float32")
            for number in checksums
        ]
        return tf.constant(np.stack(draws))
