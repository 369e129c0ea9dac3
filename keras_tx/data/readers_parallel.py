"""Readers of sentences with their translations: line-aligned files and tab-separated pairs."""

from __future__ import annotations

import os
import pathlib

from keras_tx.data.archives import read_zip_text
from keras_tx.data.examples import SentencePairs
from keras_tx.data.text_files import existing_file, read_text, split_lines


def read_parallel(
    prefix: str | os.PathLike, source_language: str = "en", target_language: str = "fr"
) -> SentencePairs:
    """Reads two files whose lines correspond, as Moses and most corpora keep them.

    Lines end at line feeds only, and are kept as they are, empty ones too, so that line `n` of
    the files is pair `n`.

    Args:
        prefix: the common part of the files' names: `PREFIX.en` and `PREFIX.fr`, each plain or
            as `.gz`; the plain file is taken where both exist.
        source_language: the extension of the sentences to translate from.
        target_language: the extension of their translations.

    Returns:
        The pairs, in the order of the lines.

    Raises:
        FileNotFoundError: if one of the files does not exist.
        ValueError: if the files differ in their number of lines, are empty, damaged or not
            UTF-8, or the languages are the same.

    Example:

    >>> import tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "tiny.en").write_text("Good morning.\\n")
    >>> _ = (folder / "tiny.fr").write_text("Bonjour.\\n")
    >>> read_parallel(folder / "tiny", "en", "fr")
    SentencePairs(sources=['Good morning.'], targets=['Bonjour.'])
    """
    _check_languages(source_language, target_language)
    source_path = _parallel_file(prefix, source_language)
    target_path = _parallel_file(prefix, target_language)
    sources = split_lines(read_text(source_path))
    targets = split_lines(read_text(target_path))
    if len(sources) != len(targets):
        raise ValueError(
            "Expected as many lines in both files. "
            f"Received: {source_path} with {len(sources)} and {target_path} with {len(targets)}"
        )
    if not any(sources) and not any(targets):
        raise ValueError(
            f"Expected sentences. Received: {source_path} and {target_path} with no examples"
        )
    return SentencePairs(sources, targets)


def read_tab_pairs(path: str | os.PathLike) -> SentencePairs:
    """Reads lines of a sentence, a tab and its translation, such as manythings.org's `fra.txt`.

    Further columns (there: the licence) are passed over, and so are empty lines at the end.

    Args:
        path: a text file, plain or as `.gz`, or a `.zip` that holds one.

    Returns:
        The pairs, in the order of the lines.

    Raises:
        FileNotFoundError, IsADirectoryError: if the path names no file.
        ValueError: if a line has fewer than two columns (the error names it), the file is
            damaged or not UTF-8, or there are no examples.

    Example:

    >>> import tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "fra.txt"
    >>> _ = path.write_text("Go.\\tVa !\\tCC-BY 2.0\\nRun!\\tCours !\\n")
    >>> read_tab_pairs(path).targets
    ['Va !', 'Cours !']
    """
    path = existing_file(path)
    text = read_zip_text(path) if path.suffix.lower() == ".zip" else read_text(path)
    lines = split_lines(text)
    while lines and not lines[-1].strip(" "):
        lines.pop()
    if not lines:
        raise ValueError(f"Expected tab-separated pairs. Received: {path} with no examples")
    sources, targets = [], []
    for number, line in enumerate(lines, start=1):
        columns = line.split("\t")
        if len(columns) < 2:
            raise ValueError(
                "Expected two columns, separated by a tab, in each line. "
                f"Received: {path}, line {number}: {line[:60]!r}"
            )
        sources.append(columns[0])
        targets.append(columns[1])
    return SentencePairs(sources, targets)


def read_pairs(
    path_or_prefix: str | os.PathLike, source_language: str = "en", target_language: str = "fr"
) -> SentencePairs:
    """Reads pairs in either of this module's forms, chosen by what stands there.

    Args:
        path_or_prefix: a file of tab-separated pairs, its first column in the source language
            (see `read_tab_pairs`), or the prefix of two parallel files (see `read_parallel`).
        source_language: the extension of the sentences to translate from.
        target_language: the extension of their translations.

    Returns:
        The pairs.

    Raises:
        FileNotFoundError: if there is neither such a file nor such parallel files.
        ValueError: if one of two parallel files is given instead of their prefix, or as the
            form's own reader says.

    Example:

    >>> import tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "pairs.tsv").write_text("Yes.\\tOui.\\n")
    >>> read_pairs(folder / "pairs.tsv", "en", "fr").sources
    ['Yes.']
    """
    _check_languages(source_language, target_language)
    path = pathlib.Path(path_or_prefix)
    languages = (source_language, target_language)
    if path.is_file():
        plain = path.with_suffix("") if path.suffix.lower() == ".gz" else path
        if plain.suffix in {f".{language}" for language in languages}:
            raise ValueError(
                "Expected the prefix that both parallel files share. "
                f"Received: path={str(path)!r} (try {str(plain.with_suffix(''))!r})"
            )
        return read_tab_pairs(path)
    if not any(_candidates(path, language, exists=True) for language in languages):
        places = " or ".join(str(_candidates(path, language)[0]) for language in languages)
        kind = "a folder" if path.is_dir() else "which is no file"
        raise FileNotFoundError(
            f"Expected a file of tab-separated pairs, or {places}. "
            f"Received: path={str(path)!r}, {kind}"
        )
    return read_parallel(path, source_language, target_language)


def _check_languages(source_language: str, target_language: str) -> None:
    if not source_language or not target_language or source_language == target_language:
        raise ValueError(
            "Expected two different languages. "
            f"Received: source_language={source_language!r}, target_language={target_language!r}"
        )


def _candidates(
    prefix: str | os.PathLike, language: str, exists: bool = False
) -> list[pathlib.Path]:
    # Not `with_suffix`: a prefix such as `news.2012` has a dot of its own.
    paths = [pathlib.Path(f"{os.fspath(prefix)}.{language}{ending}") for ending in ("", ".gz")]
    return [path for path in paths if path.exists() or not exists]


def _parallel_file(prefix: str | os.PathLike, language: str) -> pathlib.Path:
    found = _candidates(prefix, language, exists=True)
    if not found:
        plain, compressed = _candidates(prefix, language)
        raise FileNotFoundError(
            f"Expected the file {plain} or {compressed.name}. Received: "
            f"prefix={os.fspath(prefix)!r}, where there is neither"
        )
    return existing_file(found[0])
