"""The graph functions of a translator: the whole way from strings to strings."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_tx.decoding import (
    BeamHypotheses,
    ForcedPrefix,
    LengthPenalty,
    MinimumLength,
    NoRepeatedNGrams,
    SuppressTokens,
    beam_search,
    greedy_search,
    sampling_search,
)
from keras_tx.decoding.token_loop import longest_row
from keras_tx.models.compiled_search import CompiledSearch
from keras_tx.models.computing_precision import has_rounded_weights
from keras_tx.models.decoding_options import DecodingOptions
from keras_tx.models.ensemble_steps import steps_of
from keras_tx.models.length_groups import search_in_groups
from keras_tx.models.translation_texts import TranslationTexts

if TYPE_CHECKING:
    from keras_tx.models.translator import Translator

Outputs = dict[str, tf.Tensor]


class TranslationFunctions:
    """Encoder, decoder step and search of a translator, put together for one set of options.

    Args:
        translator: whose network and tokenizers to use.
        options: how to search.

    Example:
        >>> import tensorflow as tf
        >>> from keras_tx.models import DecodingOptions, TranslationFunctions, Translator
        >>> from keras_tx.text import WordTokenizer
        >>> translator = Translator.from_preset("tiny", WordTokenizer().fit(["a dog"]))
        >>> functions = TranslationFunctions(translator, DecodingOptions(beam_size=2))
        >>> functions.n_best(tf.constant(["", "dog"]), 2)["translations"].shape
        TensorShape([2, 2])
    """

    def __init__(self, translator: Translator, options: DecodingOptions) -> None:
        self.translator = translator
        self.network = translator.network
        if options.jit_compile == "auto":  # There is nothing to choose by here.
            options = dataclasses.replace(options, jit_compile=False)
        self.options = options
        self.texts = TranslationTexts(translator, options.lower_capitals)
        self.source_tokenizer = self.texts.source_tokenizer
        self.target_tokenizer = self.texts.target_tokenizer
        self._compiled: dict[tuple, CompiledSearch] = {}
        # oneDNN compiles its kernels for each number of rows. Fewer numbers cost rows that have
        # ended and stay; in bfloat16, where all products are its, they pay more.
        self._rows_multiple = 8 if has_rounded_weights(self.network) else 4
        self.steps = steps_of(
            self.network, self.source_tokenizer.padding_id, compiled=options.jit_compile
        )

    # Strings in, strings out.

    def translate(
        self, text: tf.Tensor, prefix: tf.Tensor | None = None, uniforms: tf.Tensor | None = None
    ) -> Outputs:
        """`text` `(B,)` -> `translation` `(B,)` and `score` `(B,)`, its log-probability.

        `truncated` `(B,)` says where the text was longer than the model reads: then the
        translation is that of its beginning.
        `prefix` `(B,)` is what each translation begins with; `uniforms` `(B, L)` decide the
        draws when the options ask for sampling.
        """
        found, truncated, capitals = self._search(text, 1, prefix, uniforms)
        return {
            "translation": self.texts.written(found.ids[:, 0], capitals),
            "score": found.log_probabilities[:, 0],
            "truncated": truncated,
        }

    def strings(
        self, text: tf.Tensor, prefix: tf.Tensor | None = None, uniforms: tf.Tensor | None = None
    ) -> Outputs:
        """The `translation` of `translate` alone: greedy search is faster without the scores."""
        found, _, capitals = self._search(text, 1, prefix, uniforms, with_scores=False)
        return {"translation": self.texts.written(found.ids[:, 0], capitals)}

    def n_best(self, text: tf.Tensor, count: int, prefix: tf.Tensor | None = None) -> Outputs:
        """`text` `(B,)` -> the `count` best translations of each, the best first.

        `translations` `(B, count)`, `scores` (by which they are ranked) and
        `log_probabilities`. Where there are fewer, the rest is empty with a score of -1e9.
        `truncated` `(B,)` as in `translate`.
        """
        found, truncated, capitals = self._search(text, count, prefix)
        shape = tf.shape(found.ids)
        # No -1: it stands for nothing where a size is 0, for there are no texts or no tokens.
        ids = tf.reshape(found.ids, [shape[0] * shape[1], shape[2]])
        strings = self.texts.written(ids, tf.repeat(capitals, shape[1]))
        return {
            "translations": tf.reshape(strings, [shape[0], count]),
            "scores": found.scores,
            "log_probabilities": found.log_probabilities,
            "truncated": truncated,
        }

    def score(self, text: tf.Tensor, translation: tf.Tensor) -> Outputs:
        """The log-probability of given translations, and of each of their tokens.

        `text`, `translation` `(B,)` -> `score` `(B,)`, `token_scores` `(B, Tt)`, `tokens`
        `(B, Tt)` with the end as last one, `lengths` `(B,)`; padded with 0 and "". `truncated`
        `(B,)` says where a text or its translation was longer than the model reads.
        """
        (source_ids, _, source_cut), capitals = self.texts.source(text)
        target_ids, lengths, target_cut = self.texts.target(translation, capitals)
        logits = tf.cast(self.network([source_ids, target_ids[:, :-1]]), tf.float32)
        labels = target_ids[:, 1:]
        token_scores = -tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        real = tf.sequence_mask(lengths - 1, tf.shape(labels)[1])
        token_scores = tf.where(real, token_scores, 0.0)
        return {
            "score": tf.reduce_sum(token_scores, axis=1),
            "token_scores": token_scores,
            "tokens": self.texts.tokens(self.target_tokenizer, labels, real),
            "lengths": lengths - 1,
            "truncated": source_cut | target_cut,
        }

    def align(self, text: tf.Tensor, translation: tf.Tensor) -> Outputs:
        """How much each token of a translation looks at each token of its source.

        `text`, `translation` `(B,)` -> `alignment` `(B, Tt, Ts)`, rows of which sum to 1,
        `source_tokens` `(B, Ts)`, `target_tokens` `(B, Tt)`, `source_lengths`,
        `target_lengths` `(B,)`; padded with 0 and "", and `truncated` as in `score`. The
        weights are the mean over the heads of the last decoder block but one, at the step that
        writes the target token (Garg et al. 2019, "Jointly Learning to Align and Translate with
        Transformer Models", section 4.1).
        """
        (source_ids, source_lengths, source_cut), capitals = self.texts.source(text)
        target_ids, target_lengths, target_cut = self.texts.target(translation, capitals)
        weights = self.steps.attention(source_ids, target_ids[:, :-1])
        weights = weights[:, :-1, :-1]  # Without those of the ends.
        source_lengths, target_lengths = source_lengths - 1, target_lengths - 2
        real_source = tf.sequence_mask(source_lengths, tf.shape(weights)[2])
        real_target = tf.sequence_mask(target_lengths, tf.shape(weights)[1])
        weights = tf.where(real_target[:, :, None] & real_source[:, None], weights, 0.0)
        tokens = self.texts.tokens
        return {
            "alignment": tf.math.divide_no_nan(
                weights, tf.reduce_sum(weights, axis=2, keepdims=True)
            ),
            "source_tokens": tokens(self.source_tokenizer, source_ids[:, :-1], real_source),
            "target_tokens": tokens(self.target_tokenizer, target_ids[:, 1:-1], real_target),
            "source_lengths": source_lengths,
            "target_lengths": target_lengths,
            "truncated": source_cut | target_cut,
        }

    # From ids to ids.

    def _max_lengths(self, lengths: tf.Tensor, prefix_lengths: Any = 0) -> tf.Tensor:
        """The bound of each translation, which is its source's and its prefix's own: what else
        is in the batch changes nothing. A text of no tokens gets none."""
        options, most = self.options, self.translator.sequence_length
        ratio = options.max_length_ratio * tf.cast(lengths, tf.float32)
        ratio = tf.cast(tf.minimum(ratio, float(most)), tf.int32)  # It may be infinite.
        bound = ratio + min(options.max_length_offset, most) + prefix_lengths
        bound = tf.minimum(bound, min(options.max_length or most, most))
        return tf.where(lengths > 1, bound, 0)

    def _constraints(self, prefix_ids: Any, prefix_lengths: Any) -> list[Callable]:
        options, tokenizer = self.options, self.target_tokenizer
        # No sentence holds padding or a start; an unknown word says nothing to a reader.
        never = [tokenizer.padding_id, tokenizer.start_id]
        if options.suppress_unknown:
            never.append(tokenizer.unknown_id)
        constraints = [SuppressTokens(never)]
        if options.min_length:
            constraints.append(MinimumLength(tokenizer.end_id, options.min_length))
        if options.no_repeat_ngram_size:
            constraints.append(NoRepeatedNGrams(options.no_repeat_ngram_size))
        if prefix_ids is None:
            return constraints
        return [ForcedPrefix(prefix_ids, prefix_lengths, otherwise=constraints)]

    def _search(
        self,
        text: tf.Tensor,
        count: int,
        prefix: tf.Tensor | None = None,
        uniforms: tf.Tensor | None = None,
        with_scores: bool = True,
    ) -> tuple[BeamHypotheses, tf.Tensor, tf.Tensor]:
        """What is found, where a text was cut, and where it was in capitals."""
        options = self.options
        (source_ids, lengths, truncated), capitals = self.texts.source(text)
        inputs = {"source_ids": source_ids}
        prefix_lengths: Any = 0
        if prefix is not None:
            ids, prefix_lengths = self.texts.prefix(prefix, capitals)
            inputs |= {"prefix_ids": ids, "prefix_lengths": prefix_lengths}
        inputs["max_lengths"] = self._max_lengths(lengths, prefix_lengths)
        if options.temperature is not None and options.beam_size == 1:
            if uniforms is None:
                raise ValueError(
                    "temperature expected uniforms, which decide the draws. Received: "
                    f"temperature={options.temperature!r} without them"
                )
            inputs["uniforms"] = uniforms
        if not options.jit_compile:
            search = functools.partial(self._search_ids, count, with_scores=with_scores)
            return search_in_groups(search, inputs, lengths, count), truncated, capitals
        key = (count, *inputs)
        if key not in self._compiled:
            search = functools.partial(self._search_ids, count)
            self._compiled[key] = CompiledSearch(search, self.translator.sequence_length)
        return self._compiled[key](inputs), truncated, capitals

    def _search_ids(
        self,
        count: int,
        source_ids: tf.Tensor,
        max_lengths: tf.Tensor,
        prefix_ids: tf.Tensor | None = None,
        prefix_lengths: tf.Tensor | None = None,
        uniforms: tf.Tensor | None = None,
        with_scores: bool = True,
    ) -> BeamHypotheses:
        options, tokenizer, steps = self.options, self.target_tokenizer, self.steps
        encoded, source_mask = steps.encode(source_ids)
        longest = tf.maximum(longest_row(max_lengths), 1)
        if options.jit_compile:  # The bound must follow from the shapes.
            forced = 0 if prefix_ids is None else tf.shape(prefix_ids)[1]
            longest = tf.maximum(self._max_lengths(tf.shape(source_ids)[1], forced), 1)
        with_attention = options.coverage_penalty > 0 and options.beam_size > 1  # To be ranked.
        arguments = {
            "step": steps.decoder_step(
                longest, options.beam_size, with_attention, tf.shape(source_ids)[0]
            ),
            "state": steps.start_state(encoded, source_mask, longest, options.beam_size),
            "start_ids": tf.fill(tf.shape(max_lengths), tokenizer.start_id),
            "end_id": tokenizer.end_id,
            "max_lengths": max_lengths,
            "padding_id": tokenizer.padding_id,
            "constraints": self._constraints(prefix_ids, prefix_lengths),
            "shrink": 0 if options.jit_compile else self._rows_multiple,
            "longest": longest if options.jit_compile else None,
        }
        penalty = LengthPenalty(options.length_penalty, options.length_penalty_kind)
        if options.beam_size > 1:
            return beam_search(
                **arguments,
                beam_size=options.beam_size,
                num_hypotheses=count,
                length_penalty=penalty,
                coverage_penalty=options.coverage_penalty,
                source_mask=source_mask,
                stop=options.stop,
            )
        if uniforms is None:
            found = greedy_search(**arguments, with_scores=with_scores)
        else:
            names = ("temperature", "top_k", "top_p")
            sampling = {name: getattr(options, name) for name in names}
            found = sampling_search(**arguments, uniforms=uniforms, **sampling)
        scores = tf.math.divide_no_nan(found.scores, penalty(found.lengths))
        return BeamHypotheses(*(part[:, None] for part in (*found[:2], scores, found.scores)))
