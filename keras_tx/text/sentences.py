"""Where sentences end: rules in plain Python, for English, French and their neighbours."""

from __future__ import annotations

import re
import unicodedata

# What ends a sentence, the quotes and brackets that close after it, and the white space that
# follows. Possessive (`+` after a repetition), so that no text takes more than linear time.
# A guillemet may stand after a space: « Bonjour. »
_END = re.compile(
    r"""(?P<marks>[.!?…‼⁇⁈⁉]++|[。！？｡]++)
    (?:[ \u00a0\u202f]?[»›]|["'”’)\]}」』）】》])*+
    (?P<space>\s*+)""",
    re.VERBOSE,
)
_OPENERS = re.compile(r"""(?:["'“”‘«‹(\[{¿¡—–-][ \u00a0\u202f]?)*+""")
_LAST_WORD = re.compile(r"""[^\s"'“”‘’«‹(\[{—–]+\Z""")
_ACRONYM = re.compile(r"(?:[^\W\d_]\.-?)+[^\W\d_]\Z")
_WIDE_MARKS = frozenset("。！？｡")
_LONGEST_WORD = 24

# Never the end of a sentence. Without their last full stop, in small letters.
ABBREVIATIONS = frozenset(
    # English
    "mr mrs ms messrs dr prof rev hon st mt ft gen col lt sgt capt cmdr adm maj gov sen rep pres "
    "jr sr vs cf etc viz approx dept est al inc ltd co corp bros ave blvd rd "
    # French
    "m mm mme mmes mlle mlles mgr dr pr ste sté av bd boul env éd ex resp tél "
    "janv févr juill qqch qqn".split()
)
# These end no sentence when a number follows: No. 5, p. 12, 5 janv. 2020.
BEFORE_NUMBERS = frozenset(
    "no nos nr n° art fig figs eq p pp vol ch chap sec sect par tab v vv "
    "jan feb mar apr jun jul aug sep sept oct nov dec avr juil déc".split()
)


def sentence_ends(text: str) -> list[tuple[int, int]]:
    r"""Finds where a sentence ends and another one begins.

    A sentence ends with one or more of `. ! ? …` and the quotes and brackets that close after
    them, when white space and a plausible start follow: anything but a small letter or a mark
    that does not open. After `。！？` neither is asked for. No sentence ends after an
    abbreviation (`Mr.`, `p. ex.`), initials (`J. R. R. Tolkien`), an acronym (`the U.S.`) or the
    number of an item (`1. Salt`). Rules leave out ends rather than invent them.

    Args:
        text: any text. Line breaks are white space like other; where they separate, call this
            for each line.

    Returns:
        Pairs `(end, start)`: where a sentence ends and where the next one starts, in order.
        Between them is nothing but white space. An end after which nothing follows is left out.

    Example:
        >>> from keras_tx.text import sentence_ends
        >>> text = "Dr. Lee came at 3.14 p.m. He said: “Go!” Nobody went…"
        >>> ends = sentence_ends(text)
        >>> [text[start:end] for start, end in zip([0, *(s for _, s in ends)],
        ...                                        [*(e for e, _ in ends), None])]
        ['Dr. Lee came at 3.14 p.m. He said: “Go!”', 'Nobody went…']

    Source: the rules of Koehn's `split-sentences.perl` (Europarl, 2005), made shorter.
    """
    ends, begin = [], 0
    for found in _END.finditer(text):
        end, start = found.span("space")
        if start == len(text):
            break
        if _separates(text, begin, found):
            ends.append((end, start))
            begin = start
    return ends


def _separates(text: str, begin: int, found: re.Match) -> bool:
    """Whether an end of a sentence that began at `begin` is one."""
    marks, start = found["marks"], found.end()
    if marks[0] in _WIDE_MARKS:
        return True
    if not found["space"]:
        return False
    place = _OPENERS.match(text, start).end()
    first = text[place : place + 1]
    # A letter, a number or a symbol (an emoji is one) may start a sentence; a comma may not.
    if not first or first.islower() or unicodedata.category(first)[0] not in "LNS":
        return False
    return marks != "." or not _is_abbreviation(text, begin, found.start(), first)


def _is_abbreviation(text: str, begin: int, dot: int, first: str) -> bool:
    """Whether the full stop at `dot` belongs to the word before it. `first` follows."""
    found = _LAST_WORD.search(text, max(begin, dot - _LONGEST_WORD), dot)
    if not found:
        return False
    word = found[0]
    if found.start() == begin and word.isdigit():
        return True  # The number of an item, or of a line.
    if len(word) == 1 and word.isalpha():
        # “So do I. You too.” is an end, “I. Newton” none.
        before = text[max(begin, found.start() - 2) : found.start()].strip()
        return word != "I" or not before.islower()
    lowered = word.lower()
    if lowered in ABBREVIATIONS or _ACRONYM.match(word):
        return True
    return lowered in BEFORE_NUMBERS and first.isdigit()
