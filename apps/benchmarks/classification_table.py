"""The table of `classification.py`, and what is to be said beside it."""

from __future__ import annotations

import numpy as np

ENCODERS = ("ours", "pytorch", "keras-hub")
COLUMNS = ("whole way, reviews/s", "network, sorted", "network, as they come", "training, tokens/s")


def faster(result: dict, other: dict) -> dict:
    """The first result, with the speeds of the other one where these are higher."""
    names = {*COLUMNS, "gigaflops"} & set(result) & set(other)
    higher = {name: max(result[name], other[name]) for name in names}
    return {**result, **higher}


def table(results: dict[str, dict]) -> list[str]:
    """The lines of the table."""
    peer, peak = results.get("pytorch", {}), results.get("peak", {}).get("peak")
    lines = ["| system | " + " | ".join(COLUMNS) + " | GFLOP/s | of the peak |"]
    lines.append("|---" * (len(COLUMNS) + 3) + "|")
    for system, result in results.items():
        cells = []
        for column in COLUMNS:
            speed = result.get(column)
            ratio = f" ({speed / peer[column]:.2f})" if speed and column in peer else ""
            cells.append(f"{speed:,.0f}{'' if system == 'pytorch' else ratio}" if speed else "")
        rate = result.get("gigaflops", result.get("peak"))
        cells.append(f"{rate:.0f}" if rate else "")
        cells.append(f"{rate / peak:.0%}" if rate and peak else "")
        lines.append(f"| {system} | " + " | ".join(cells) + " |")
    return lines


def remarks(results: dict[str, dict], count: int, precision: str) -> list[str]:
    """What the table was measured on, and whether the systems did the same."""
    lines, found = [], {name: results[name] for name in ENCODERS if name in results}
    if found:
        first = next(iter(found.values()))
        lines.append(
            f"{count:,} reviews of {first['tokens'] / count:.0f} tokens, for which the encoder's "
            f"matrix products take {first['operations'] / count / 1e6:.0f} MFLOP a review"
        )
    if "ours" in found:
        ours = np.asarray(found["ours"]["scores"])
        for name in [name for name in found if name != "ours"]:
            apart = np.abs(np.asarray(found[name]["scores"]) - ours).max()
            span = np.ptp(ours)
            lines.append(f"{name}: scores at most {apart:.1g} from ours, which span {span:.1g}")
    if "shipped" in results and precision != "float32":
        lines.append(
            f"{precision}: {results['shipped']['changed']} of {count:,} labels of the shipped "
            "model are not those of float32"
        )
    return lines
