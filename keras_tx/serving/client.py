"""A client of TensorFlow Serving: strings in, results out. It runs no TensorFlow itself."""

from __future__ import annotations

import itertools
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from keras_tx.serving.client_batches import (
    as_array,
    bytes_array,
    length_batches,
    side_by_side,
    split_all,
)
from keras_tx.serving.client_retry import Backoff, check_positive, with_retries
from keras_tx.serving.client_signatures import DEFAULT_SIGNATURE, choose_signature, classification
from keras_tx.serving.client_transport import (
    ModelChoice,
    ModelMetadata,
    ServerError,
    Signature,
    open_transport,
    parse_address,
)
from keras_tx.serving.joined_hypotheses import join_hypotheses
from keras_tx.serving.label_choice import checked_threshold
from keras_tx.serving.results import Alignment, Classification, Hypothesis, TranslationScore
from keras_tx.text import encoded_texts

Result = TypeVar("Result")
# About as many characters as the tokens from which `Translator.translate` splits a text.
PIECE_CHARACTERS = 300
MOST_HYPOTHESES = 100  # Of a text in pieces, where the server does not say how many it gives.


class Client:
    """A model on a server, used like one that is loaded here.

    Texts are sorted by length and sent in batches, several at a time. A request to a server
    that is not there, or too busy, is sent again, later and later. A client may be used from
    several threads; it runs no TensorFlow itself.

    Args:
        address: `HOST:PORT` (port 8501: REST, else gRPC), or with `grpc://`, `grpcs://`,
            `http://` or `https://` in front (see `parse_address`).
        model: the model's name on the server.
        version: its number. Default: the newest one that the server has.
        label: a label that the server has for a version, such as `"stable"`.
        deadline: seconds for each request, in all its tries; `math.inf` for no bound (a try
            ends after a day). Default 60.
        attempts: how often a request is sent to a server that is not available. Default 10,
            which takes about 20 seconds.
        batch_size: the most texts in a request. Default 32.
        connections: the most requests on their way at a time for one call. Default 4.

    Raises:
        ValueError: for an address that is none, a number that does not fit, and for a version
            with a label.
        ImportError: without the packages of the extra `serving`.

    All methods raise `ServerError`, in one line, for a server that cannot be reached, does not
    have the model, or refuses the request.

    Example:
        >>> from keras_tx.serving import Client
        >>> client = Client("127.0.0.1:9", "translator_en_fr", attempts=1)
        >>> client.translate([])
        []
        >>> client.translate(["A dog."])
        Traceback (most recent call last):
        keras_tx.serving.client_transport.ServerError: expected an answer from grpc://127...
    """

    def __init__(
        self,
        address: str,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        deadline: float = 60.0,
        attempts: int = 10,
        batch_size: int = 32,
        connections: int = 4,
    ) -> None:
        if version is not None and label is not None:
            raise ValueError(f"expected a version or a label. Received: {version!r}, {label!r}")
        check_positive(numbers.Real, deadline=deadline)
        check_positive(numbers.Integral, batch_size=batch_size, connections=connections)
        self.address = parse_address(address)
        self.model = ModelChoice(model, version, label)
        self.deadline = float(deadline)  # No NumPy number, which libraries may not take.
        self.backoff = Backoff(attempts)
        self.batch_size = batch_size
        self.connections = connections
        self._transport = open_transport(self.address)
        self._metadata: ModelMetadata | None = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives back the connections."""
        self._transport.close()

    # What the server says of the model.

    def metadata(self, attempts: int | None = None) -> ModelMetadata:
        """The model's version and signatures, asked for once, and again after an error.

        Args:
            attempts: as for the class. Default: as there.
        """
        if self._metadata is None:
            self._metadata = self._retried(self._transport.metadata, self.model, attempts=attempts)
        return self._metadata

    def states(self) -> dict[int, str]:
        """Version -> its state, such as `"AVAILABLE"`; asked for each time."""
        return self._retried(self._transport.states, self.model)

    # Requests.

    def predict(
        self, inputs: Mapping[str, Any], signature: str = DEFAULT_SIGNATURE
    ) -> dict[str, np.ndarray]:
        """One request as it is, whatever the model is for.

        Args:
            inputs: name -> array or nested list; strings as `str` or `bytes`.
            signature: its name. Default `"serving_default"`.

        Returns:
            Name -> array; strings are `bytes` in arrays of dtype `object`.

        Raises:
            ValueError: for a signature or inputs that the model does not have.
        """
        known = self.metadata().signatures
        if signature not in known:
            raise ValueError(f"expected one of {sorted(known)} as signature. Received: {signature}")
        expected = known[signature].inputs
        if set(inputs) != set(expected):
            raise ValueError(
                f"expected the inputs {sorted(expected)} for {signature}. "
                f"Received: {sorted(inputs)}"
            )
        arrays = {name: as_array(inputs[name], expected[name].dtype) for name in inputs}
        return self._predict(signature, known[signature], arrays)

    def classify(
        self, texts: Sequence[str], threshold: float | None = None
    ) -> list[Classification]:
        """As `TextClassifier.classify`.

        The `scores` of a model that does not name its labels (in an output `labels`) hold the
        best one only.

        Raises:
            ValueError: when `threshold` is not from 0 to 1.
        """
        checked_threshold(threshold)
        return self._by_rows("classify", lambda row: classification(row, threshold), text=texts)

    def is_multi_label(self) -> bool:
        """Whether the model, a classifier, gives a text any number of labels."""
        return "multi_label" in self._signature("classify")[1].outputs

    def translate(
        self, texts: Sequence[str], piece_characters: int = PIECE_CHARACTERS
    ) -> list[str]:
        """As `Translator.translate`, with the search that was exported.

        A text with several lines is translated line by line, and a long line sentence by
        sentence: what is longer than a model takes would be cut by the server.

        Args:
            texts: any number of texts.
            piece_characters: from which length on a line is split. Default 300; a `Translator`
                splits from 80 tokens on, which a client cannot count.
        """
        splits, pieces = split_all(texts, piece_characters)
        rest = iter(self._by_rows("translate", lambda row: _text(row["translation"]), text=pieces))
        return [split.join(itertools.islice(rest, len(split.pieces))) for split in splits]

    def translate_n_best(
        self,
        texts: Sequence[str],
        n_best: int | None = None,
        piece_characters: int = PIECE_CHARACTERS,
    ) -> list[list[Hypothesis]]:
        """As `Translator.translate_n_best`, of the hypotheses that were exported.

        Args:
            texts: any number of texts.
            n_best: how many. Default: as many as the server gives of a piece.
            piece_characters: as for `translate`.

        Raises:
            ValueError: for more than the server gives.
        """
        if n_best is not None and n_best < 1:
            raise ValueError(f"n_best expected a positive integer. Received: n_best={n_best!r}")
        splits, pieces = split_all(texts, piece_characters)
        if not splits:
            return []
        shape = self._signature("n_best")[1].outputs["translations"].shape
        most = shape[1] if shape else None
        if n_best is not None and most is not None and n_best > most:
            raise ValueError(
                f"n_best expected at most {most}, the beam that was exported. "
                f"Received: n_best={n_best!r}"
            )
        rest = iter(self._by_rows("n_best", Hypothesis.all_from_row, text=pieces))
        return [
            join_hypotheses(
                split, [next(rest) for _ in split.pieces], n_best or most or MOST_HYPOTHESES
            )
            for split in splits
        ]

    def score(self, texts: Sequence[str], translations: Sequence[str]) -> list[TranslationScore]:
        """As `Translator.score`."""
        return self._by_rows(
            "score", TranslationScore.from_row, text=texts, translation=translations
        )

    def align(
        self, texts: Sequence[str], translations: Sequence[str] | None = None
    ) -> list[Alignment]:
        """As `Translator.align`."""
        if translations is None:
            translations = self.translate(texts)
        return self._by_rows("align", Alignment.from_row, text=texts, translation=translations)

    # From lists of strings to requests and back.

    def _signature(self, kind: str) -> tuple[str, Signature]:
        signatures = self.metadata().signatures
        name = choose_signature(kind, self.model.name, signatures)
        return name, signatures[name]

    def _by_rows(
        self, kind: str, from_row: Callable[[dict[str, Any]], Result], **columns: Sequence[str]
    ) -> list[Result]:
        """One result for each row of the columns, in order."""
        encoded = {name: encoded_texts(texts, f"{name}s") for name, texts in columns.items()}
        sizes = {name: len(texts) for name, texts in encoded.items()}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"expected one translation for each text. Received: {sizes}")
        lengths = [sum(map(len, row)) for row in zip(*encoded.values(), strict=True)]
        batches = list(length_batches(lengths, self.batch_size))
        if not batches:
            return []
        name, signature = self._signature(kind)

        def answer(rows: list[int]) -> list[Result]:
            inputs = {
                key: bytes_array([texts[row] for row in rows]) for key, texts in encoded.items()
            }
            outputs = self._predict(name, signature, inputs)
            for key, values in outputs.items():
                if values.shape[:1] != (len(rows),):
                    raise ServerError(
                        f"expected {len(rows)} rows of {key} from {self.address}. "
                        f"Received: shape {values.shape}"
                    )
            return [
                from_row({key: values[place] for key, values in outputs.items()})
                for place in range(len(rows))
            ]

        results: list[Any] = [None] * len(lengths)
        answers = side_by_side(answer, batches, self.connections)
        for rows, found in zip(batches, answers, strict=True):
            for row, result in zip(rows, found, strict=True):
                results[row] = result
        return results

    def _predict(
        self, name: str, signature: Signature, inputs: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        try:
            return self._retried(self._transport.predict, self.model, name, signature, inputs)
        except ServerError:
            # There may be another version with other signatures by now.
            self._metadata = None
            raise

    def _retried(self, method: Callable, *arguments: Any, attempts: int | None = None) -> Any:
        backoff = self.backoff if attempts is None else Backoff(attempts)
        return with_retries(
            lambda seconds: method(*arguments, timeout=seconds), self.deadline, backoff
        )


def _text(value: bytes) -> str:
    return value.decode("utf-8", errors="replace")
