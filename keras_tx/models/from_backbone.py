"""Classifiers that begin with what a backbone has learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from keras_tx.models.computing_precision import require_whole_weights
from keras_tx.models.encoder_network import encoder_settings
from keras_tx.models.region_encoder import RegionEncoder

if TYPE_CHECKING:
    from keras_tx.models.backbone import Backbone
    from keras_tx.models.region_backbone import RegionBackbone
    from keras_tx.models.text_classifier import TextClassifier


REGION_LENGTH = 512  # Of a `RegionBackbone`'s classifier, as long as nothing else is said.


def classifier_from_backbone(
    kind: type[TextClassifier],
    backbone: Backbone | RegionBackbone | TextClassifier,
    sequence_length: int | None = None,
    **changes: Any,
) -> TextClassifier:
    """A classifier whose encoder is a copy of the backbone's, to be fine-tuned.

    Args:
        backbone: a `Backbone`, trained or not, also one of an encoder of KerasHub; a
            `RegionBackbone`; or any classifier, for other labels.
        sequence_length: the most tokens of a text that the encoder reads; of a longer one,
            head and tail are kept. An encoder trained in advance reads them in windows of as
            many tokens as it was trained on, whose vectors are pooled together. Default: four
            windows; 512 with a `RegionBackbone`, which has none; with the encoders of a
            classifier that had no backbone, as many as that read, and no other number will do.
        **changes: further arguments of the classifier and its network, such as `labels`,
            `ngram_buckets`, `dropout`, `token_dropout` (whole tokens become the mask, or
            are left out of regions); with a `RegionBackbone` also `units`, the size of the layer
            that is trained on labels (default 300).

    Returns:
        The classifier, with the backbone's tokenizer.

    Raises:
        ValueError: when an argument does not fit.
        TypeError: for something else than a backbone or a classifier.

    Example:
        >>> from keras_tx.models import Backbone, TextClassifier
        >>> from keras_tx.text import WordTokenizer
        >>> tokenizer = WordTokenizer().fit(["good film", "bad film"])
        >>> backbone = Backbone.from_preset("tiny", tokenizer)
        >>> model = TextClassifier.from_backbone(backbone, labels=["no", "yes"])
        >>> len(model.classify(["a good film"]))
        1

    Source: Howard and Ruder 2018, "Universal Language Model Fine-tuning for Text
    Classification"; Devlin et al. 2019, "BERT".
    """
    arguments = getattr(backbone, "network_arguments", None)
    if isinstance(getattr(backbone, "network", None), keras.Model):
        require_whole_weights(backbone.network, "from_backbone")
    if arguments is not None and not arguments.get("encoder") and hasattr(backbone, "labels"):
        return _from_classifier(kind, backbone, sequence_length, changes)
    if isinstance(getattr(backbone, "encoder", None), RegionEncoder):
        return _from_regions(kind, backbone, sequence_length or REGION_LENGTH, **changes)
    encoder, window, mask_id = _encoder_of(backbone)
    classifier = kind(
        backbone.tokenizer,
        **{
            "sequence_length": sequence_length or (4 * window if window else REGION_LENGTH),
            "vocabulary_size": backbone.vocabulary_size,
            "encoder": encoder_settings(encoder),
            "window": window,
            "mask_id": mask_id,
            # It is not new, and needs less of both.
            "dropout": 0.1,
            "token_dropout": 0.1,
            **changes,
        },
    )
    begun = classifier.network.get_layer("encoder").encoder
    begun.set_weights(encoder.get_weights())
    return classifier


def _from_regions(
    kind: type[TextClassifier],
    backbone: RegionBackbone,
    sequence_length: int,
    units: int = 300,
    **changes: Any,
) -> TextClassifier:
    """A classifier with regions that are known and a layer that is not."""
    settings = encoder_settings(backbone.encoder)
    # Half precision is enough where no small steps are added up.
    news = {"units": units, "frozen_dtype": "float16"}
    settings["arguments"] = {**settings["arguments"], **news}
    arguments = {
        "sequence_length": sequence_length,
        "vocabulary_size": backbone.vocabulary_size,
        "encoder": settings,
        "token_dropout": 0.1,
        **changes,
    }
    classifier = kind(backbone.tokenizer, **arguments)
    encoder, known = classifier.network.get_layer("encoder").encoder, backbone.encoder
    encoder.token_embedding.frozen.assign(known.token_embedding.get_weights()[0])
    encoder.get_layer("known_regions").set_weights(known.get_layer("known_regions").get_weights())
    return classifier


def _from_classifier(
    kind: type[TextClassifier],
    begun: TextClassifier,
    sequence_length: int | None,
    changes: dict[str, Any],
) -> TextClassifier:
    """A classifier with the embedding and the encoders of one that was trained on labels."""
    if sequence_length not in (None, begun.sequence_length):
        raise ValueError(
            f"sequence_length expected the classifier's, {begun.sequence_length}, or none. "
            f"Received: sequence_length={sequence_length!r}"
        )
    classifier = kind(
        begun.tokenizer,
        **{
            "sequence_length": begun.sequence_length,
            "vocabulary_size": begun.vocabulary_size,
            **begun.network_arguments,
            **changes,
        },
    )
    for layer in classifier.network.layers:
        if layer.weights and layer.name not in ("logits", "ngrams"):  # These are of labels.
            layer.set_weights(begun.network.get_layer(layer.name).get_weights())
    return classifier


def _encoder_of(backbone: Any) -> tuple[keras.Model, int | None, int | None]:
    """The encoder, the tokens that it reads at once, and its mask id, if it has such."""
    if hasattr(backbone, "encoder_settings"):
        return backbone.encoder, backbone.sequence_length, backbone.mask_id
    arguments = getattr(backbone, "network_arguments", {})
    if not arguments.get("encoder"):
        raise TypeError(
            f"backbone expected a Backbone or a TextClassifier. Received: {type(backbone).__name__}"
        )
    encoder = backbone.network.get_layer("encoder").encoder
    # An encoder of regions was trained on no windows, and has no mask.
    window = None if isinstance(encoder, RegionEncoder) else backbone.sequence_length
    return encoder, arguments.get("window") or window, arguments.get("mask_id")
