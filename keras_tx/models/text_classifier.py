"""Text classification."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_tx.models.attribution import attributed, explain
from keras_tx.models.classification_network import classification_network
from keras_tx.models.classifier_fitting import fit_ngrams, fit_temperature, weigh_branches
from keras_tx.models.classifier_training import fit_classifier
from keras_tx.models.from_backbone import classifier_from_backbone
from keras_tx.models.presets import CLASSIFIER_PRESETS, preset_arguments
from keras_tx.models.text_model import TextModel, check_vocabulary
from keras_tx.serving.label_choice import checked_threshold, choose_labels
from keras_tx.serving.results import Classification
from keras_tx.text import Tokenizer, encoded_texts, pack


@keras.saving.register_keras_serializable(package="keras_tx")
class TextClassifier(TextModel):
    """Gives each text one of several labels, or any number of them.

    The network's logits, divided by the `temperature`, become probabilities: by a softmax, or,
    with `multi_label`, each by itself by a sigmoid.

    Args:
        tokenizer: a fitted `Tokenizer`.
        labels: names of the classes, in the order of their numbers: two or more, or, with
            `multi_label`, one or more.
        multi_label: whether a text may have several labels, or none. Default `False`.
        temperature: above 1 it makes scores less sure. Default 1; `fit` finds it.
        sequence_length: the most tokens of a text that the encoders read; of a longer one,
            head and tail are kept. Default 400.
        ngram_sequence_length: likewise for the n-grams, if the network has them.
            Default 4096.
        vocabulary_size: number of token ids. Default: the tokenizer's.
        **network: further arguments of `classification_network`.

    Raises:
        ValueError: for too few labels, labels given twice or empty, a temperature or sizes that
            do not fit.

    Example:
        >>> from keras_tx.models import TextClassifier
        >>> from keras_tx.text import WordTokenizer
        >>> tokenizer = WordTokenizer().fit(["good film", "bad film"])
        >>> model = TextClassifier.from_preset("tiny", tokenizer, labels=["no", "yes"])
        >>> sorted(model.classify(["a good film"])[0].scores)
        ['no', 'yes']

    Source: Chollet, *Deep Learning with Python*, 2nd edition, section 11.4.
    """

    text_method = "classify"

    def __init__(
        self,
        tokenizer: Tokenizer,
        labels: Sequence[str],
        sequence_length: int = 400,
        ngram_sequence_length: int = 4096,
        vocabulary_size: int | None = None,
        multi_label: bool = False,
        temperature: float = 1.0,
        name: str | None = None,
        **network: Any,
    ) -> None:
        super().__init__(name=name)
        labels = [str(label) for label in labels]
        fewest = 1 if multi_label else 2
        if len(labels) < fewest or len(set(labels)) != len(labels) or "" in labels:
            raise ValueError(
                f"labels expected {'one' if multi_label else 'two'} or more different names. "
                f"Received: labels={labels!r}"
            )
        self.tokenizer = tokenizer
        self.labels = tuple(labels)
        self.multi_label = multi_label
        self.temperature = temperature
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
    def temperature(self) -> float:
        """What the logits are divided by before they become probabilities."""
        return self._temperature

    @temperature.setter
    def temperature(self, value: float) -> None:
        if not 0 < value < math.inf:
            raise ValueError(
                f"temperature expected a positive number. Received: temperature={value!r}"
            )
        self._temperature = float(value)
        self._forget_graphs()  # They hold the former one.
        self.origin = None

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
            "multi_label": self.multi_label,
            **self.network_arguments,
            **changes,
        }
        return classification_network(dtype=dtype, **arguments)

    def _trained_part(self) -> keras.Model:
        # Gradients are for the encoders alone: see `fit_ngrams`.
        return keras.Model(self.network.input, self.network.get_layer("logits").output)

    def _new_twin(self, precision: str) -> keras.Model:
        return self.build_network(dtype=precision, ngram_buckets=0)

    def tokenizers(self) -> list[Tokenizer]:
        """The tokenizer, in a list."""
        return [self.tokenizer]

    def pack_for_encoders(self, texts: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Texts to `(ids, lengths)`, cut to what the encoders read."""
        return self._pack(self.tokenizer.tokenize(texts), self.sequence_length)

    def pack_whole(self, texts: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Texts to `(ids, lengths)`, cut to what the whole network reads."""
        return self._pack(self.tokenizer.tokenize(texts), self._longest)

    @property
    def _longest(self) -> int:
        """The most tokens that the network reads."""
        return max(self.sequence_length, self.ngram_sequence_length if self.has_ngrams else 0)

    def _pack(self, tokens: Any, sequence_length: int) -> tuple[tf.Tensor, tf.Tensor]:
        # The end id makes an empty text a sequence of one token.
        return pack(
            tokens,
            sequence_length,
            end_id=self.tokenizer.end_id,
            truncation="head_tail",
        )

    def _classify(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        tokens = self.tokenizer.tokenize(text)
        ids, _ = self._pack(tokens, self._longest)
        logits = self.network(ids, training=False) / self.temperature
        scores = tf.sigmoid(logits) if self.multi_label else tf.nn.softmax(logits, axis=-1)
        best = tf.argmax(scores, axis=-1)
        outputs = {
            "label": tf.gather(tf.constant(self.labels), best),
            "score": tf.reduce_max(scores, axis=-1),
            "scores": scores,
            # What the scores are of: a client knows nothing else of the model.
            "labels": tf.repeat(tf.constant([self.labels]), tf.shape(scores)[0], axis=0),
            # One place is the end's.
            "truncated": tokens.row_lengths() > self._longest - 1,
        }
        if self.multi_label:
            outputs["multi_label"] = tf.fill(tf.shape(best), True)
        return outputs

    def _explain(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        return attributed(self, text)

    def signatures(self) -> dict[str, tuple[Callable, list[tf.TensorSpec]]]:
        """`serving_default`: `text` -> `label`, `score`, `scores` of all `labels`, and whether
        the text was `truncated`; of a model that gives several also `multi_label`. `explain`:
        `text` -> `tokens` with their `attributions` and `lengths`, `label`, `score`, `logit`,
        `baseline_logit`."""
        text = [tf.TensorSpec([None], tf.string, "text")]
        return {"serving_default": (self._classify, text), "explain": (self._explain, text)}

    def classify(
        self, texts: Sequence[str], batch_size: int = 32, threshold: float | None = None
    ) -> list[Classification]:
        """Classify texts.

        Args:
            texts: any number of strings.
            batch_size: the most texts at once; a large network takes fewer. Default 32.
            threshold: the probability that a label must reach. The classifier abstains, with
                the label `""`, where none does. Default: 0.5 with `multi_label`; otherwise
                the best label counts, whatever its probability.

        Returns:
            One `Classification` a text, in order.

        Raises:
            TypeError: when `texts` is not a list of `str`.
            ValueError: when `threshold` is not from 0 to 1, or `batch_size` not positive.
        """
        checked_threshold(threshold)  # A wrong one shows also where there are no texts.
        results: list[Any] = [None] * len(encoded_texts(texts))
        for rows, outputs in self._run_sorted("serving_default", texts, batch_size):
            for row, chances in zip(rows, outputs["scores"].tolist(), strict=True):
                scores = dict(zip(self.labels, chances, strict=True))
                results[row] = choose_labels(scores, threshold, self.multi_label)
        return results

    from_backbone = classmethod(classifier_from_backbone)
    explain = explain
    fit = fit_classifier
    fit_ngrams = fit_ngrams
    fit_temperature = fit_temperature
    weigh_branches = weigh_branches

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "tokenizer": keras.saving.serialize_keras_object(self.tokenizer),
            "labels": list(self.labels),
            "multi_label": self.multi_label,
            "temperature": self.temperature,
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
