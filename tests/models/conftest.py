"""What the tests of several files share: a translator that knows a few sentences by heart, and
random ones that say much; labelled texts, and classifiers that can learn them; `.keras` files."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from keras_tx.data import LabelledTexts, MultiLabelledTexts, SentencePairs
from keras_tx.models import SentimentClassifier, TextClassifier, Translator, load
from keras_tx.text import SentencePieceTokenizer, WordTokenizer

PAIRS = SentencePairs(
    ["a dog", "the dog sleeps", "the cat sleeps", "a cat eats fish", "The sea is blue.",
     "is the sea blue?", "we eat", "we eat fish and the cat sleeps", "red boat", "blue boat",
     "the red boat sleeps", "and we sleep"],
    ["un chien", "le chien dort", "le chat dort", "un chat mange du poisson",
     "La mer est bleue.", "la mer est-elle bleue ?", "nous mangeons",
     "nous mangeons du poisson et le chat dort", "bateau rouge", "bateau bleu",
     "le bateau rouge dort", "et nous dormons"],
)  # fmt: skip
HERONS = ["The heron waits.", "a reed, a pond", "the heron waits by the pond"]
WORDS = [f"word{number}" for number in range(30)]
SENTIMENTS = ("negative", "positive")


@pytest.fixture(scope="session")
def pairs() -> SentencePairs:
    return PAIRS


@pytest.fixture(scope="session")
def learned_translator() -> tuple[Translator, list[dict[str, float]]]:
    """A translator that knows `pairs` by heart, and the history of its training."""
    tokenizer = SentencePieceTokenizer(vocabulary_size=320).fit([*PAIRS.sources, *PAIRS.targets])
    keras.utils.set_random_seed(0)
    model = Translator.from_preset("tiny", tokenizer, sequence_length=64)
    history = model.fit(
        PAIRS,
        PAIRS,
        epochs=120,
        tokens_per_batch=512,
        learning_rate=1e-2,
        warmup_steps=20,
        label_smoothing=0.0,
        steps_per_round=60,
        average=None,
        progress=False,
    )
    return model, history


@pytest.fixture(scope="session")
def random_translator() -> Callable[..., Translator]:
    """Makes translators with random weights: ids repeat seldom, rows end at different lengths.

    Each id is a word of its own, so that equal strings are equal ids. `favoured` is a token
    that is likely at every step, the end if translations shall be short.
    """

    def make(seed=0, separate=False, favoured=None, **arguments) -> Translator:
        tokenizer = WordTokenizer().fit(WORDS)
        mots = [f"mot{number}" for number in range(25)]
        layers = {"num_encoder_layers": 1, "num_decoder_layers": 2}
        sizes = {"embed_dim": 16, "dense_dim": 24, "num_heads": 2, "sequence_length": 18, **layers}
        model = Translator(
            tokenizer,
            WordTokenizer().fit(mots) if separate else None,
            **{**sizes, **arguments},
        )
        generator = np.random.default_rng(seed)
        for weight in model.network.trainable_variables:
            weight.assign(generator.normal(scale=0.5, size=weight.shape))
        if favoured is not None:
            layers = {layer.name: layer for layer in model.network.layers}
            # What all hidden states have in common is the bias of the last normalization.
            last = layers.get("decoder_norm") or layers["decoder_1"].feed_forward_norm
            embedding = layers.get("target_embedding") or layers["embedding"]
            table = embedding.token_embeddings.embeddings
            values = np.array(table)
            values[favoured] = 0.7 * np.array(last.get_weights()[1])
            table.assign(values)
        return model

    return make


@pytest.fixture(scope="session")
def sentences() -> Callable[..., list[str]]:
    """Random sentences of unlike lengths for a random translator."""

    def make(count: int, seed: int = 0) -> list[str]:
        generator = np.random.default_rng(seed)
        sizes = [1, 14, 4, 30, 2, 9, 3, 6][:count]
        return [" ".join(generator.choice(WORDS, size)) for size in sizes]

    return make


@pytest.fixture(scope="session")
def ordered_reviews() -> Callable[..., Any]:
    """Makes reviews of which the order of two words in the middle tells the label."""

    def reviews(count, seed, labels=SENTIMENTS):
        """Fillers of any length with one pair in the middle, whose order tells the class."""
        generator = np.random.default_rng(seed)
        texts, numbers = [], []
        for _ in range(count):
            number = int(generator.integers(len(labels)))
            words = generator.choice(WORDS, generator.integers(20, 40)).tolist()
            words[10:10] = [("not", "good"), ("good", "not"), ("good", "good")][number]
            texts.append(" ".join(words))
            numbers.append(number)
        return LabelledTexts(texts, numbers, labels)

    return reviews


@pytest.fixture(scope="session")
def ordered_classifier() -> Callable[..., Any]:
    """Makes classifiers of `ordered_reviews` whose encoders do not read the middle."""

    def classifier(kind=SentimentClassifier, **changes):
        tokenizer = WordTokenizer().fit([" ".join(WORDS), "not good"])
        arguments = {
            "sequence_length": 12,
            "ngram_buckets": 5000,
            "ngram_orders": (1, 2),
            **changes,
        }
        keras.utils.set_random_seed(0)
        return kind.from_preset("tiny", tokenizer, **arguments)

    return classifier


@pytest.fixture(scope="session")
def topic_texts() -> Callable[..., Any]:
    """Makes texts with any of three labels, for each of which there is a word."""

    def topics(count, seed):
        """Fillers with the sign of each label that the text has."""
        generator = np.random.default_rng(seed)
        texts, labels = [], []
        for _ in range(count):
            present = np.flatnonzero(generator.random(3) < (0.5, 0.3, 0.1))
            words = generator.choice(WORDS[:10], 4).tolist()
            for number in present:
                words.insert(generator.integers(len(words) + 1), f"sign{number}")
            texts.append(" ".join(words))
            labels.append(tuple(present))
        return MultiLabelledTexts(texts, labels, ("a", "b", "c"))

    return topics


@pytest.fixture(scope="session")
def topic_classifier() -> Callable[..., Any]:
    """Makes classifiers of `topic_texts`."""

    def classifier(**changes):
        tokenizer = WordTokenizer().fit([" ".join(WORDS[:10]), "sign0 sign1 sign2"])
        keras.utils.set_random_seed(0)
        return TextClassifier.from_preset(
            "tiny", tokenizer, labels=["a", "b", "c"], multi_label=True, **changes
        )

    return classifier


@pytest.fixture(scope="session")
def rare_reviews() -> Callable[..., Any]:
    """Makes short reviews of which few are positive."""

    def rare(count, seed):
        """One of ten positive; "good" stands in 8 of 10 of these and in 3 of 10 others."""
        generator = np.random.default_rng(seed)
        numbers = (generator.random(count) < 0.1).astype(int)
        signs = generator.random(count) < np.where(numbers, 0.8, 0.3)
        texts = [
            " ".join([*generator.choice(WORDS[:4], 2), "good" if sign else "not"]) for sign in signs
        ]
        return LabelledTexts(texts, numbers.tolist(), SENTIMENTS)

    return rare


@pytest.fixture(scope="session")
def model_file_bytes(tmp_path_factory):
    """The bytes of a good `.keras` file."""
    tokenizer = SentencePieceTokenizer("bpe", vocabulary_size=300).fit(HERONS)
    path = tmp_path_factory.mktemp("whole") / "model.keras"
    SentimentClassifier.from_preset("tiny", tokenizer, sequence_length=20).save(path)
    return path.read_bytes()


@pytest.fixture
def remade(model_file_bytes, tmp_path):
    """Writes that file with other members: `None` leaves one out, a function changes its JSON."""

    def make(changes=(), compression=zipfile.ZIP_STORED):
        path = tmp_path / "model.keras"
        changes = dict(changes)
        with (
            zipfile.ZipFile(io.BytesIO(model_file_bytes)) as old,
            zipfile.ZipFile(path, "w", compression) as new,
        ):
            for name in old.namelist():
                content = changes.pop(name, old.read(name))
                if callable(content):
                    settings = json.loads(old.read(name))
                    content(settings)
                    content = json.dumps(settings)
                if content is not None:
                    new.writestr(name, content)
            for name, content in changes.items():
                new.writestr(name, content)
        return path

    return make


@pytest.fixture
def refused(tmp_path):
    """Checks that a file is refused, and that this leaves no trace."""

    def check(path, message):
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(ValueError, match=message) as caught:
            load(path)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)
        assert sorted(tmp_path.rglob("*")) == before

    return check
