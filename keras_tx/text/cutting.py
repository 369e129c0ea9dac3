"""Sentences too long for a model -> parts of a bounded length."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

# Where a sentence may be cut: not at no-break spaces, nor at those before French marks. A run of
# spaces is tried at its first one only, so that none takes more than linear time.
_PLACE = re.compile(r"(?<![«\s])[^\S\u00a0\u2007\u202f]++(?![!?;:»%€…])|(?<=[，；：、])(?=\S)")
_CLAUSE_MARKS = tuple(";:,—–，；：、")
_CLOSERS = "\"'”’»)]"
_ZERO_WIDTH_JOINER = "\u200d"
_SKIN_TONES = ("\U0001f3fb", "\U0001f3ff")
_FLAG_LETTERS = ("\U0001f1e6", "\U0001f1ff")

Lengths = Callable[[Sequence[str]], Iterable[int]]
Place = tuple[int, int]


class _Part(NamedTuple):
    row: int  # Which string it is of.
    start: int
    end: int
    size: int


def cut(strings: Sequence[str], limit: int, lengths: Lengths) -> list[list[Place]]:
    """Cuts strings into parts that measure no more than a limit.

    A part ends after the last clause mark (`; : , —`) in the second half of what the limit
    allows, or else at the last space. A word longer than the limit is cut between two characters,
    not before what combines with the one before it (accents, joined emoji, flags) as long as
    that fits.

    Args:
        strings: any strings.
        limit: the most that a part may measure, 1 or more.
        lengths: measures many strings in one call. A word is measured with the space before
            it. The parts of a string should together measure about as much as the whole.

    Returns:
        For each string its parts' starts and ends, in order. Only white space is left out. A
        part measures more than `limit` only where a single code point does.

    Example:
        >>> from keras_tx.text.cutting import cut
        >>> text = "if you can, come; a raincoatandumbrella helps"
        >>> places, = cut([text], 14, lambda strings: map(len, strings))
        >>> [text[start:end] for start, end in places]
        ['if you can,', 'come; a', 'raincoatandum', 'brella helps']
    """
    words = [(row, start, end) for row, text in enumerate(strings) for start, end in _words(text)]
    parts = _divide_until_short(
        strings, words, limit, lengths, lambda text, start, end: _chunks(text, start, end, limit)
    )
    packed = [
        (row, start, end)
        for row, group in itertools.groupby(parts, key=lambda part: part.row)
        for start, end in _pack(strings[row], list(group), limit)
    ]
    # Words may measure more together than alone.
    parts = _divide_until_short(strings, packed, limit, lengths, _halves)
    found: list[list[Place]] = [[] for _ in strings]
    for row, start, end, _ in parts:
        text = strings[row][start:end]
        left, right = len(text) - len(text.lstrip()), len(text.rstrip())
        if left < right:
            found[row].append((start + left, start + right))
    return found


def _words(text: str) -> list[Place]:
    """Words, each with the space before it: they leave nothing out."""
    starts = [0, *(found.start() for found in _PLACE.finditer(text) if found.start())]
    return list(itertools.pairwise([*starts, len(text)]))


def _divide_until_short(
    strings: Sequence[str],
    places: Iterable[tuple[int, int, int]],
    limit: int,
    lengths: Lengths,
    divide: Callable[[str, int, int], list[Place]],
) -> list[_Part]:
    """Measures the places, and divides them until none is long or each is one code point."""
    parts = _measured(strings, places, lengths)
    while long := [part for part in parts if part.size > limit and part.end - part.start > 1]:
        finer = [
            (row, start, end)
            for row, first, last, _ in long
            for start, end in divide(strings[row], first, last)
        ]
        kept = [part for part in parts if part.size <= limit or part.end - part.start <= 1]
        parts = sorted([*kept, *_measured(strings, finer, lengths)])
    return parts


def _measured(
    strings: Sequence[str], places: Iterable[tuple[int, int, int]], lengths: Lengths
) -> list[_Part]:
    places = list(places)
    sizes = lengths([strings[row][start:end] for row, start, end in places]) if places else ()
    return [_Part(*place, int(size)) for place, size in zip(places, sizes, strict=True)]


def _pack(text: str, parts: list[_Part], limit: int) -> Iterator[Place]:
    """Joins neighbours as long as they fit."""
    # What a part and all before it measure: sums of neighbours are differences.
    totals = list(itertools.accumulate((part.size for part in parts), initial=0))
    first, last = 0, 0
    while first < len(parts):
        last = max(last, first + 1)
        while last < len(parts) and totals[last + 1] - totals[first] <= limit:
            last += 1
        stop = last if last == len(parts) else _best_stop(text, parts, totals, first, last, limit)
        yield parts[first].start, parts[stop - 1].end
        first = stop


def _best_stop(
    text: str, parts: list[_Part], totals: list[int], first: int, last: int, limit: int
) -> int:
    """Before which part to cut, when those from `first` up to `last` fit together."""
    space = None
    for stop in range(last, first, -1):
        before, after = text[parts[stop - 1].end - 1], text[parts[stop].start]
        if not after.isspace() and before not in _CLAUSE_MARKS:
            continue  # Inside a long word.
        space = space or stop
        if totals[stop] - totals[first] < limit / 2:
            break
        ending = text[max(parts[first].start, parts[stop - 1].end - 3) : parts[stop - 1].end]
        if ending.rstrip(_CLOSERS).endswith(_CLAUSE_MARKS):
            return stop
    return space or last


def _chunks(text: str, start: int, end: int, limit: int) -> list[Place]:
    """Parts of `limit` characters of a long word, or its halves."""
    step = limit if end - start > limit else (end - start) // 2
    stops = [start]
    while end - stops[-1] > step:
        stops.append(_character_start(text, stops[-1], stops[-1] + step))
    return list(itertools.pairwise([*stops, end]))


def _halves(text: str, start: int, end: int) -> list[Place]:
    middle = (start + end) // 2
    spaces = [found.start() for found in _PLACE.finditer(text, start + 1, end)]
    before = [place for place in spaces if place <= middle]
    stop = (before or spaces[::-1] or [_character_start(text, start, middle)])[-1]
    return [(start, stop), (stop, end)]


def _character_start(text: str, start: int, place: int) -> int:
    """The last place up to `place` where a character starts, combining marks and all."""
    for found in range(place, start, -1):
        if not _combines(text, start, found):
            return found
    return place  # One character fills it all.


def _combines(text: str, start: int, place: int) -> bool:
    """Whether the code points before and at `place` are parts of one character."""
    before, after = text[place - 1], text[place]
    if _ZERO_WIDTH_JOINER in (before, after) or unicodedata.category(after)[0] == "M":
        return True
    if _SKIN_TONES[0] <= after <= _SKIN_TONES[1]:
        return True
    if "\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff":
        return True
    if not _FLAG_LETTERS[0] <= after <= _FLAG_LETTERS[1]:
        return False
    # Two letters are one flag.
    letters = itertools.takewhile(
        lambda at: _FLAG_LETTERS[0] <= text[at] <= _FLAG_LETTERS[1], range(place - 1, start - 1, -1)
    )
    return sum(1 for _ in letters) % 2 == 1
