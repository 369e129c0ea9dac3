"""Which of a model's signatures gives what, and what its outputs say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from keras_tx.serving.client_transport import ServerError, Signature
from keras_tx.serving.label_choice import choose_labels
from keras_tx.serving.results import Classification

DEFAULT_SIGNATURE = "serving_default"
# Kind of result -> inputs and outputs of the signature that gives it.
KINDS = {
    "classify": ({"text"}, {"label", "score"}),
    "translate": ({"text"}, {"translation"}),
    "n_best": ({"text"}, {"translations", "scores", "log_probabilities"}),
    "score": ({"text", "translation"}, {"score", "tokens", "token_scores", "lengths"}),
    "align": (
        {"text", "translation"},
        {"alignment", "source_tokens", "target_tokens", "source_lengths", "target_lengths"},
    ),
}


def choose_signature(kind: str, model: str, signatures: Mapping[str, Signature]) -> str:
    """The name of the signature that gives a kind of result.

    Of several it is the default one, or else the one with the name of the kind.

    Args:
        kind: one of `KINDS`.
        model: the model's name, for the error.
        signatures: the model's.

    Raises:
        ServerError: when none has the inputs and outputs for it.

    Example:
        >>> from keras_tx.serving.client_signatures import choose_signature
        >>> from keras_tx.serving.client_transport import Signature, TensorDescription
        >>> text = TensorDescription("object", (None,))
        >>> signatures = {"french": Signature({"text": text}, {"translation": text})}
        >>> choose_signature("translate", "translator_en_fr", signatures)
        'french'
    """
    inputs, outputs = KINDS[kind]
    fitting = [
        name
        for name, signature in signatures.items()
        if set(signature.inputs) == inputs and outputs <= set(signature.outputs)
    ]
    if not fitting:
        known = "; ".join(
            f"{name}: {_listed(found.inputs)} -> {_listed(found.outputs)}"
            for name, found in sorted(signatures.items())
        )
        raise ServerError(
            f"expected a signature with {_listed(inputs)} -> {_listed(outputs)} for {kind}. "
            f"Received: {model} with {known or 'none'}",
            "INVALID_ARGUMENT",
        )
    return min(fitting, key=lambda name: (name != DEFAULT_SIGNATURE, name != kind, name))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def classification(row: dict[str, Any], threshold: float | None) -> Classification:
    """What a row of a classifier's outputs says.

    Args:
        row: the outputs for one text. Without `labels` only the best label is known.
        threshold: as for `choose_labels`.
    """
    label, score = _word(row["label"]), float(row["score"])
    scores = {label: score}
    if "labels" in row and "scores" in row:
        pairs = zip(row["labels"], row["scores"], strict=True)
        scores = {_word(name): float(value) for name, value in pairs}
    return choose_labels(scores, threshold, bool(row.get("multi_label", False)))


def _word(value: bytes) -> str:
    return value.decode("utf-8", errors="replace")
