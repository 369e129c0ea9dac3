"""What all text models share: one object with network and tokenizer, saved as one file."""

from __future__ import annotations

import abc
import contextlib
import importlib.metadata
import inspect
import os
import pathlib
import reprlib
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_tx.layers.onednn import portable_operations
from keras_tx.models.computing_precision import has_rounded_weights, require_whole_weights
from keras_tx.models.half_precision import halve_weights
from keras_tx.models.workers import batches_for, run_batches
from keras_tx.serving import can_warm_up, export_saved_model
from keras_tx.text import Tokenizer, encoded_texts

# A twin in pure half precision would lose its small updates.
PRECISIONS = ("float32", "mixed_bfloat16")
STORED = ("float32", "float16")  # Weights in a file.


class TextModel(keras.Model, abc.ABC):
    """A network with its tokenizers: trained, saved, loaded, exported, called with strings.

    Not used by itself: see `TextClassifier` and `Translator`. A subclass builds
    `self.network` in its constructor and has `signatures`, the graph functions that do
    the whole way from strings to strings. Python, the command line and the exported model
    call the same functions.
    """

    text_method = ""  # What takes texts, where Keras' own methods take token ids.

    def __init__(self, name: str | None = None) -> None:
        require_tensorflow()
        super().__init__(name=name)
        self._origin: str | None = None
        self._origin_checksum = 0

    @abc.abstractmethod
    def signatures(self) -> dict[str, tuple[Callable, list[tf.TensorSpec]]]:
        """Name -> (graph function, input signature) of all that is exported."""

    @abc.abstractmethod
    def tokenizers(self) -> list[Tokenizer]:
        """The tokenizers, which an export has to hold."""

    @abc.abstractmethod
    def build_network(self, dtype: Any = None) -> keras.Model:
        """A new network of this model's shape, with a dtype policy."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._refuse_texts(*args[:1], *kwargs.values())
        return super().__call__(*args, **kwargs)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Keras' own method, of token ids.

        Raises:
            TypeError: for texts: they are for `classify`, `translate` or `embed`.
        """
        self._refuse_texts(x)
        return super().predict(x, *args, **kwargs)

    def _refuse_texts(self, *inputs: Any) -> None:
        # Keras' own error would have all the texts in it, and no hint.
        for given in inputs:
            first = given[0] if isinstance(given, (list, tuple)) and given else given
            dtype = getattr(first, "dtype", None)
            kind = getattr(dtype, "name", dtype)
            if isinstance(first, (str, bytes)) or str(kind).startswith(("str", "bytes", "object")):
                raise TypeError(
                    f"inputs expected token ids; texts are for {self.text_method}(texts). "
                    f"Received: inputs={reprlib.repr(given)[:50]}"
                )

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The network's logits for token ids."""
        return self.network(inputs, training=training)

    @property
    def origin(self) -> str | None:
        """The file with these very weights, if there is one."""
        if self._origin and self._origin_checksum != self._weights_checksum():
            self._origin = None  # They were changed, by whomever: the network is Keras' own.
        return self._origin

    @origin.setter
    def origin(self, path: str | None) -> None:
        self._origin = path
        self._origin_checksum = self._weights_checksum() if path else 0

    def _weights_checksum(self) -> int:
        checksum = 0
        for weight in self.network.weights:
            array = np.ascontiguousarray(weight)
            checksum = zlib.crc32(array.reshape(-1).view("uint8"), checksum)  # Not of a copy.
        return checksum

    def save(
        self,
        path: str | os.PathLike,
        overwrite: bool = True,
        weights: str = "float32",
        **kwargs: Any,
    ) -> None:
        """Write network, tokenizers and settings into one `.keras` file.

        Args:
            path: where; must end in `.keras`.
            overwrite: whether an older file may be replaced. Default `True`.
            weights: how weights are stored: `"float32"` (default), or `"float16"`, in half of
                the bytes. The model that is loaded then has these rounded weights, in float32.

        Raises:
            ValueError: for another ending, weights that do not fit into half precision, or a
                model that was loaded in bfloat16 or quantized.
            FileExistsError: when the file is there and `overwrite` is `False`.
        """
        require_whole_weights(self.network, "save")
        path = pathlib.Path(path)
        if path.suffix != ".keras":
            raise ValueError(f"path expected to end in '.keras'. Received: path={str(path)!r}")
        if weights not in STORED:
            raise ValueError(f"weights expected one of {STORED}. Received: weights={weights!r}")
        if path.exists() and not overwrite:
            raise FileExistsError(f"expected a new file. Received: {path}, which exists")
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.stem}.{os.getpid()}.keras")
        try:
            super().save(beside, **kwargs)
            if weights == "float16":
                halve_weights(beside)
            os.replace(beside, path)
            if weights == "float32":
                self.origin = str(path.resolve())
            elif self.origin == str(path.resolve()):
                self.origin = None  # The file that had this model's weights has rounded ones now.
        finally:
            beside.unlink(missing_ok=True)

    def export(
        self, directory: str | os.PathLike, format: str = "saved_model", **options: Any
    ) -> pathlib.Path:
        """Write the model for another program to run.

        Args:
            directory: for a SavedModel the model's base directory, as TensorFlow Serving takes
                it: the model goes to `directory/<next version>/`. Otherwise the new directory.
            format: `"saved_model"` (default): graph functions from strings to strings. A
                translator also knows `"ctranslate2"`: its network for that engine, which takes
                tokens.
            **options: of the format. A SavedModel takes `warm_up` (default `None`: with the
                server's warm-up requests if the extra `serving` is installed; `True` asks for
                them, `False` leaves them out) and `weights`, how weights are stored:
                `"float32"` (default), `"float16"` or `"int8"`; that of a translator also `xla`:
                whether the server is to compile the searches, for which it must be started with
                `--xla_cpu_compilation_enabled` (default `False`: it runs on any server).

        Returns:
            The directory of the exported model.

        Raises:
            TypeError: for an option that the format does not have.
            ValueError: for a format that this model does not know, or that cannot hold it. A
                model that was loaded in bfloat16 becomes a SavedModel that computes in bfloat16;
                no other format holds it, nor does it have other `weights`.
        """
        formats = {"saved_model": self._export_saved_model, **self._further_formats()}
        if format not in formats:
            raise ValueError(
                f"format expected one of {tuple(formats)}. Received: format={format!r}"
            )
        known = [
            name
            for name in inspect.signature(formats[format]).parameters
            if name not in ("directory", "facts")
        ]
        if unknown := sorted(set(options).difference(known)):
            raise TypeError(
                f"export expected options of {format!r} among {', '.join(known) or 'none'}. "
                f"Received: {', '.join(unknown)}"
            )
        return formats[format](directory, **options)

    def _export_saved_model(
        self,
        directory: str | os.PathLike,
        warm_up: bool | None = None,
        weights: str = "float32",
        facts: Mapping[str, Any] | None = None,
    ) -> pathlib.Path:
        facts = {"keras_tx": installed_version(), "model": self.origin, **(facts or {})}
        rounded = has_rounded_weights(self.network)
        if rounded:
            if weights != "float32":
                raise ValueError(
                    "weights expected 'float32', as they are, for a model in bfloat16. "
                    f"Received: weights={weights!r}"
                )
            facts["precision"] = "bfloat16"
        # In float32 for any processor; products in bfloat16 are slow without oneDNN anyway.
        with contextlib.nullcontext() if rounded else portable_operations():
            return export_saved_model(
                self.signatures(),
                directory,
                resources=[tokenizer.graph_resources for tokenizer in self.tokenizers()],
                facts=facts,
                warm_up=can_warm_up() if warm_up is None else warm_up,
                weights=weights,
                variables=self.network.weights,
            )

    def _further_formats(self) -> dict[str, Callable]:
        """Name -> what writes it to a directory, of the formats that a subclass knows besides."""
        return {}

    @contextlib.contextmanager
    def _training_network(self, precision: str) -> Iterator[keras.Model]:
        """A twin of the network to train; its weights come back at the end.

        The twin may compute in another precision, and takes optimizer and loss, so that
        neither ends up in the saved file. What is frozen in the network is frozen in the twin.
        """
        self._check_training(precision)
        part, twin = self._trained_part(), self._new_twin(precision)
        twin.set_weights(part.get_weights())
        for variable, own in zip(twin.weights, part.weights, strict=True):
            if not own.trainable:  # What only the twin has frozen is never trained.
                variable.trainable = False
        yield twin
        part.set_weights(twin.get_weights())
        self._forget_graphs()

    def _check_training(self, precision: str) -> None:
        """Raise unless the model can be trained in a precision."""
        if precision not in PRECISIONS:
            raise ValueError(
                f"precision expected one of {PRECISIONS}. Received: precision={precision!r}"
            )
        require_whole_weights(self.network, "training")
        if not self._trained_part().trainable_weights:
            raise ValueError(
                "training expected layers that are trainable. "
                f"Received: {self.name!r}, of which all are frozen"
            )

    def _trained_part(self) -> keras.Model:
        """What of the network gradients train."""
        return self.network

    def _new_twin(self, precision: str) -> keras.Model:
        """A new network of the shape of that part."""
        return self.build_network(dtype=precision)

    def _forget_graphs(self) -> None:
        self.__dict__.pop("_graphs", None)

    def _graph(self, name: str) -> Callable:
        """The compiled signature, made once."""
        graphs = self.__dict__.setdefault("_graphs", {})
        if name not in graphs:
            function, specification = self.signatures()[name]
            graphs[name] = tf.function(function, input_signature=specification, autograph=False)
            graphs[name].get_concrete_function()  # Traced before several threads call it.
        return graphs[name]

    def _run_sorted(
        self, name: str, texts: Sequence[str], batch_size: int
    ) -> Iterator[tuple[list[int], dict[str, np.ndarray]]]:
        """Run a signature over texts of similar length together.

        Yields the numbers of the texts in a batch, and the outputs for them.
        """
        texts = encoded_texts(texts)
        if batch_size < 1:
            raise ValueError(
                f"batch_size expected a positive integer. Received: batch_size={batch_size!r}"
            )
        if len(texts) == 0:
            return
        batches = batches_for(self.network, texts, batch_size)
        graph = self._graph(name)

        def run(rows: list[int]) -> dict[str, np.ndarray]:
            outputs = graph(tf.constant([texts[row] for row in rows], tf.string))
            return {key: value.numpy() for key, value in outputs.items()}

        yield from run_batches(run, batches)


def require_tensorflow() -> None:
    """Raise RuntimeError on another backend of Keras."""
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            "text models expected Keras on TensorFlow, which has strings. "
            f"Received: backend {keras.backend.backend()!r}"
        )


def installed_version() -> str | None:
    """The version of keras_tx; `None` when it runs without having been installed."""
    try:
        return importlib.metadata.version("keras_tx")
    except importlib.metadata.PackageNotFoundError:
        return None


def check_vocabulary(name: str, size: int, tokenizer: Tokenizer) -> None:
    """Raise if a tokenizer has ids that a network of this vocabulary size does not know."""
    if tokenizer.is_fitted and size < tokenizer.vocabulary_size:
        raise ValueError(
            f"{name} expected at least the tokenizer's {tokenizer.vocabulary_size} ids. "
            f"Received: {name}={size!r}"
        )
