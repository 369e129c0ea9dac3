"""A translator for another engine: its folder alone does what the translator does."""

from __future__ import annotations

import numpy as np
import pytest
import sentencepiece

from keras_tx.models import Translator
from keras_tx.models.translator_formats import export_ctranslate2
from keras_tx.text import SentencePieceTokenizer, WordTokenizer

ctranslate2 = pytest.importorskip(
    "ctranslate2", reason="the package of the extra ctranslate2 is not installed"
)

SENTENCES = ["a small boat on a small lake", "deux chiens courent le long du lac"]
# With characters that no piece has: they go through bytes.
TEXTS = ["a small lake", "né 🙂 deux", "lac boat a le", "on", ""]


@pytest.fixture(scope="module")
def translator():
    tokenizer = SentencePieceTokenizer("bpe", vocabulary_size=300).fit(SENTENCES)
    model = Translator.from_preset("tiny", tokenizer, sequence_length=30)
    generator = np.random.default_rng(4)
    for weight in model.network.trainable_variables:
        weight.assign(weight + generator.normal(scale=0.4, size=weight.shape))
    return model


def test_the_folder_alone_translates_as_the_translator(translator, tmp_path):
    path = translator.export(tmp_path / "engine", format="ctranslate2")
    assert path == tmp_path / "engine"
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(path / "sentencepiece.model"))
    engine = ctranslate2.Translator(str(path), compute_type="float32", intra_threads=1)
    translations = []
    for text in TEXTS:
        tokens = pieces.encode(text, out_type=str)
        result = engine.translate_batch(
            [tokens],
            beam_size=1,
            max_decoding_length=min(2 * (len(tokens) + 1) + 10, 30),
            min_decoding_length=0,
            suppress_sequences=[["<pad>"], ["<s>"]],
            disable_unk=True,
        )[0]
        # By ids, for SentencePiece would drop a space at the beginning.
        ids = [translator.tokenizer.token_to_id(token) for token in result.hypotheses[0]]
        translations.append(
            translator.tokenizer.detokenize([ids]).numpy()[0].decode("utf-8", "replace")
        )
    assert translations == translator.translate(TEXTS, beam_size=1)
    assert len(set(translations)) == len(TEXTS) and translations[-1] == ""


def test_each_language_has_its_own_tokenizer(translator, tmp_path):
    words = WordTokenizer().fit(SENTENCES)
    mixed = Translator.from_preset("tiny", translator.tokenizer, target_tokenizer=words)
    path = export_ctranslate2(mixed, tmp_path / "mixed")
    names = {file.name for file in path.iterdir()}
    assert names == {
        "config.json", "model.bin", "source_sentencepiece.model",
        "source_vocabulary.json", "target_vocabulary.json",
    }  # fmt: skip
    model = (path / "source_sentencepiece.model").read_bytes()
    assert model == translator.tokenizer.model_proto


def test_an_unknown_format_is_named(translator, tmp_path):
    with pytest.raises(ValueError, match=r"one of \('saved_model', 'ctranslate2'\)\. Received: "):
        translator.export(tmp_path / "x", format="onnx")
