"""Explanations of a classifier as lines: in colour on a terminal, plain elsewhere."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

from keras_tx.cli.output_file import STANDARD_STREAM

BEGINS_WORD = "▁"  # SentencePiece's sign.
TEXTS_AT_ONCE = 8  # Each text is computed dozens of times.


def explaining(
    classifier: Any, line_format: str, output_path: str | None, batch_size: int
) -> Callable[[list[str]], list[str]]:
    """A function from texts to one line each.

    Args:
        classifier: a `TextClassifier`.
        line_format: `"tsv"`: label, score, and the tokens with what each adds to the label's
            logit, `token=+0.12`, parted by spaces; on a terminal the text itself instead, in
            colour. `"jsonl"`: a JSON object.
        output_path: where the lines go; standard output unless given.
        batch_size: the most texts at once.
    """
    to_line = json_line if line_format == "jsonl" else tab_line
    if line_format == "tsv" and (depth := color_depth(output_path)):

        def to_line(found: Any) -> str:
            return color_line(found, depth)

    def explain(texts: list[str]) -> list[str]:
        found = classifier.explain(texts, batch_size=min(batch_size, TEXTS_AT_ONCE))
        return [to_line(one) for one in found]

    return explain


def color_depth(output_path: str | None) -> str | None:
    """The name of the colours that the terminal knows; `None` where there is none."""
    if output_path not in (None, STANDARD_STREAM):
        return None
    from rich.console import Console

    return Console().color_system  # Knows of `NO_COLOR`, of `TERM`, and of pipes.


def tab_line(found: Any) -> str:
    """Label, score, and each token with its share: `good\t0.9\tfine=+1.20`."""
    pairs = zip(found.tokens, found.attributions, strict=True)
    shares = " ".join(f"{_printable(token)}={share:+.3f}" for token, share in pairs)
    return f"{_label_and_score(found)}\t{shares}"


def json_line(found: Any) -> str:
    """All of an explanation but the error of the integral."""
    content = {
        "label": found.label,
        "score": round(found.score, 6),
        "tokens": found.tokens,
        "attributions": [round(share, 6) for share in found.attributions],
        "logit": round(found.logit, 6),
        "baseline_logit": round(found.baseline_logit, 6),
    }
    return json.dumps(content, ensure_ascii=False)


def color_line(found: Any, depth: str) -> str:
    """Label, score and the text: green for the label, red against it, the stronger the more."""
    from rich.color import Color
    from rich.console import Console
    from rich.style import Style
    from rich.text import Text

    largest = max((abs(share) for share in found.attributions), default=0.0) or 1.0
    pieces = any(token.startswith(BEGINS_WORD) for token in found.tokens)
    text = Text()
    for place, (token, share) in enumerate(zip(found.tokens, found.attributions, strict=True)):
        if place and (not pieces or token.startswith(BEGINS_WORD)):
            text.append(" ")
        strength = round(200 * abs(share) / largest)
        others = 255 - strength
        background = (others, 255, others) if share > 0 else (255, others, others)
        style = Style(color="black", bgcolor=Color.from_rgb(*background))
        # Where next to nothing is added, the terminal's own colours are the best to read.
        plain = _printable(token.replace(BEGINS_WORD, " ").strip())
        text.append(plain, style if strength > 10 else None)
    output = io.StringIO()
    console = Console(
        file=output, force_terminal=True, color_system=depth, width=10**9, highlight=False
    )
    console.print(text, end="", soft_wrap=True)
    return f"{_label_and_score(found)}\t{output.getvalue()}"


def _label_and_score(found: Any) -> str:
    return f"{' '.join(found.label.split())}\t{found.score:.4f}"


def _printable(token: str) -> str:
    # A text must not end the line, nor send commands to the terminal.
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in token)
