"""Translation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_tx.data import SentencePairs
from keras_tx.decoding import greedy_search
from keras_tx.models.batches import PairBatches
from keras_tx.models.networks import translation_network
from keras_tx.models.presets import TRANSLATOR_PRESETS, preset_arguments
from keras_tx.models.text_model import TextModel, check_vocabulary
from keras_tx.text import Tokenizer, pack
from keras_tx.training import InverseSquareRoot, TokenCrossentropy, TrainingOptions, fit_network


@keras.saving.register_keras_serializable(package="keras_tx")
class Translator(TextModel):
    """Translates sentences from one language to another.

    Args:
        tokenizer: a fitted `Tokenizer` for the source language, and for the target
            language too unless `target_tokenizer` is given.
        target_tokenizer: a fitted `Tokenizer` for the target language, or `None`
            (default): both languages share one vocabulary and one token table.
        source_language, target_language: language codes. Default `"en"`, `"fr"`.
        sequence_length: the most tokens of a source or a translation. Default 256.
        source_vocabulary_size, target_vocabulary_size: numbers of ids. Default: the
            tokenizers'.
        **network: further arguments of `translation_network`.

    Raises:
        ValueError: when sizes do not fit together.

    Example:
        >>> from keras_tx.models import Translator
        >>> from keras_tx.text import WordTokenizer
        >>> tokenizer = WordTokenizer().fit(["a dog", "un chien"])
        >>> translator = Translator.from_preset("tiny", tokenizer)
        >>> translator.translate([""])
        ['']

    Source: Chollet, *Deep Learning with Python*, 2nd edition, section 11.5; Vaswani et
    al. 2017.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        target_tokenizer: Tokenizer | None = None,
        source_language: str = "en",
        target_language: str = "fr",
        sequence_length: int = 256,
        source_vocabulary_size: int | None = None,
        target_vocabulary_size: int | None = None,
        name: str | None = None,
        **network: Any,
    ) -> None:
        super().__init__(name=name)
        self.tokenizer = tokenizer
        self.target_tokenizer = target_tokenizer
        self.source_language = source_language
        self.target_language = target_language
        self.sequence_length = sequence_length
        self.source_vocabulary_size = source_vocabulary_size or tokenizer.vocabulary_size
        if target_tokenizer is not None and target_vocabulary_size is None:
            target_vocabulary_size = target_tokenizer.vocabulary_size
        self.target_vocabulary_size = target_vocabulary_size
        check_vocabulary("source_vocabulary_size", self.source_vocabulary_size, tokenizer)
        if target_vocabulary_size is not None and target_tokenizer is None:
            raise ValueError(
                "target_vocabulary_size expected a target_tokenizer beside it. "
                f"Received: target_vocabulary_size={target_vocabulary_size!r} alone"
            )
        if target_tokenizer is not None:
            check_vocabulary("target_vocabulary_size", target_vocabulary_size, target_tokenizer)
        self.network_arguments = dict(network)
        self.network = self.build_network()
        self.built = True

    @classmethod
    def from_preset(cls, preset: str, tokenizer: Tokenizer, **changes: Any) -> Translator:
        """A translator with the arguments of a preset (`"tiny"`, `"small"`, `"base"`)."""
        return cls(tokenizer, **preset_arguments(TRANSLATOR_PRESETS, preset, changes))

    def build_network(self, dtype: Any = None) -> keras.Model:
        """A new network of this model's shape."""
        return translation_network(
            source_vocabulary_size=self.source_vocabulary_size,
            target_vocabulary_size=self.target_vocabulary_size,
            sequence_length=self.sequence_length,
            dtype=dtype,
            **self.network_arguments,
        )

    def tokenizers(self) -> list[Tokenizer]:
        """The source's tokenizer and, where there is another one, the target's."""
        return [self.tokenizer, *([self.target_tokenizer] if self.target_tokenizer else [])]

    @property
    def _target_tokenizer(self) -> Tokenizer:
        return self.target_tokenizer or self.tokenizer

    def _pack_source(self, texts: Any) -> tuple[tf.Tensor, tf.Tensor]:
        tokens = self.tokenizer.tokenize(texts)
        return pack(tokens, self.sequence_length, end_id=self.tokenizer.end_id)

    def _stack(self, name: str) -> Iterator[keras.layers.Layer]:
        """The blocks of a stack, then its normalization, if it has one."""
        names = {layer.name for layer in self.network.layers}
        number = 0
        while f"{name}_{number}" in names:
            yield self.network.get_layer(f"{name}_{number}")
            number += 1
        if f"{name}_norm" in names:
            yield self.network.get_layer(f"{name}_norm")

    def _embedding(self, side: str) -> keras.layers.Layer:
        shared = self.target_vocabulary_size is None
        return self.network.get_layer("embedding" if shared else f"{side}_embedding")

    def _encode(self, source_ids: tf.Tensor) -> tf.Tensor:
        x = self._embedding("source")(source_ids)
        for layer in self._stack("encoder"):
            x = layer(x)
        return x

    def _decoder_step(self, source_mask: tf.Tensor) -> Callable:
        """The step function for the decoders: one token in, scores for the next one out."""
        embedding = self._embedding("target")
        *blocks, last = self._stack("decoder")
        norm = last if isinstance(last, keras.layers.LayerNormalization) else None
        blocks = blocks if norm else [*blocks, last]

        def step(ids: Any, index: Any, caches: list) -> tuple[Any, list]:
            x, updated = embedding(ids, start_index=index), []
            for block, cache in zip(blocks, caches, strict=True):
                x, cache = block(x, source_mask=source_mask, cache=cache, cache_index=index)
                updated.append(cache)
            x = norm(x) if norm else x
            return embedding(x, reverse=True)[:, 0], updated

        return step

    def _translate(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        source_ids, lengths = self._pack_source(text)
        encoded = self._encode(source_ids)
        # A translation is seldom twice as long; the bound is each sentence's own, so that
        # what else is in the batch changes nothing. A text of no tokens gets none.
        max_lengths = tf.minimum(2 * lengths + 10, self.sequence_length)
        max_lengths = tf.where(lengths > 1, max_lengths, 0)
        batch_size, longest = tf.shape(source_ids)[0], tf.reduce_max(max_lengths)
        longest = tf.maximum(longest, 1)
        caches = [
            block.start_cache(batch_size, longest, encoded)
            for block in self._stack("decoder")
            if not isinstance(block, keras.layers.LayerNormalization)
        ]
        tokenizer = self._target_tokenizer
        found = greedy_search(
            self._decoder_step(source_ids != tokenizer.padding_id),
            caches,
            tf.fill([batch_size], tokenizer.start_id),
            end_id=tokenizer.end_id,
            max_lengths=max_lengths,
            padding_id=tokenizer.padding_id,
            # No sentence holds padding or a start; an unknown word says nothing to a reader.
            suppressed_ids=(tokenizer.padding_id, tokenizer.unknown_id, tokenizer.start_id),
        )
        return {"translation": tokenizer.detokenize(found.ids), "score": found.scores}

    def signatures(self) -> dict[str, tuple[Callable, list[tf.TensorSpec]]]:
        """`serving_default`: `text` -> `translation`, `score` (log-probability)."""
        return {"serving_default": (self._translate, [tf.TensorSpec([None], tf.string, "text")])}

    def translate(self, texts: Sequence[str], batch_size: int = 32) -> list[str]:
        """Translate texts by greedy decoding.

        Args:
            texts: any number of sentences; an empty one gives an empty translation.
            batch_size: how many at once. Default 32.

        Returns:
            One translation a text, in order.

        Raises:
            TypeError: when `texts` is not a list of `str`.
        """
        results = [""] * len(texts)
        for rows, outputs in self._run_sorted("serving_default", texts, batch_size):
            for row, translation in zip(rows, outputs["translation"], strict=True):
                results[row] = translation.decode("utf-8", errors="replace")
        return results

    def fit(
        self,
        train: SentencePairs,
        validation: SentencePairs,
        *,
        epochs: int = 20,
        tokens_per_batch: int = 2048,
        learning_rate: float = 2e-3,
        warmup_steps: int = 1000,
        cooldown: float = 0.2,
        label_smoothing: float = 0.1,
        steps_per_round: int | None = None,
        precision: str = "float32",
        seed: int = 0,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        **options: Any,
    ) -> list[dict[str, float]]:
        """Train on sentence pairs, and keep the weights that validate best.

        Pairs with a side longer than `sequence_length` tokens are left out.

        Args:
            train, validation: sentence pairs.
            epochs: passes over the training pairs. Default 20.
            tokens_per_batch: the most padded tokens of either side in a batch. Default 2048.
            learning_rate: the peak of an inverse-square-root schedule. Default 2e-3.
            warmup_steps: steps up to the peak; a third of all at most. Default 1000.
            cooldown: share of all steps over which the rate goes to zero at the end.
                Default 0.2.
            label_smoothing: of the loss. Default 0.1.
            steps_per_round: steps between validations. Default: an epoch.
            precision: dtype policy in training, e.g. `"mixed_bfloat16"`. The model
                itself stays in float32. Default `"float32"`.
            seed: of shuffling and dropout. Default 0.
            callbacks: further Keras callbacks.
            **options: of `keras_tx.training.TrainingOptions`, such as `directory`,
                `resume`, `max_minutes`, `patience`, `average`.

        Returns:
            The history: one dictionary a round (see `fit_network`).

        Raises:
            ValueError: when no pair is short enough, or an option does not fit.
        """
        keras.utils.set_random_seed(seed)
        tokenizers = (self.tokenizer, self._target_tokenizer)
        training = PairBatches(train, *tokenizers, self.sequence_length, tokens_per_batch, seed)
        held_out = PairBatches(validation, *tokenizers, self.sequence_length, 2 * tokens_per_batch)
        steps = epochs * len(training)
        settings = {"steps_per_round": steps_per_round or len(training), **options}
        options = TrainingOptions(total_steps=steps, **settings)
        warmup_steps = min(warmup_steps, max(steps // 3, 1))
        optimizer = keras.optimizers.Adam(
            InverseSquareRoot(learning_rate, warmup_steps, steps, int(cooldown * steps)),
            beta_2=0.98,
            epsilon=1e-9,
            global_clipnorm=options.clip_norm,
            use_ema=options.average == "ema",
            ema_momentum=options.ema_momentum,
            ema_overwrite_frequency=None,
        )
        with self._training_network(precision) as network:
            return fit_network(
                network,
                training.dataset,
                held_out.dataset(),
                loss=TokenCrossentropy(label_smoothing, self._target_tokenizer.padding_id),
                optimizer=optimizer,
                options=options,
                callbacks=callbacks,
            )

    def get_config(self) -> dict[str, Any]:
        target = self.target_tokenizer
        return {
            "name": self.name,
            "tokenizer": keras.saving.serialize_keras_object(self.tokenizer),
            "target_tokenizer": target and keras.saving.serialize_keras_object(target),
            "source_language": self.source_language,
            "target_language": self.target_language,
            "sequence_length": self.sequence_length,
            "source_vocabulary_size": self.source_vocabulary_size,
            "target_vocabulary_size": self.target_vocabulary_size,
            **self.network_arguments,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Translator:
        tokenizers = {
            key: config[key] and keras.saving.deserialize_keras_object(config[key])
            for key in ("tokenizer", "target_tokenizer")
        }
        return cls(**{**config, **tokenizers})
