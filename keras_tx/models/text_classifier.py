"""Text classification."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from keras_tx.models.classification_network import classification_network
from keras_tx.models.classifier_training import fit_classifier, fit_ngrams, weigh_branches
from keras_tx.models.presets import CLASSIFIER_PRESETS, preset_arguments
from keras_tx.models.text_model import TextModel, check_vocabulary
from keras_tx.text import Tokenizer, pack


class Classification(NamedTuple):
    """The result for one text.

    Attributes:
        label: the most probable label.
        score: its probability.
        scores: label -> probability, for all labels.

    Example:
        >>> from keras_tx.models import Classification
        >>> Classification("positive", 0.9, {"negative": 0.1, "positive": 0.9}).label
        'positive'
    """

    label: str
    score: float
    scores: dict[str, float]


@keras.saving.register_keras_serializable(package="keras_tx")
class TextClassifier(TextModel):
    """Gives each text one of several labels.

    Args:
        tokenizer: a fitted `Tokenizer`.
        labels: names of the classes, in the order of their numbers.
        sequence_length: the most tokens of a text that the encoders read; of a longer one,
            head and tail are kept. Default 400.
        ngram_sequence_length: likewise for the n-grams, if the network has them.
            Default 4096.
        vocabulary_size: number of token ids. Default: the tokenizer's.
        **network: further arguments of `classification_network`.

    Raises:
        ValueError: for fewer than two labels, labels given twice, sizes that do not fit.

    Example:
        >>> from keras_tx.models import TextClassifier
        >>> from keras_tx.text import WordTokenizer
        >>> tokenizer = WordTokenizer().fit(["good film", "bad film"])
        >>> model = TextClassifier.from_preset("tiny", tokenizer, labels=["no", "yes"])
        >>> sorted(model.classify(["a good film"])[0].scores)
        ['no', 'yes']

    Source: Chollet, *Deep Learning with Python*, 2nd edition, section 11.4.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        labels: Sequence[str],
        sequence_length: int = 400,
        ngram_sequence_length: int = 4096,
        vocabulary_size: int | None = None,
        name: str | None = None,
        **network: Any,
    ) -> None:
        super().__init__(name=name)
        labels = [str(label) for label in labels]
        if len(labels) < 2 or len(set(labels)) != len(labels):
            raise ValueError(
                f"labels expected two or more different names. Received: labels={labels!r}"
            )
        self.tokenizer = tokenizer
        self.labels = tuple(labels)
        self.sequence_length = sequence_length
        self.ngram_sequence_length = ngram_sequence_length
        self.vocabulary_size = vocabulary_size or tokenizer.vocabulary_size
        check_vocabulary("vocabulary_size", self.vocabulary_size, tokenizer)
        self.network_arguments = dict(network)
        self.network = self.build_network()
        self.built = True

    @classmethod
    def from_preset(cls, preset: str, tokenizer: Tokenizer, **changes: Any) -> TextClassifier:
        """A classifier with the arguments of a preset (`"tiny"`, `"small"`, `"book"`)."""
        return cls(tokenizer, **preset_arguments(CLASSIFIER_PRESETS, preset, changes))

    @property
    def has_ngrams(self) -> bool:
        """Whether the network has the branch of n-grams."""
        return bool(self.network_arguments.get("ngram_buckets"))

    def build_network(self, dtype: Any = None, **changes: Any) -> keras.Model:
        """A new network of this model's shape, or with changed arguments."""
        arguments = {
            "vocabulary_size": self.vocabulary_size,
            "num_classes": len(self.labels),
            "sequence_length": self.sequence_length,
            **self.network_arguments,
            **changes,
        }
        return classification_network(dtype=dtype, **arguments)

    def _trained_part(self, precision: str) -> tuple[keras.Model, keras.Model]:
        # Gradients are for the encoders alone: see `fit_ngrams`.
        deep = keras.Model(self.network.input, self.network.get_layer("logits").output)
        return deep, self.build_network(dtype=precision, ngram_buckets=0)

    def tokenizers(self) -> list[Tokenizer]:
        """The tokenizer, in a list."""
        return [self.tokenizer]

    def pack_for_encoders(self, texts: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Texts to `(ids, lengths)`, cut to what the encoders read."""
        return self._pack(texts, self.sequence_length)

    def pack_whole(self, texts: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Texts to `(ids, lengths)`, cut to what the whole network reads."""
        longest = self.ngram_sequence_length if self.has_ngrams else 0
        return self._pack(texts, max(self.sequence_length, longest))

    def _pack(self, texts: Any, sequence_length: int) -> tuple[tf.Tensor, tf.Tensor]:
        # The end id makes an empty text a sequence of one token.
        return pack(
            self.tokenizer.tokenize(texts),
            sequence_length,
            end_id=self.tokenizer.end_id,
            truncation="head_tail",
        )

    def _classify(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        ids, _ = self.pack_whole(text)
        scores = tf.nn.softmax(self.network(ids, training=False), axis=-1)
        best = tf.argmax(scores, axis=-1)
        return {
            "label": tf.gather(tf.constant(self.labels), best),
            "score": tf.reduce_max(scores, axis=-1),
            "scores": scores,
        }

    def signatures(self) -> dict[str, tuple[Callable, list[tf.TensorSpec]]]:
        """`serving_default`: `text` -> `label`, `score`, `scores` (in the labels' order)."""
        return {"serving_default": (self._classify, [tf.TensorSpec([None], tf.string, "text")])}

    def classify(self, texts: Sequence[str], batch_size: int = 32) -> list[Classification]:
        """Classify texts.

        Args:
            texts: any number of strings.
            batch_size: how many at once. Default 32.

        Returns:
            One `Classification` a text, in order.

        Raises:
            TypeError: when `texts` is not a list of `str`.
        """
        results: list[Any] = [None] * len(texts)
        for rows, outputs in self._run_sorted("serving_default", texts, batch_size):
            for place, row in enumerate(rows):
                scores = dict(zip(self.labels, outputs["scores"][place].tolist(), strict=True))
                label = outputs["label"][place].decode()
                results[row] = Classification(label, scores[label], scores)
        return results

    fit = fit_classifier
    fit_ngrams = fit_ngrams
    weigh_branches = weigh_branches

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "tokenizer": keras.saving.serialize_keras_object(self.tokenizer),
            "labels": list(self.labels),
            "sequence_length": self.sequence_length,
            "ngram_sequence_length": self.ngram_sequence_length,
            "vocabulary_size": self.vocabulary_size,
            **self.network_arguments,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> TextClassifier:
        tokenizer = keras.saving.deserialize_keras_object(config["tokenizer"])
        return cls(**{**config, "tokenizer": tokenizer})


@keras.saving.register_keras_serializable(package="keras_tx")
class SentimentClassifier(TextClassifier):
    """A `TextClassifier` with the labels negative and positive.

    Args:
        tokenizer: a fitted `Tokenizer`.
        **arguments: further arguments of `TextClassifier`.

    Example:
        >>> from keras_tx.models import SentimentClassifier
        >>> from keras_tx.text import WordTokenizer
        >>> tokenizer = WordTokenizer().fit(["good film", "bad film"])
        >>> SentimentClassifier.from_preset("tiny", tokenizer).labels
        ('negative', 'positive')
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        labels: Sequence[str] = ("negative", "positive"),
        **arguments: Any,
    ) -> None:
        super().__init__(tokenizer, labels=labels, **arguments)
