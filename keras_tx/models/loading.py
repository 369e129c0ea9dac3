"""Text models by name or path."""

from __future__ import annotations

import os
import pathlib
import zipfile

import keras

from keras_tx.models.computing_precision import building_in
from keras_tx.models.model_file import check_model_file
from keras_tx.models.text_model import TextModel, require_tensorflow

MODELS_VARIABLE = "KERAS_TX_MODELS"


def model_directories() -> list[pathlib.Path]:
    """Where models are looked up by name, in order.

    The directory in `$KERAS_TX_MODELS`, `saved_models/` in the working directory, and
    `saved_models/` beside the package, where a checkout has it.
    """
    directories = [pathlib.Path("saved_models")]
    directories.append(pathlib.Path(__file__).resolve().parents[2] / "saved_models")
    if os.environ.get(MODELS_VARIABLE):
        directories.insert(0, pathlib.Path(os.environ[MODELS_VARIABLE]))
    return directories


def find_model(name_or_path: str | os.PathLike) -> pathlib.Path:
    """The `.keras` file for a path, or for the name of a directory under `saved_models/`.

    Raises:
        FileNotFoundError: when there is none; the message lists the known names.
    """
    path = pathlib.Path(name_or_path)
    if path.is_file():
        return path
    candidates = [path, *(directory / path for directory in model_directories())]
    for directory in candidates if str(name_or_path) else []:
        file = directory / f"{directory.name}.keras"
        if file.is_file():
            return file
        # What a recipe or a training left there, under a name of its own.
        others = [other for other in directory.glob("*.keras") if not other.name.startswith(".")]
        if len(others) == 1:
            return others[0]
    known = {
        file.stem
        for directory in model_directories()
        for file in directory.glob("*/*.keras")
        if file.stem == file.parent.name
    }
    raise FileNotFoundError(
        f"expected a .keras file or one of the models {sorted(known)}, of saved_models/ here or in "
        f"the package's checkout, or of ${MODELS_VARIABLE}. Received: {str(name_or_path)!r}"
    )


def load(name_or_path: str | os.PathLike, precision: str | None = None) -> TextModel:
    """Load a text model that `save` wrote.

    The file is looked at first (`check_model_file`): it may come from a stranger, and nothing
    in it is run, unpacked elsewhere, or allocated beyond what it holds.

    Args:
        name_or_path: a `.keras` file, a directory with one such file (or with `NAME.keras`, if
            its name is `NAME`), or the name of a shipped model such as `"sentiment_imdb"`.
        precision: in which the model computes: `"float32"`, or `"bfloat16"`, to classify or
            translate many texts on a processor with instructions for it (AVX512_BF16, AMX), where
            products take about half the time. Its numbers have 8 significant bits, so that a few
            results in a hundred differ, for better or worse; it can be exported, but not trained
            or saved. Default `None`: Keras' dtype policy, which is float32 unless it has
            been set.

    Returns:
        A `TextClassifier` or a `Translator`.

    Raises:
        FileNotFoundError: when there is no such model.
        ValueError: when the file is damaged, or is no text model of keras_tx; or for another
            precision.
        RuntimeError: when Keras has another backend than TensorFlow.

    Example:
        >>> import keras_tx
        >>> keras_tx.load("missing")
        Traceback (most recent call last):
        FileNotFoundError: expected a .keras file or one of the models ...
    """
    require_tensorflow()
    with building_in(precision):
        return _loaded(find_model(name_or_path))


def _loaded(path: pathlib.Path) -> TextModel:
    if path.suffix != ".keras" or not zipfile.is_zipfile(path):
        raise ValueError(f"expected a .keras file (a zip archive). Received: {str(path)!r}")
    try:
        check_model_file(path)
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras raises whatever the damage happens to hit.
        reason = str(error).strip().splitlines()[:1]
        raise ValueError(
            f"expected a model saved by keras_tx. Received: {str(path)!r}, which cannot be "
            f"loaded ({type(error).__name__}: {' '.join(reason)[:200]})"
        ) from error
    # Keras goes on without a word when a tokenizer cannot read its vocabulary.
    if not all(tokenizer.is_fitted for tokenizer in model.tokenizers()):
        raise ValueError(
            f"expected a model saved by keras_tx. Received: {str(path)!r}, in which a tokenizer's "
            "vocabulary is missing or damaged"
        )
    for tokenizer, size in zip(model.tokenizers(), _vocabulary_sizes(model), strict=False):
        if size < tokenizer.vocabulary_size:
            raise ValueError(
                f"expected a model saved by keras_tx. Received: {str(path)!r}, in which a "
                f"tokenizer has {tokenizer.vocabulary_size:,} tokens and the network {size:,}"
            )
    model.origin = str(path.resolve())
    return model


def _vocabulary_sizes(model: TextModel) -> list[int]:
    """How many ids the network knows, for each tokenizer."""
    names = ("vocabulary_size", "source_vocabulary_size", "target_vocabulary_size")
    sizes = (getattr(model, name, None) for name in names)
    return [size for size in sizes if size]
