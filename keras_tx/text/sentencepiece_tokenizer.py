"""Subword tokenizer: trained with sentencepiece, run by tensorflow_text."""

from __future__ import annotations

import hashlib
import io
import numbers
import os
import re
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence

import keras
import sentencepiece
import tensorflow as tf
import tensorflow_text
from sentencepiece import sentencepiece_model_pb2
from tensorflow_text.python.ops.sentencepiece_tokenizer import (
    gen_sentencepiece_tokenizer as sentencepiece_operations,
)

from keras_tx.text.capitals import lower_case
from keras_tx.text.tokenizer import Tokenizer, in_chunks, training_texts, write_atomically

ASSET_NAME = "sentencepiece.model"
MODEL_TYPES = ("unigram", "bpe")
SPACE_SYMBOL = "\u2581"  # SentencePiece writes a space inside a piece as this character.
# The model turns a real U+2581 into ESCAPE "1", and ESCAPE itself into ESCAPE "0", so that both
# come back; ESCAPE is the control character SUBSTITUTE, which no text needs.
ESCAPE = "\x1a"
ESCAPE_RULES = "1A\t1A 30\n2581\t1A 31\n"
# SentencePiece's decoder strips every leading space. With a letter in front it strips none.
GUARD = "x"
# Ids: 4 special tokens, then the 256 bytes, then the learned pieces.
FIRST_BYTE_ID = 4
SMALLEST_VOCABULARY = FIRST_BYTE_ID + 256 + 2
LARGEST_VOCABULARY = 2**31 - 1  # ids are int32
# The trainer silently leaves out every line with its reserved character U+2585. NUL, tabs, line
# breaks and the two characters above are no text to learn from. All of them cut a line instead.
LINE_CUTS = re.compile(f"[\x00\t\n\r\x0b\x0c{ESCAPE}{SPACE_SYMBOL}\u2585]+")

SAMPLING = threading.Lock()


@keras.saving.register_keras_serializable(package="keras_tx")
class SentencePieceTokenizer(Tokenizer):
    """SentencePiece subwords with byte fallback: cased, and nothing is ever unknown or lost.

    `detokenize(tokenize(text)) == text` for every valid Unicode text: spaces of any number and
    place, tabs, line breaks, NUL, emoji and characters never seen in training, which are spelt
    out in UTF-8 bytes. (With `lowercase=True`: equal to the lower-cased text.)

    Args:
        model_type: `"unigram"` (default; Kudo 2018) or `"bpe"` (Sennrich et al. 2016).
        vocabulary_size: wished number of ids, at least 262: 4 special ones, 256 bytes, pieces.
            Defaults to 8000. A text too small for it gives fewer; after `fit` the property
            `vocabulary_size` tells the true number.
        lowercase: whether to lower-case texts (Unicode, not only ASCII). Defaults to False.
        character_coverage: share of the characters of the training text that get a piece of
            their own; rarer ones are left to the bytes. Defaults to 0.9999.

    Raises:
        ValueError: for an argument out of its range; in `fit`, for a text that is empty or that
            has more distinct characters than fit into the vocabulary.
        RuntimeError: when used before `fit` or `load_assets`.

    Example:

    >>> from keras_tx.text import SentencePieceTokenizer
    >>> tokenizer = SentencePieceTokenizer("bpe", vocabulary_size=300)
    >>> tokenizer = tokenizer.fit(["a small boat on a small lake", "a lake and a boat"])
    >>> ids = tokenizer.tokenize(["a  small boat", "na\\u00efve"])
    >>> [text.decode() for text in tokenizer.detokenize(ids).numpy()]
    ['a  small boat', 'na\u00efve']

    Source: Kudo and Richardson 2018, "SentencePiece".
    """

    def __init__(
        self,
        model_type: str = "unigram",
        vocabulary_size: int = 8000,
        lowercase: bool = False,
        character_coverage: float = 0.9999,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if model_type not in MODEL_TYPES:
            raise ValueError(
                f"SentencePieceTokenizer expected model_type to be one of {MODEL_TYPES}. "
                f"Received: model_type={model_type!r}"
            )
        whole = isinstance(vocabulary_size, numbers.Integral)
        whole = whole and not isinstance(vocabulary_size, bool)
        if not whole or not SMALLEST_VOCABULARY <= vocabulary_size <= LARGEST_VOCABULARY:
            raise ValueError(
                "SentencePieceTokenizer expected a whole number vocabulary_size of at least "
                f"{SMALLEST_VOCABULARY} and less than 2**31. "
                f"Received: vocabulary_size={vocabulary_size!r}"
            )
        if not 0.98 <= character_coverage <= 1.0:  # the trainer's own bounds
            raise ValueError(
                "SentencePieceTokenizer expected character_coverage from 0.98 to 1. "
                f"Received: character_coverage={character_coverage!r}"
            )
        self.model_type = model_type
        # Not under the argument's name: that is the property with the true size.
        self._wished_vocabulary_size = int(vocabulary_size)
        self.lowercase = bool(lowercase)
        self.character_coverage = float(character_coverage)
        self._model_proto = None
        self._operation = None
        self._processor = None

    @property
    def model_proto(self) -> bytes:
        """The trained SentencePiece model, as other engines read it."""
        self._require_fitted()
        return self._model_proto

    @property
    def graph_resources(self) -> tf.Module:
        self._require_fitted()
        if self._operation is None:
            # Outside of any function being traced: the model must outlive that graph.
            with tf.init_scope(), tf.device("CPU:0"):
                self._operation = tensorflow_text.SentencepieceTokenizer(model=self._model_proto)
                self._operation._model_resource._resource_handle = self._lasting_resource()
        return self._operation

    def _lasting_resource(self) -> tf.Tensor:
        """The model as a resource that lives as long as the process.

        The one that tensorflow_text makes belongs to a cached kernel, and goes with it when
        `tf.random.set_seed` or `keras.utils.set_random_seed` clears the cache.
        """
        name = f"keras_tx_{hashlib.sha256(self._model_proto).hexdigest()}"
        return sentencepiece_operations.sentencepiece_op(model=self._model_proto, shared_name=name)

    def fit(self, texts: Iterable[str], num_threads: int = 4) -> SentencePieceTokenizer:
        """Train on `texts` (read once, held in memory) and return the tokenizer itself.

        The same texts and `num_threads` (default 4) give the same model.
        """
        lines = list(self._training_lines(texts))
        if not lines:
            raise ValueError(
                "SentencePieceTokenizer.fit expected texts with at least one character. "
                "Received: none"
            )
        self._set_model(self._train(lines, num_threads))
        return self

    def sample(self, texts: Sequence[str], dropout: float, seed: int) -> list[list[int]]:
        """Token ids of a segmentation drawn at random: other pieces, the same text.

        Args:
            texts: the texts.
            dropout: of a BPE model, the probability with which a merge is left out for good
                (BPE-dropout), 0 leaves out none; of a unigram model, the exponent of the
                probabilities that segmentations are drawn by (subword regularisation), the
                smaller the more even.
            seed: from 0 to 2³¹ - 1. Texts, `dropout` and `seed` decide the result within a
                process; in another one sentencepiece (0.2.3) draws other pieces.

        Returns:
            For each text the ids of its pieces.

        Raises:
            ValueError: for a number out of its range.

        Source: Provilkov et al. 2020, "BPE-Dropout"; Kudo 2018, "Subword Regularization".
        """
        self._require_fitted()
        if not 0 <= dropout <= 1 or not 0 <= seed < 2**31:
            raise ValueError(
                "sample expected a dropout in [0, 1] and a seed in [0, 2**31). "
                f"Received: dropout={dropout!r}, seed={seed!r}"
            )
        strings = [text.encode("utf-8", errors="surrogatepass") for text in texts]
        if self.lowercase:  # by the operation that lower-cases in the graph
            strings = lower_case(tf.constant(strings, tf.string)).numpy().tolist()
        if self._processor is None:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=self._model_proto)
        # One seed for all of the library; with several threads, chance would share out the texts.
        with SAMPLING:
            sentencepiece.set_random_generator_seed(seed)
            return self._processor.encode(
                strings,
                out_type=int,
                enable_sampling=True,
                alpha=dropout,
                nbest_size=-1,
                num_threads=1,
            )

    def save_assets(self, directory: str) -> None:
        """Write the model to `directory`; nothing when there is none yet."""
        if self.is_fitted:
            write_atomically(os.path.join(directory, ASSET_NAME), self._model_proto)

    def load_assets(self, directory: str) -> None:
        """Read the model from `directory`; without one the tokenizer stays as it is."""
        path = os.path.join(directory or "", ASSET_NAME)
        if directory and os.path.exists(path):
            with open(path, "rb") as file:
                self._set_model(file.read(), path)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "model_type": self.model_type,
            "vocabulary_size": self._wished_vocabulary_size,
            "lowercase": self.lowercase,
            "character_coverage": self.character_coverage,
        }

    def _tokenize(self, strings: tf.Tensor) -> tf.RaggedTensor:
        if self.lowercase:
            strings = lower_case(strings)
        return self.graph_resources.tokenize(strings)

    def _detokenize(self, ids: tf.RaggedTensor) -> tf.Tensor:
        guard = tf.fill([ids.nrows(), 1], FIRST_BYTE_ID + ord(GUARD))
        strings = self.graph_resources.detokenize(tf.concat([guard, ids], axis=1))
        # SentencePiece puts one space before every text: it goes with the guard.
        strings = tf.strings.regex_replace(strings, f"^{GUARD} ?", "", replace_global=False)
        strings = tf.strings.regex_replace(strings, f"{ESCAPE}1", SPACE_SYMBOL)
        return tf.strings.regex_replace(strings, f"{ESCAPE}0", ESCAPE)

    def _training_lines(self, texts: Iterable[str]) -> Iterator[str]:
        for chunk in in_chunks(training_texts(texts), 4096):
            if self.lowercase:  # by the operation that will lower-case at run time
                lowered = lower_case(tf.constant(chunk)).numpy()
                chunk = [text.decode("utf-8") for text in lowered]
            for text in chunk:
                yield from filter(None, LINE_CUTS.split(text))

    def _train(self, lines: list[str], num_threads: int) -> bytes:
        model = io.BytesIO()
        try:
            with tempfile.TemporaryDirectory() as directory:
                rules_path = os.path.join(directory, "rules.tsv")
                with open(rules_path, "w", encoding="ascii") as file:
                    file.write(ESCAPE_RULES)
                sentencepiece.SentencePieceTrainer.train(
                    sentence_iterator=iter(lines),
                    model_writer=model,
                    model_type=self.model_type,
                    vocab_size=self._wished_vocabulary_size,
                    hard_vocab_limit=False,  # a small text gives fewer pieces instead of an error
                    pad_id=self.padding_id,
                    unk_id=self.unknown_id,
                    bos_id=self.start_id,
                    eos_id=self.end_id,
                    byte_fallback=True,
                    character_coverage=self.character_coverage,
                    required_chars=SPACE_SYMBOL,  # rare in texts without spaces, never a byte
                    normalization_rule_tsv=rules_path,
                    remove_extra_whitespaces=False,
                    max_sentence_length=1 << 30,  # bytes; longer lines would be left out
                    num_threads=num_threads,
                    minloglevel=2,
                )
        except RuntimeError as error:
            if required := re.search(r"required_chars\. \d+ vs (\d+)", str(error)):
                raise ValueError(
                    "SentencePieceTokenizer.fit expected a vocabulary_size of at least "
                    f"{required.group(1)} for the characters of this text (or a smaller "
                    f"character_coverage). Received: vocabulary_size={self._wished_vocabulary_size}"
                ) from error
            raise
        # The model remembers the path of the rules file: it would differ from run to run.
        proto = sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())
        proto.normalizer_spec.ClearField("normalization_rule_tsv")
        return proto.SerializeToString(deterministic=True)

    def _set_model(self, model_proto: bytes, name: str = "a model") -> None:
        try:
            # An empty one would pass, with messages of its own on standard error.
            processor = sentencepiece.SentencePieceProcessor(model_proto=model_proto or b"\0")
        except RuntimeError as error:
            raise ValueError(
                "SentencePieceTokenizer expected a SentencePiece model. "
                f"Received: {name}, {len(model_proto)} bytes that are none"
            ) from error
        pieces = [processor.id_to_piece(index) for index in range(processor.vocab_size())]
        first_byte = pieces[FIRST_BYTE_ID] if len(pieces) > FIRST_BYTE_ID else None
        ids = (processor.pad_id(), processor.unk_id(), processor.bos_id(), processor.eos_id())
        if ids != (0, 1, 2, 3) or first_byte != "<0x00>":
            raise ValueError(
                "SentencePieceTokenizer expected a model with ids 0, 1, 2, 3 for padding, unknown, "
                f"start and end and bytes from id 4. Received: ids {ids}, piece 4 {first_byte!r}"
            )
        self._model_proto = model_proto
        self._operation = None
        self._processor = None
        self._set_vocabulary(pieces)
