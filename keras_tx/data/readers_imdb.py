"""The Large Movie Review Dataset, as a folder or as the archive it comes in."""

from __future__ import annotations

import os
import pathlib

from keras_tx.data.archives import read_tar_members
from keras_tx.data.examples import LabelledTexts
from keras_tx.data.text_files import decode_text, existing_path, is_text_name, texts_in_folder

LABEL_NAMES = ("negative", "positive")
_FOLDERS = ("neg", "pos")  # in the order of the label names
_SPLITS = ("train", "test")


def read_imdb(
    path: str | os.PathLike, split: str = "train", keep_markup: bool = False
) -> LabelledTexts:
    r"""Reads one split of the Large Movie Review Dataset.

    The reviews come sorted by label and file name, however the folder or archive orders them.

    Args:
        path: the `aclImdb` folder, its parent, the folder that directly holds `pos` and `neg`,
            or the dataset's archive (`.tar`, also compressed by gzip, xz or bzip2), which is
            read without unpacking it to disk.
        split: `"train"` or `"test"`.
        keep_markup: whether to keep the `<br />` of the reviews; they become line feeds if not.

    Returns:
        The reviews with the label names `("negative", "positive")`.

    Raises:
        FileNotFoundError: if the path does not exist or holds no such reviews.
        ValueError: if `split` is unknown, the archive is damaged or lacks one of the labels, or
            a review is not UTF-8.

    Example:

    >>> import tempfile
    >>> root = pathlib.Path(tempfile.mkdtemp()) / "aclImdb"
    >>> for name, text in (("pos/0_9.txt", "Fine.<br />Very."), ("neg/0_2.txt", "Dull.")):
    ...     (root / "train" / name).parent.mkdir(parents=True)
    ...     _ = (root / "train" / name).write_text(text)
    >>> reviews = read_imdb(root)
    >>> reviews.texts, reviews.labels
    (['Dull.', 'Fine.\nVery.'], [0, 1])

    Source: Maas et al. 2011, Learning Word Vectors for Sentiment Analysis.
    """
    if split not in _SPLITS:
        raise ValueError(f"`split` must be 'train' or 'test'. Received: split={split!r}")
    path = existing_path(path)
    if path.is_dir():
        folder = _folder_of(path, split)
        found = [texts_in_folder(folder / name) for name in _FOLDERS]
    else:
        found = _texts_in_archive(path, split, _FOLDERS)
    for name, texts in zip(_FOLDERS, found, strict=True):
        if not texts:
            raise ValueError(
                f"Expected reviews. Received: {path} with no examples in '{split}/{name}'"
            )
    texts = [text for texts in found for text in texts]
    labels = [label for label, texts in enumerate(found) for _ in texts]
    return LabelledTexts(_markup(texts, keep_markup), labels, LABEL_NAMES)


def read_imdb_unlabelled(path: str | os.PathLike, keep_markup: bool = False) -> list[str]:
    """Reads the unlabelled reviews of the Large Movie Review Dataset, sorted by file name.

    Args:
        path: the `aclImdb` folder, its parent, the `unsup` folder, the folder that holds it,
            or the dataset's archive.
        keep_markup: whether to keep the `<br />` of the reviews; they become line feeds if not.

    Returns:
        The reviews.

    Raises:
        FileNotFoundError: if the path does not exist or holds no `unsup` folder.
        ValueError: if there is no review, the archive is damaged or a review is not UTF-8.

    Example:

    >>> import tempfile
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> (root / "unsup").mkdir()
    >>> _ = (root / "unsup" / "0_0.txt").write_text("So long.")
    >>> read_imdb_unlabelled(root)
    ['So long.']
    """
    path = existing_path(path)
    if path.is_file():
        texts = _texts_in_archive(path, "train", ("unsup",))[0]
    else:
        places = ("train/unsup", "aclImdb/train/unsup", "unsup")
        folders = [path / place for place in places if (path / place).is_dir()]
        if path.name == "unsup":
            folders.append(path)
        if not folders:
            raise FileNotFoundError(
                f"Expected a folder with train/unsup in it. Received: path={str(path)!r}"
            )
        texts = texts_in_folder(folders[0])
    if not texts:
        raise ValueError(f"Expected reviews. Received: {path} with no examples in 'unsup'")
    return _markup(texts, keep_markup)


def is_imdb_folder(path: str | os.PathLike) -> bool:
    """Whether `read_imdb` is the reader of this folder.

    Args:
        path: any path.

    Returns:
        Whether there are `pos` and `neg`, and no further class, in the folder itself, in its
        `train` or `test`, or in those of an `aclImdb` in it.

    Example:

    >>> is_imdb_folder("no such folder")
    False
    """
    path = pathlib.Path(path)
    return any(_has_reviews(folder) for split in _SPLITS for folder in _places(path, split))


def _has_reviews(folder: pathlib.Path) -> bool:
    if not folder.is_dir():
        return False
    names = {entry.name for entry in folder.iterdir() if entry.is_dir()}
    # `unsup` stands beside the two labels and is none itself.
    return {name for name in names if not name.startswith(".")} - {"unsup"} == set(_FOLDERS)


def _places(path: pathlib.Path, split: str) -> list[pathlib.Path]:
    return [path, path / split, path / "aclImdb" / split]


def _folder_of(path: pathlib.Path, split: str) -> pathlib.Path:
    others = set(_SPLITS) - {split}
    for folder in _places(path, split):
        # `aclImdb/train` itself may be given, but it must not pass for the test split.
        complete = all((folder / name).is_dir() for name in _FOLDERS)
        if complete and folder.resolve().name not in others:
            return folder
    raise FileNotFoundError(
        f"Expected a folder with {split}/pos and {split}/neg in it. Received: path={str(path)!r}"
    )


def _texts_in_archive(path: pathlib.Path, split: str, folders: tuple[str, ...]) -> list[list[str]]:
    def wanted(name: str) -> bool:
        parts = pathlib.PurePosixPath(name).parts
        return (
            len(parts) >= 3
            and parts[-3] == split
            and parts[-2] in folders
            and is_text_name(parts[-1])
        )

    found: list[dict[str, str]] = [{} for _ in folders]
    for name, data in read_tar_members(path, wanted):
        folder, file = pathlib.PurePosixPath(name).parts[-2:]
        found[folders.index(folder)][file] = decode_text(data, f"{path}/{name}")
    return [[texts[file] for file in sorted(texts)] for texts in found]


def _markup(texts: list[str], keep: bool) -> list[str]:
    return texts if keep else [text.replace("<br />", "\n") for text in texts]
