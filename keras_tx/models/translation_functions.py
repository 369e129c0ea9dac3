"""The graph functions of a translator: the whole way from strings to strings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import keras
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
from keras_tx.models.decoding_options import DecodingOptions
from keras_tx.text import pack

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
        self.options = options
        self.source_tokenizer = translator.tokenizer
        self.target_tokenizer = translator.target_tokenizer or translator.tokenizer
        shared = translator.target_vocabulary_size is None
        self.source_embedding = self._layer("embedding" if shared else "source_embedding")
        self.target_embedding = self._layer("embedding" if shared else "target_embedding")
        self.encoder_blocks = list(self._numbered("encoder"))
        self.decoder_blocks = list(self._numbered("decoder"))

    def _layer(self, name: str) -> Any:
        return self.network.get_layer(name)

    def _numbered(self, name: str) -> Iterator[keras.layers.Layer]:
        names = {layer.name for layer in self.network.layers}
        number = 0
        while f"{name}_{number}" in names:
            yield self._layer(f"{name}_{number}")
            number += 1

    def _normalized(self, stack: str, x: tf.Tensor) -> tf.Tensor:
        """What comes out of a stack: pre-norm ones end with a normalization."""
        names = {layer.name for layer in self.network.layers}
        return self._layer(f"{stack}_norm")(x) if f"{stack}_norm" in names else x

    # Strings in, strings out.

    def translate(
        self, text: tf.Tensor, prefix: tf.Tensor | None = None, uniforms: tf.Tensor | None = None
    ) -> Outputs:
        """`text` `(B,)` -> `translation` `(B,)` and `score` `(B,)`, its log-probability.

        `prefix` `(B,)` is what each translation begins with; `uniforms` `(B, L)` decide the
        draws when the options ask for sampling.
        """
        found = self._search(text, 1, prefix, uniforms)
        return {
            "translation": self.target_tokenizer.detokenize(found.ids[:, 0]),
            "score": found.log_probabilities[:, 0],
        }

    def n_best(self, text: tf.Tensor, count: int, prefix: tf.Tensor | None = None) -> Outputs:
        """`text` `(B,)` -> the `count` best translations of each, the best first.

        `translations` `(B, count)`, `scores` (by which they are ranked) and
        `log_probabilities`. Where there are fewer, the rest is empty with a score of -1e9.
        """
        found = self._search(text, count, prefix)
        shape = tf.shape(found.ids)
        # No -1: it stands for nothing where a size is 0, for there are no texts or no tokens.
        ids = tf.reshape(found.ids, [shape[0] * shape[1], shape[2]])
        strings = self.target_tokenizer.detokenize(ids)
        return {
            "translations": tf.reshape(strings, [shape[0], count]),
            "scores": found.scores,
            "log_probabilities": found.log_probabilities,
        }

    def score(self, text: tf.Tensor, translation: tf.Tensor) -> Outputs:
        """The log-probability of given translations, and of each of their tokens.

        `text`, `translation` `(B,)` -> `score` `(B,)`, `token_scores` `(B, Tt)`, `tokens`
        `(B, Tt)` with the end as last one, `lengths` `(B,)`; padded with 0 and "".
        """
        source_ids, _ = self._pack_source(text)
        target_ids, lengths = self._pack_target(translation)
        logits = self.network([source_ids, target_ids[:, :-1]])
        labels = target_ids[:, 1:]
        token_scores = -tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        real = tf.sequence_mask(lengths - 1, tf.shape(labels)[1])
        token_scores = tf.where(real, token_scores, 0.0)
        return {
            "score": tf.reduce_sum(token_scores, axis=1),
            "token_scores": token_scores,
            "tokens": self._strings(self.target_tokenizer, labels, real),
            "lengths": lengths - 1,
        }

    def align(self, text: tf.Tensor, translation: tf.Tensor) -> Outputs:
        """How much each token of a translation looks at each token of its source.

        `text`, `translation` `(B,)` -> `alignment` `(B, Tt, Ts)`, rows of which sum to 1,
        `source_tokens` `(B, Ts)`, `target_tokens` `(B, Tt)`, `source_lengths`,
        `target_lengths` `(B,)`; padded with 0 and "". The weights are the mean over the
        heads of the last decoder block but one, at the step that writes the target token
        (Garg et al. 2019, "Jointly Learning to Align and Translate with Transformer Models",
        section 4.1).
        """
        source_ids, source_lengths = self._pack_source(text)
        target_ids, target_lengths = self._pack_target(translation)
        encoded, source_mask = self._encode(source_ids)
        x = self.target_embedding(target_ids[:, :-1])
        for block in self.decoder_blocks[: max(len(self.decoder_blocks) - 1, 1)]:
            x, weights = block(x, encoded, source_mask=source_mask, return_attention_scores=True)
        weights = tf.reduce_mean(weights, axis=1)[:, :-1, :-1]  # Without those of the ends.
        source_lengths, target_lengths = source_lengths - 1, target_lengths - 2
        real_source = tf.sequence_mask(source_lengths, tf.shape(weights)[2])
        real_target = tf.sequence_mask(target_lengths, tf.shape(weights)[1])
        weights = tf.where(real_target[:, :, None] & real_source[:, None], weights, 0.0)
        return {
            "alignment": tf.math.divide_no_nan(
                weights, tf.reduce_sum(weights, axis=2, keepdims=True)
            ),
            "source_tokens": self._strings(self.source_tokenizer, source_ids[:, :-1], real_source),
            "target_tokens": self._strings(self.target_tokenizer, target_ids[:, 1:-1], real_target),
            "source_lengths": source_lengths,
            "target_lengths": target_lengths,
        }

    # From strings to ids.

    def _pack_source(self, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        tokenizer = self.source_tokenizer
        tokens = tokenizer.tokenize(text)
        return pack(tokens, self.translator.sequence_length, end_id=tokenizer.end_id)

    def _pack_target(self, translation: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        tokenizer = self.target_tokenizer
        return pack(
            tokenizer.tokenize(translation),
            self.translator.sequence_length + 1,
            start_id=tokenizer.start_id,
            end_id=tokenizer.end_id,
        )

    def _strings(self, tokenizer: Any, ids: tf.Tensor, real: tf.Tensor) -> tf.Tensor:
        return tf.where(real, tf.gather(tf.constant(tokenizer.vocabulary), ids), "")

    # From ids to ids.

    def _encode(self, source_ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        mask = source_ids != self.source_tokenizer.padding_id
        x = self.source_embedding(source_ids)
        for block in self.encoder_blocks:
            x = block(x, source_mask=mask)
        return self._normalized("encoder", x), mask

    def _max_lengths(self, lengths: tf.Tensor) -> tf.Tensor:
        """The bound of each translation, which is its source's own: what else is in the
        batch changes nothing. A text of no tokens gets none."""
        options, most = self.options, self.translator.sequence_length
        ratio = tf.cast(options.max_length_ratio * tf.cast(lengths, tf.float32), tf.int32)
        bound = tf.minimum(ratio + options.max_length_offset, min(options.max_length or most, most))
        return tf.where(lengths > 1, bound, 0)

    def _constraints(self, prefix: tf.Tensor | None) -> list[Callable]:
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
        if prefix is None:
            return constraints
        ids, lengths = pack(tokenizer.tokenize(prefix), self.translator.sequence_length)
        return [ForcedPrefix(ids, lengths, otherwise=constraints)]

    def _search(
        self,
        text: tf.Tensor,
        count: int,
        prefix: tf.Tensor | None = None,
        uniforms: tf.Tensor | None = None,
    ) -> BeamHypotheses:
        options, tokenizer = self.options, self.target_tokenizer
        source_ids, lengths = self._pack_source(text)
        encoded, source_mask = self._encode(source_ids)
        max_lengths = self._max_lengths(lengths)
        arguments = {
            "step": self._decoder_step(tf.reduce_max(max_lengths, keepdims=True)),
            "state": self._start_state(encoded, source_mask),
            "start_ids": tf.fill(tf.shape(lengths), tokenizer.start_id),
            "end_id": tokenizer.end_id,
            "max_lengths": max_lengths,
            "padding_id": tokenizer.padding_id,
            "constraints": self._constraints(prefix),
            "shrink": True,
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
        if options.temperature is not None:
            if uniforms is None:
                raise ValueError(
                    "temperature expected uniforms, which decide the draws. Received: "
                    f"temperature={options.temperature!r} without them"
                )
            sampling = (options.temperature, options.top_k, options.top_p)
            found = sampling_search(**arguments, uniforms=uniforms, **_named(sampling))
        else:
            found = greedy_search(**arguments)
        scores = tf.math.divide_no_nan(found.scores, penalty(found.lengths))
        return BeamHypotheses(*(part[:, None] for part in (*found[:2], scores, found.scores)))

    def _start_state(self, encoded: tf.Tensor, source_mask: tf.Tensor) -> dict[str, Any]:
        batch_size = tf.shape(encoded)[0]
        # A length that the graph does not know to be zero: it changes from step to step.
        nothing = 0 * batch_size
        caches = [block.start_cache(batch_size, nothing, encoded) for block in self.decoder_blocks]
        return {"caches": caches, "source_mask": source_mask}

    def _decoder_step(self, longest: tf.Tensor) -> Callable:
        """The step function of the searches, with caches that grow."""
        embedding = self.target_embedding
        # Only a beam has something to rank.
        with_attention = self.options.coverage_penalty > 0 and self.options.beam_size > 1
        # Made once, not at each step. Products with few rows are much faster when the matrix
        # need not be transposed.
        positions = embedding.position_vectors(tf.maximum(tf.reduce_max(longest), 1))
        projection = tf.transpose(embedding.token_embeddings.embeddings)  # (D, N)

        def step(ids: Any, index: Any, state: dict[str, Any], origins: Any) -> tuple:
            beams = ids.shape[1]
            x = embedding.token_vectors(ids) + positions[index]
            mask, caches, attention = None, [], []
            if beams > 1:
                # Slot (t, j) is in the past of hypothesis k if it was in place j at time t.
                past = origins[:, :, : index + 1, None] == tf.range(beams)  # (B, K, T, K)
                mask = tf.reshape(past, [-1, beams, (index + 1) * beams])
            for block, cache in zip(self.decoder_blocks, state["caches"], strict=True):
                x, *scores, cache = block(
                    x,
                    target_mask=mask,
                    source_mask=state["source_mask"],
                    cache=cache,
                    return_attention_scores=with_attention,
                )
                caches.append(cache)
                attention.extend(scores)
            x = self._normalized("decoder", x)
            logits = tf.matmul(tf.reshape(x, [-1, x.shape[-1]]), projection)
            logits = tf.reshape(logits, [-1, beams, logits.shape[-1]])
            state = {**state, "caches": caches}
            if with_attention:
                return logits, state, tf.reduce_mean(attention[-1], axis=1)  # (B, K, Ts)
            return logits, state

        return step


def _named(sampling: tuple) -> dict[str, Any]:
    return dict(zip(("temperature", "top_k", "top_p"), sampling, strict=True))
