"""Translation."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from keras_tx.models.decoding_options import DecodingOptions
from keras_tx.models.ensemble_network import ensemble_network
from keras_tx.models.networks import translation_network
from keras_tx.models.presets import TRANSLATOR_PRESETS, preset_arguments
from keras_tx.models.text_model import TextModel, check_vocabulary
from keras_tx.models.translating import TranslationMethods
from keras_tx.models.translation_functions import TranslationFunctions
from keras_tx.models.translator_formats import translator_formats
from keras_tx.models.translator_training import fit_translator
from keras_tx.text import Tokenizer


@keras.saving.register_keras_serializable(package="keras_tx")
class Translator(TranslationMethods, TextModel):
    """Translates sentences from one language to another.

    Args:
        tokenizer: a fitted `Tokenizer` for the source language, and for the target
            language too unless `target_tokenizer` is given.
        target_tokenizer: a fitted `Tokenizer` for the target language, or `None`
            (default): both languages share one vocabulary and one token table.
        source_language, target_language: language codes. Default `"en"`, `"fr"`.
        sequence_length: the most tokens of a source or a translation. Default 256.
        decoding: `DecodingOptions`, or their values by name: how `translate` and the
            exported signatures search unless told otherwise. Default: theirs.
        source_vocabulary_size, target_vocabulary_size: numbers of ids. Default: the
            tokenizers'.
        **network: further arguments of `translation_network`; or `members`, a list with those of
            several, for an ensemble of them (see `translator_ensemble`).

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

    text_method = "translate"

    def __init__(
        self,
        tokenizer: Tokenizer,
        target_tokenizer: Tokenizer | None = None,
        source_language: str = "en",
        target_language: str = "fr",
        sequence_length: int = 256,
        decoding: DecodingOptions | dict[str, Any] | None = None,
        source_vocabulary_size: int | None = None,
        target_vocabulary_size: int | None = None,
        name: str | None = None,
        **network: Any,
    ) -> None:
        super().__init__(name=name)
        if sequence_length < 2:  # One place is the end's.
            raise ValueError(
                "sequence_length expected an integer from 2 on. "
                f"Received: sequence_length={sequence_length!r}"
            )
        self.tokenizer = tokenizer
        self.target_tokenizer = target_tokenizer
        self.source_language = source_language
        self.target_language = target_language
        self.sequence_length = sequence_length
        if not isinstance(decoding, DecodingOptions):
            decoding = DecodingOptions(**(decoding or {}))
        self.decoding = decoding
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
        make = ensemble_network if "members" in self.network_arguments else translation_network
        return make(
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

    def signatures(
        self, n_best: int | None = None
    ) -> dict[str, tuple[Callable, list[tf.TensorSpec]]]:
        """The exported functions, with this model's decoding options.

        `serving_default`: `text` -> `translation`, `score` (log-probability). `n_best`:
        `text` -> the best ones, as many as the beam holds. `score` and `align`: `text` and
        `translation`. See `TranslationFunctions`.
        """
        if self.decoding.temperature is not None:
            raise ValueError(
                "expected decoding options that search: a served translation is not drawn by "
                f"chance. Received: temperature={self.decoding.temperature!r}"
            )
        functions = TranslationFunctions(self, self.decoding)
        text, translation = (
            tf.TensorSpec([None], tf.string, name) for name in ("text", "translation")
        )
        return {
            "serving_default": (functions.translate, [text]),
            "n_best": (lambda text: functions.n_best(text, self.decoding.beam_size), [text]),
            "score": (functions.score, [text, translation]),
            "align": (functions.align, [text, translation]),
        }

    def _export_saved_model(
        self,
        directory: str | os.PathLike,
        warm_up: bool | None = None,
        weights: str = "float32",
        xla: bool = False,
    ) -> pathlib.Path:
        decoding = self.decoding
        # Whatever this model does here: what is exported runs everywhere unless told otherwise.
        self.decoding = dataclasses.replace(decoding, jit_compile=xla)
        try:
            facts = {"xla": True} if xla else None
            return super()._export_saved_model(directory, warm_up, weights, facts)
        finally:
            self.decoding = decoding

    def _further_formats(self) -> dict[str, Callable]:
        return translator_formats(self)

    fit = fit_translator

    def get_config(self) -> dict[str, Any]:
        target = self.target_tokenizer
        return {
            "name": self.name,
            "tokenizer": keras.saving.serialize_keras_object(self.tokenizer),
            "target_tokenizer": target and keras.saving.serialize_keras_object(target),
            "source_language": self.source_language,
            "target_language": self.target_language,
            "sequence_length": self.sequence_length,
            "decoding": dataclasses.asdict(self.decoding),
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
