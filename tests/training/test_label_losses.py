"""The loss of several labels, against a plain twin."""

import keras
import numpy as np
import pytest

from keras_tx.training import MultiLabelCrossentropy

LABELS = np.array([[1, 0, 1], [0, 0, 0]])
LOGITS = np.array([[2.0, -1.0, 0.5], [-8.0, 30.0, 0.0]], "float32")


def plain(smoothing, weights):
    chances = 1 / (1 + np.exp(-LOGITS.astype("float64")))
    targets = (1 - smoothing) * LABELS + smoothing / 2
    losses = -(targets * np.log(chances) + (1 - targets) * np.log(1 - chances))
    return (losses * weights).sum() / weights.sum()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_plain_twin(smoothing):
    loss = MultiLabelCrossentropy(smoothing)
    by_label = np.array([[1, 2, 3], [0, 1, 0.5]])
    by_text = np.array([0.25, 4])
    spread = np.tile(by_text[:, None], 3)
    for given, weights in ((None, np.ones((2, 3))), (by_label, by_label), (by_text, spread)):
        got = float(loss(LABELS, LOGITS, sample_weight=given))
        assert got == pytest.approx(plain(smoothing, weights), rel=1e-3)


def test_it_is_what_keras_computes_where_both_apply():
    theirs = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1)
    ours = MultiLabelCrossentropy(0.1)
    assert float(ours(LABELS, LOGITS)) == pytest.approx(float(theirs(LABELS, LOGITS)), rel=1e-5)


@pytest.mark.parametrize("weights", [None, np.array([0.5, 2.0])])
def test_a_single_label_may_lack_its_axis(weights):
    labels, logits = LABELS[:, 0], LOGITS[:, :1]
    theirs = keras.losses.BinaryCrossentropy(
        from_logits=True, reduction="sum_over_batch_size" if weights is None else "sum"
    )
    expected = float(theirs(labels, logits, weights)) / (1 if weights is None else 2.5)
    for given in (labels, labels[:, None]):
        found = float(MultiLabelCrossentropy()(given, logits, weights))
        assert found == pytest.approx(expected, rel=1e-5)


def test_labels_whose_rank_tensorflow_does_not_know():
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec(None), tf.TensorSpec([None, 3])])
    def loss(labels, logits):
        return MultiLabelCrossentropy()(labels, logits)

    found = loss(tf.constant(LABELS, "float32"), LOGITS)
    assert float(found) == pytest.approx(float(MultiLabelCrossentropy()(LABELS, LOGITS)))


def test_it_is_saved_with_a_model():
    config = keras.saving.serialize_keras_object(MultiLabelCrossentropy(0.1, name="mine"))
    again = keras.saving.deserialize_keras_object(config)
    assert (again.label_smoothing, again.name) == (0.1, "mine")


def test_errors():
    with pytest.raises(ValueError, match="label_smoothing=1"):
        MultiLabelCrossentropy(1)
    with pytest.raises(ValueError, match="Received: reduction='sum'"):
        MultiLabelCrossentropy(reduction="sum")
    for labels in (LABELS[0], LABELS[:, :2], LABELS[..., None]):
        with pytest.raises(ValueError, match=r"shape of y_pred, \(2, 3\). Received: "):
            MultiLabelCrossentropy()(labels, LOGITS)
