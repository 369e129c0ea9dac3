"""Long texts -> pieces that a model takes, and back together without a loss."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable, Iterable, Sequence

from keras_tx.text.cutting import Lengths, cut
from keras_tx.text.sentences import sentence_ends

LINE_BREAK = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
Span = tuple[str, int, int]  # A text, and where in it something starts and ends.


@dataclasses.dataclass(frozen=True)
class SplitText:
    r"""A text in pieces, and all that stands between them.

    Args:
        pieces: what a model shall read. None is empty or has white space at its ends.
        separators: line breaks and white space: before the first piece, between two pieces,
            and after the last one; `len(pieces) + 1` strings. Between two parts of a word it
            is empty.

    Example:
        >>> from keras_tx.text import SplitText
        >>> split = SplitText(("One.", "Two."), ("  ", "\n\n", "\n"))
        >>> split.join(["Un.", "Deux."])
        '  Un.\n\nDeux.\n'
    """

    pieces: tuple[str, ...]
    separators: tuple[str, ...]

    def join(self, pieces: Iterable[str]) -> str:
        """The text with other pieces, such as translations, in the place of its own.

        Args:
            pieces: as many as there are in `self.pieces`.

        Raises:
            ValueError: for another number of them.
        """
        given = list(pieces)
        if len(given) != len(self.pieces):
            raise ValueError(
                f"expected {len(self.pieces)} pieces, one for each of the text. "
                f"Received: {len(given)}"
            )
        pairs = zip(self.separators, [*given, ""], strict=True)
        return "".join(itertools.chain.from_iterable(pairs))


def split_texts(
    texts: Sequence[str], limit: int, lengths: Lengths | None = None
) -> list[SplitText]:
    r"""Splits texts into pieces of a bounded length.

    Line breaks (those of `str.splitlines`) always separate. A line within the limit is one
    piece, also when it holds several sentences; a longer one becomes its sentences
    (`sentence_ends`); and a sentence that is still too long is cut: after the last clause mark
    (`; : , —`) in the second half of what the limit allows, or else at the last space, or, in a
    word longer than the limit, between two characters.

    `split.join(split.pieces)` is the text again, whatever is in it.

    Args:
        texts: any texts.
        limit: the most that a piece may measure.
        lengths: measures many strings in one call, as `Tokenizer.lengths` does in tokens.
            Default: in characters. A few calls measure all texts together.

    Returns:
        A `SplitText` for each text. A piece measures more than `limit` only where a single
        code point does.

    Raises:
        ValueError: when `limit` is less than 1.

    Example:
        >>> from keras_tx.text import split_texts
        >>> split, = split_texts(["  Come in. Sit down.\n\nWell, if it must be, go."], 20)
        >>> split.pieces
        ('Come in. Sit down.', 'Well, if it must be,', 'go.')
        >>> split.separators
        ('  ', '\n\n', ' ', '')
    """
    if limit < 1:
        raise ValueError(f"split_texts expected a limit of at least 1. Received: limit={limit!r}")
    measure = lengths or (lambda strings: map(len, strings))
    spans = [_lines(text) for text in texts]
    spans = _replace_long(
        spans,
        limit,
        measure,
        lambda lines: _replace_long(
            [_sentences(line) for line in lines],
            limit,
            measure,
            lambda sentences: _cut(sentences, limit, measure),
        ),
    )
    return [_split(text, places) for text, places in zip(texts, spans, strict=True)]


def _replace_long(
    rows: list[list[Span]],
    limit: int,
    measure: Lengths,
    finer: Callable[[list[Span]], list[list[Span]]],
) -> list[list[Span]]:
    """The same rows, where finer spans stand for each that measures more than `limit`."""
    flat = list(itertools.chain.from_iterable(rows))
    sizes = measure([text[start:end] for text, start, end in flat]) if flat else ()
    long = [span for span, size in zip(flat, sizes, strict=True) if size > limit]
    if not long:
        return rows
    # By identity: equal texts are different rows, and long ones are slow to compare.
    parts = dict(zip(map(id, long), finer(long), strict=True))
    return [[part for span in row for part in parts.get(id(span), (span,))] for row in rows]


def _cut(spans: list[Span], limit: int, measure: Lengths) -> list[list[Span]]:
    strings = [text[start:end] for text, start, end in spans]
    return [
        [(text, first + start, first + end) for start, end in places]
        for (text, first, _), places in zip(spans, cut(strings, limit, measure), strict=True)
    ]


def _split(text: str, spans: list[Span]) -> SplitText:
    stops = [0, *(end for _, _, end in spans)]
    starts = [*(start for _, start, _ in spans), len(text)]
    return SplitText(
        pieces=tuple(text[start:end] for _, start, end in spans),
        separators=tuple(text[stop:start] for stop, start in zip(stops, starts, strict=True)),
    )


def _stripped(text: str, start: int, end: int) -> list[Span]:
    """The span without white space at its ends; nothing, if there is nothing else."""
    part = text[start:end]
    start, end = start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip())
    return [(text, start, end)] if start < end else []


def _lines(text: str) -> list[Span]:
    breaks = [found.span() for found in LINE_BREAK.finditer(text)]
    starts, ends = [0, *(b for _, b in breaks)], [*(a for a, _ in breaks), len(text)]
    return [
        span
        for start, end in zip(starts, ends, strict=True)
        for span in _stripped(text, start, end)
    ]


def _sentences(span: Span) -> list[Span]:
    text, first, last = span
    places = sentence_ends(text[first:last])
    starts = [first, *(first + start for _, start in places)]
    ends = [*(first + end for end, _ in places), last]
    return [(text, start, end) for start, end in zip(starts, ends, strict=True)]
