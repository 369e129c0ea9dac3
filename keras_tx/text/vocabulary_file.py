"""Vocabularies as text files: one token a line, in the order of the ids."""

from __future__ import annotations

import os
from collections.abc import Sequence

from keras_tx.text.tokenizer import write_atomically

VOCABULARY_FILE = "vocabulary.txt"


def write_vocabulary(directory: str, tokens: Sequence[str]) -> None:
    """Write the tokens, none of which may hold a line feed, to `directory`."""
    content = "".join(f"{token}\n" for token in tokens)
    write_atomically(os.path.join(directory, VOCABULARY_FILE), content.encode("utf-8"))


def read_vocabulary(directory: str, first: Sequence[str], owner: str) -> list[str] | None:
    """Read what `write_vocabulary` wrote.

    Args:
        directory: where it stands; may be empty, or hold no vocabulary.
        first: the tokens that it must start with.
        owner: name of the tokenizer, for the error.

    Returns:
        The tokens after the first ones; `None` where there is no vocabulary.

    Raises:
        ValueError: when it starts with other tokens.
    """
    path = os.path.join(directory or "", VOCABULARY_FILE)
    if not directory or not os.path.exists(path):
        return None
    with open(path, "rb") as file:
        # Not splitlines: a token may hold one of Unicode's other line breaks.
        tokens = file.read().decode("utf-8").split("\n")[:-1]
    if tuple(tokens[: len(first)]) != tuple(first):
        raise ValueError(
            f"{owner} expected {VOCABULARY_FILE} to start with {tuple(first)}. "
            f"Received: {tokens[: len(first)]}"
        )
    return tokens[len(first) :]
