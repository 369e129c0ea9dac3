"""Further sentence pairs, with other names in them: a translator learns to copy names."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from keras_tx.data.examples import SentencePairs

# A capitalized word of Latin letters.
NAME = re.compile(r"\b[A-Z][a-zà-öø-ÿ]{2,}\b")
# Before countries, titles, and whatever else has an article: another name would not fit.
ARTICLES = re.compile(r"(?:\b(?:the|en|au|aux|du|des|le|la|les)\s|\b[lL]['’])$", re.IGNORECASE)
VOWELS = frozenset("AEIOUYH")  # In French "de" is shorter before these, "h" now and then.


def shared_names(pairs: SentencePairs) -> list[str]:
    """The names in a corpus: what is capitalized inside a sentence, and its translation leaves.

    A word that also occurs in lower case is none.

    Args:
        pairs: sentences with their translations.

    Returns:
        Each name once, sorted.

    Example:
        >>> from keras_tx.data import SentencePairs, shared_names
        >>> shared_names(SentencePairs(["I saw Boris."], ["J'ai vu Boris."]))
        ['Boris']
    """
    names: set[str] = set()
    common: set[str] = set()
    for source, target in zip(pairs.sources, pairs.targets, strict=True):
        inside = (match for match in NAME.finditer(source) if match.start() > 0)
        names.update({match.group() for match in inside} & set(NAME.findall(target)))
        common.update(re.findall(r"\b[a-zà-öø-ÿ]+\b", f"{source} {target}"))
    return sorted(name for name in names if name.lower() not in common)


def swap_names(
    pairs: SentencePairs, names: Sequence[str], count: int, seed: int = 0
) -> SentencePairs:
    """Pairs with a name in both sentences, in whose place another one is put, in both.

    Half of the new names are `names`; the others begin as one of them and end as another one, so
    that there is no end to them. One that begins with a vowel takes the place of such a one. What
    stands behind an article stays: there it may be a country, or a title.

    Args:
        pairs: sentences with their translations.
        names: those to find and those to put, as `shared_names` gives them.
        count: the most pairs to make, at most one from each.
        seed: of what is drawn. Default 0.

    Returns:
        The new pairs only.

    Raises:
        ValueError: when `count` is negative.

    Example:
        >>> from keras_tx.data import SentencePairs, swap_names
        >>> pairs = SentencePairs(["Boris is here.", "It rains."], ["Boris est là.", "Il pleut."])
        >>> swap_names(pairs, ["Boris"], count=5).targets
        ['Boris est là.']

    Source: after Fadaee et al. 2017, "Data Augmentation for Low-Resource Neural Machine
    Translation", which puts rare words in the place of others.
    """
    if count < 0:
        raise ValueError(f"count expected a number from 0 on. Received: count={count!r}")
    generator = np.random.default_rng(seed)
    known = frozenset(names)
    alike = {
        vowel: [name for name in names if (name[0] in VOWELS) == vowel] for vowel in (True, False)
    }
    sources: list[str] = []
    targets: list[str] = []
    for place in generator.permutation(len(pairs)):
        if len(sources) >= count:
            break
        source, target = pairs.sources[place], pairs.targets[place]
        spans = _swappable(source, target, known)
        if spans is None:
            continue
        name = source[spans[0]]
        others = alike[name[0] in VOWELS]
        first, second = (others[number] for number in generator.integers(len(others), size=2))
        if generator.random() < 0.5:
            first = first[: -(len(first) // 2)] + second[-(len(second) // 2) :]
        for texts, text, span in ((sources, source, spans[0]), (targets, target, spans[1])):
            texts.append(text[: span.start] + first + text[span.stop :])
    return SentencePairs(sources, targets)


def _swappable(source: str, target: str, known: frozenset[str]) -> tuple[slice, slice] | None:
    """Where a name stands that both sentences have, once each, without an article."""
    found = [_names(text, known) for text in (source, target)]
    for name, spans in found[0].items():
        both = spans, found[1].get(name, [])
        if [len(spans) for spans in both] == [1, 1]:
            (first,), (second,) = both
            if not (
                ARTICLES.search(source[: first.start]) or ARTICLES.search(target[: second.start])
            ):
                return first, second
    return None


def _names(text: str, known: frozenset[str]) -> dict[str, list[slice]]:
    """The known names in a text, and where each of them stands."""
    spans: dict[str, list[slice]] = {}
    for match in NAME.finditer(text):
        if match.group() in known:
            spans.setdefault(match.group(), []).append(slice(*match.span()))
    return spans
