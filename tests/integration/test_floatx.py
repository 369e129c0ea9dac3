"""Keras' default float may be another: numbers of places and of ids stay 32-bit integers."""

import json
import os
import subprocess
import sys

import pytest

from keras_tx.data import sample_pairs
from keras_tx.models import Translator
from keras_tx.text import SentencePieceTokenizer

PROGRAM = """
import json, sys, keras
keras.config.set_floatx("float64")
import keras_tx
from keras_tx.data import sample_pairs, sample_reviews
from keras_tx.models import TextClassifier, Translator
from keras_tx.text import WordTokenizer
pairs, reviews = sample_pairs().take(range(12)), sample_reviews()
loaded = keras_tx.load(sys.argv[1])
scores = [score.log_probability for score in loaded.score(pairs.sources, pairs.targets)]
new = Translator.from_preset("tiny", loaded.tokenizer)
new.fit(pairs, pairs, epochs=1, progress=False)
options = {"beam_size": 1}, {"beam_size": 3, "no_repeat_ngram_size": 2}, {"temperature": 1.0}
lengths = [len(new.translate(pairs.sources[:2], max_length=8, **more)) for more in options]
tokenizer = WordTokenizer().fit(reviews.texts)
classifier = TextClassifier.from_preset("tiny", tokenizer, labels=reviews.label_names)
classifier.fit(reviews, reviews, epochs=1, progress=False)
label = classifier.classify(reviews.texts[:1])[0].label
print(json.dumps([new.network.weights[0].dtype, scores, lengths, label in reviews.label_names]))
"""


def test_all_the_way_in_float64(tmp_path):
    pairs = sample_pairs().take(range(12))
    tokenizer = SentencePieceTokenizer("bpe", 300).fit([*pairs.sources, *pairs.targets])
    translator = Translator.from_preset("tiny", tokenizer)
    translator.save(tmp_path / "model.keras")
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path / "model.keras"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr[-3000:]
    dtype, scores, lengths, known = json.loads(answer.stdout)
    assert (dtype, lengths, known) == ("float64", [2, 2, 2], True)
    expected = translator.score(pairs.sources, pairs.targets)
    assert scores == pytest.approx([score.log_probability for score in expected], rel=1e-5)
