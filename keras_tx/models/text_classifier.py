"""Text classification."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from keras_tx.data import LabelledTexts
from keras_tx.models.batches import LabelledBatches
from keras_tx.models.networks import classification_network
from keras_tx.models.presets import CLASSIFIER_PRESETS, preset_arguments
from keras_tx.models.text_model import TextModel, check_vocabulary
from keras_tx.text import Tokenizer, pack
from keras_tx.training import TokenCrossentropy, TrainingOptions, fit_network


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
        sequence_length: the most tokens of a text; of a longer one, head and tail are
            kept. Default 400.
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
        self.vocabulary_size = vocabulary_size or tokenizer.vocabulary_size
        check_vocabulary("vocabulary_size", self.vocabulary_size, tokenizer)
        self.network_arguments = dict(network)
        self.network = self.build_network()
        self.built = True

    @classmethod
    def from_preset(cls, preset: str, tokenizer: Tokenizer, **changes: Any) -> TextClassifier:
        """A classifier with the arguments of a preset (`"tiny"`, `"small"`, `"book"`)."""
        return cls(tokenizer, **preset_arguments(CLASSIFIER_PRESETS, preset, changes))

    def build_network(self, dtype: Any = None) -> keras.Model:
        """A new network of this model's shape."""
        return classification_network(
            vocabulary_size=self.vocabulary_size,
            num_classes=len(self.labels),
            sequence_length=self.sequence_length,
            dtype=dtype,
            **self.network_arguments,
        )

    def tokenizers(self) -> list[Tokenizer]:
        """The tokenizer, in a list."""
        return [self.tokenizer]

    def _pack(self, texts: Any) -> tuple[tf.Tensor, tf.Tensor]:
        # The end id makes an empty text a sequence of one token.
        return pack(
            self.tokenizer.tokenize(texts),
            self.sequence_length,
            end_id=self.tokenizer.end_id,
            truncation="head_tail",
        )

    def _classify(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        ids, _ = self._pack(text)
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

    def fit(
        self,
        train: LabelledTexts,
        validation: LabelledTexts,
        *,
        epochs: int = 5,
        tokens_per_batch: int = 8192,
        learning_rate: float = 1e-3,
        warmup_steps: int = 200,
        weight_decay: float = 0.01,
        label_smoothing: float = 0.05,
        rounds_per_epoch: int = 1,
        precision: str = "float32",
        seed: int = 0,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        **options: Any,
    ) -> list[dict[str, float]]:
        """Train on labelled texts, and keep the weights that validate best.

        Args:
            train, validation: texts with the same label names as the model's.
            epochs: passes over the training texts. Default 5.
            tokens_per_batch: the most padded tokens in a batch. Default 8192.
            learning_rate: the peak of a warm-up and cosine schedule. Default 1e-3.
            warmup_steps: steps up to the peak. Default 200.
            weight_decay: of AdamW. Default 0.01.
            label_smoothing: of the loss. Default 0.05.
            rounds_per_epoch: validations an epoch. Default 1.
            precision: dtype policy in training, e.g. `"mixed_bfloat16"`. The model
                itself stays in float32. Default `"float32"`.
            seed: of shuffling and dropout. Default 0.
            callbacks: further Keras callbacks.
            **options: of `keras_tx.training.TrainingOptions`, such as `directory`,
                `resume`, `max_minutes`, `patience`, `average`.

        Returns:
            The history: one dictionary a round (see `fit_network`).

        Raises:
            ValueError: when label names differ, or an option does not fit.
        """
        for examples in (train, validation):
            if tuple(examples.label_names) != self.labels:
                raise ValueError(
                    f"examples expected the labels {self.labels}. "
                    f"Received: {tuple(examples.label_names)}"
                )
        keras.utils.set_random_seed(seed)
        training = LabelledBatches(train, self._pack, tokens_per_batch, seed)
        held_out = LabelledBatches(validation, self._pack, 2 * tokens_per_batch)
        steps = epochs * len(training)
        warmup_steps = min(warmup_steps, max(steps // 4, 1))
        schedule = keras.optimizers.schedules.CosineDecay(
            learning_rate / warmup_steps,
            max(steps - warmup_steps, 1),
            warmup_target=learning_rate,
            warmup_steps=warmup_steps,
        )
        # In a short training the average must not reach back to its beginning.
        momentum = min(0.995, max(0.0, 1 - 10 / steps))
        settings = {"average": "ema", "ema_momentum": momentum, **options}
        options = TrainingOptions(
            total_steps=steps,
            steps_per_round=max(len(training) // rounds_per_epoch, 1),
            **settings,
        )
        optimizer = keras.optimizers.AdamW(
            schedule,
            weight_decay=weight_decay,
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
                loss=TokenCrossentropy(label_smoothing),
                optimizer=optimizer,
                options=options,
                metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
                callbacks=callbacks,
            )

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "tokenizer": keras.saving.serialize_keras_object(self.tokenizer),
            "labels": list(self.labels),
            "sequence_length": self.sequence_length,
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
