"""The book's models run on these layers after changing only the imports.

*Deep Learning with Python*, 2nd edition, chapter 11 and 3rd edition, chapter 15: the same
calls in the same form, smaller sizes, other words.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_tx.layers import PositionalEmbedding, TransformerDecoder, TransformerEncoder

PAIRS = [
    ("the cat sleeps", "[start] le chat dort [end]"),
    ("the dog runs in the garden", "[start] le chien court dans le jardin [end]"),
]
ENGLISH = ["", *sorted({word for pair in PAIRS for word in pair[0].split()})]
FRENCH = ["", *sorted({word for pair in PAIRS for word in pair[1].split()})]
SOURCE_LENGTH, TARGET_LENGTH = 6, 9  # not equal, as the book's decoder would need

vocab_size = 16
sequence_length = 9
embed_dim = hidden_dim = 16
dense_dim = intermediate_dim = 32
num_heads = 2


def vectorize(sentences: list[str], words: list[str], length: int) -> np.ndarray:
    """What the book's `TextVectorization` gives: word ids, padded with 0."""
    rows = [[words.index(word) for word in sentence.split()] for sentence in sentences]
    return np.array([row + [0] * (length - len(row)) for row in rows], "int32")


def reviews() -> tuple[np.ndarray, np.ndarray]:
    """Token 1 is in the bad ones, token 2 in the good ones."""
    ids = np.random.default_rng(0).integers(3, vocab_size, (32, sequence_length))
    labels = np.arange(32) % 2
    ids[:, 4] = 1 + labels
    ids[::3, 7:] = 0
    return ids.astype("int32"), labels.astype("float32")


def imdb_encoder() -> keras.Model:
    inputs = keras.Input(shape=(None,), dtype="int64")
    x = layers.Embedding(vocab_size, embed_dim)(inputs)
    x = TransformerEncoder(embed_dim, dense_dim, num_heads)(x)
    x = layers.GlobalMaxPooling1D()(x)
    x = layers.Dropout(0.5)(x)
    outputs = layers.Dense(1, activation="sigmoid")(x)
    return keras.Model(inputs, outputs)


def imdb_encoder_with_positions() -> keras.Model:
    inputs = keras.Input(shape=(None,), dtype="int64")
    x = PositionalEmbedding(sequence_length, vocab_size, embed_dim)(inputs)
    x = TransformerEncoder(embed_dim, dense_dim, num_heads)(x)
    x = layers.GlobalMaxPooling1D()(x)
    x = layers.Dropout(0.5)(x)
    outputs = layers.Dense(1, activation="sigmoid")(x)
    return keras.Model(inputs, outputs)


def imdb_encoder_of_the_third_edition() -> keras.Model:
    inputs = keras.Input(shape=(None,), dtype="int32")
    x = PositionalEmbedding(
        sequence_length=sequence_length, input_dim=vocab_size, output_dim=hidden_dim
    )(inputs)
    x = TransformerEncoder(hidden_dim, intermediate_dim, num_heads)(
        source=x, source_mask=inputs != 0
    )
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dropout(0.3)(x)
    outputs = layers.Dense(1, activation="sigmoid")(x)
    return keras.Model(inputs, outputs)


def translator_of_the_second_edition() -> keras.Model:
    encoder_inputs = keras.Input(shape=(None,), dtype="int64", name="english")
    x = PositionalEmbedding(sequence_length, vocab_size, embed_dim)(encoder_inputs)
    encoder_outputs = TransformerEncoder(embed_dim, dense_dim, num_heads)(x)
    decoder_inputs = keras.Input(shape=(None,), dtype="int64", name="french")
    x = PositionalEmbedding(sequence_length, vocab_size, embed_dim)(decoder_inputs)
    x = TransformerDecoder(embed_dim, dense_dim, num_heads)(x, encoder_outputs)
    x = layers.Dropout(0.5)(x)
    decoder_outputs = layers.Dense(vocab_size, activation="softmax")(x)
    return keras.Model([encoder_inputs, decoder_inputs], decoder_outputs)


def translator_of_the_third_edition() -> keras.Model:
    source = keras.Input(shape=(None,), dtype="int32", name="english")
    x = PositionalEmbedding(sequence_length, vocab_size, hidden_dim)(source)
    encoder_output = TransformerEncoder(hidden_dim, intermediate_dim, num_heads)(
        source=x,
        source_mask=source != 0,
    )
    target = keras.Input(shape=(None,), dtype="int32", name="french")
    x = PositionalEmbedding(sequence_length, vocab_size, hidden_dim)(target)
    x = TransformerDecoder(hidden_dim, intermediate_dim, num_heads)(
        target=x,
        source=encoder_output,
        source_mask=source != 0,
    )
    x = layers.Dropout(0.5)(x)
    target_predictions = layers.Dense(vocab_size, activation="softmax")(x)
    return keras.Model([source, target], target_predictions)


CLASSIFIERS = [imdb_encoder, imdb_encoder_with_positions, imdb_encoder_of_the_third_edition]


# The book pools over padding too; Keras says so, now that the mask gets there.
@pytest.mark.filterwarnings("ignore:.*GlobalMaxPooling1D.*mask:UserWarning")
@pytest.mark.parametrize("listing", CLASSIFIERS)
def test_classifier_trains_saves_and_loads(listing, tmp_path, eager_training):
    model = listing()
    model.compile(
        optimizer="rmsprop",
        loss="binary_crossentropy",
        metrics=["accuracy"],
        **eager_training,
    )
    ids, labels = reviews()
    callbacks = [keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", save_best_only=True)]
    history = model.fit(
        ids, labels, validation_data=(ids, labels), epochs=2, callbacks=callbacks, verbose=0
    ).history
    assert np.isfinite(history["val_loss"]).all()
    assert history["val_loss"][1] < history["val_loss"][0]
    again = keras.models.load_model(tmp_path / "best.keras")
    np.testing.assert_array_equal(
        ops.convert_to_numpy(model(ids)), ops.convert_to_numpy(again(ids))
    )


def translate(model: keras.Model, sentence: str) -> str:
    """The book's greedy loop: the whole model once a token."""
    tokenized_source = vectorize([sentence], ENGLISH, SOURCE_LENGTH)
    decoded = "[start]"
    for i in range(TARGET_LENGTH):
        tokenized_target = vectorize([decoded], FRENCH, TARGET_LENGTH + 1)[:, :-1]
        predictions = ops.convert_to_numpy(model([tokenized_source, tokenized_target]))
        token = FRENCH[int(np.argmax(predictions[0, i, : len(FRENCH)]))]
        decoded += " " + token
        if token == "[end]":
            break
    return decoded


@pytest.mark.parametrize(
    ("listing", "optimizer", "weighted"),
    [
        (translator_of_the_second_edition, keras.optimizers.RMSprop, False),
        (translator_of_the_third_edition, keras.optimizers.Adam, True),
    ],
)
def test_translator_learns_two_sentences_saves_loads_and_decodes(
    listing, optimizer, weighted, tmp_path
):
    source = vectorize([pair[0] for pair in PAIRS], ENGLISH, SOURCE_LENGTH)
    french = vectorize([pair[1] for pair in PAIRS], FRENCH, TARGET_LENGTH + 1)
    target, labels = french[:, :-1], french[:, 1:]
    model = listing()
    model.compile(
        optimizer=optimizer(0.01),  # faster than the book's, for few steps
        loss="sparse_categorical_crossentropy",
        weighted_metrics=["accuracy"],
    )
    many = [np.repeat(x, 64, axis=0) for x in (source, target, labels)]
    # The 2nd edition leaves padding to the mask, the 3rd gives weights.
    weights = (many[2] != 0) if weighted else None
    model.fit(many[:2], many[2], sample_weight=weights, batch_size=8, epochs=6, verbose=0)

    model.save(tmp_path / "translator.keras")
    again = keras.models.load_model(tmp_path / "translator.keras")
    np.testing.assert_array_equal(
        ops.convert_to_numpy(model([source, target])),
        ops.convert_to_numpy(again([source, target])),
    )
    for english, expected in PAIRS:
        assert translate(again, english) == expected
