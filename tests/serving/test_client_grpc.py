"""Tensors in messages, against TensorFlow's own, and errors of a channel."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2

from keras_tx.serving import ServerError
from keras_tx.serving.client_grpc import GrpcTransport, from_tensor_message, to_tensor_message
from keras_tx.serving.client_transport import ModelChoice, parse_address

ARRAYS = [
    np.array([b"a", b"", b"\xff\0"], object),
    np.array([[b"x"]], object),
    np.array(b"scalar", object),
    np.array([], object),
    np.zeros((0, 3), "float32"),
    np.array([[1.5, -2.25]], "float32"),
    np.array([1e300]),
    np.array([0.5, 1.5], "float16"),
    np.arange(6, dtype="int64").reshape(1, 2, 3).transpose(0, 2, 1),
    np.array([1, 2], "int32"),
    np.array([1, 2], "uint8"),
    np.array([-1, 2], "int8"),
    np.array([True, False]),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{a.shape}")
def test_tensorflow_reads_our_messages_and_we_read_its(array):
    message = to_tensor_message(array)
    if array.size:  # Of nothing at all TensorFlow makes no array of strings.
        theirs = tf.make_ndarray(message)
        assert theirs.dtype == array.dtype and np.array_equal(theirs, array)
    for source in (message, tf.make_tensor_proto(array)):
        ours = from_tensor_message(source)
        assert ours.dtype == array.dtype and np.array_equal(ours, array)


@pytest.mark.parametrize(
    ("field", "dtype", "values"),
    [
        ("float_val", "DT_FLOAT", [1.5, 2.5]),
        ("double_val", "DT_DOUBLE", [1.5, 2.5]),
        ("int_val", "DT_INT32", [1, -2]),
        ("int_val", "DT_UINT8", [1, 2]),
        ("int64_val", "DT_INT64", [1, -2]),
        ("bool_val", "DT_BOOL", [True, False]),
        ("half_val", "DT_HALF", np.array([0.5, 1.5], "float16").view("uint16").tolist()),
        ("string_val", "DT_STRING", [b"a", b"b"]),
    ],
)
def test_values_one_by_one(field, dtype, values):
    # As TensorFlow Serving writes them.
    message = tensor_pb2.TensorProto(dtype=types_pb2.DataType.Value(dtype), **{field: values})
    message.tensor_shape.dim.add().size = 2
    expected = tf.make_ndarray(message)
    found = from_tensor_message(message)
    assert found.dtype == expected.dtype and found.tolist() == expected.tolist()
    message.tensor_shape.dim[0].size = 4  # The last one stands for those left out.
    assert from_tensor_message(message).tolist() == tf.make_ndarray(message).tolist()


@pytest.mark.parametrize("shape", [[3, 5], [-1], [1 << 62, 4], [0]])
def test_a_shape_that_the_values_do_not_fill(shape):
    message = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, tensor_content=bytes(8))
    for size in shape:
        message.tensor_shape.dim.add().size = size
    if shape == [3, 5]:
        message.tensor_content = bytes(4 * 16)
    with pytest.raises(ServerError, match="expected the values of a tensor of shape"):
        from_tensor_message(message)


@pytest.mark.parametrize("dtype", [types_pb2.DT_FLOAT, types_pb2.DT_STRING])
def test_bytes_that_are_no_numbers(dtype):
    message = tensor_pb2.TensorProto(dtype=dtype, tensor_content=b"abc")
    message.tensor_shape.dim.add(size=1)
    with pytest.raises(ServerError, match="expected the bytes of a tensor of DT_.*Received: 3"):
        from_tensor_message(message)


def test_other_dtypes():
    with pytest.raises(ServerError, match="Received: DT_COMPLEX64"):
        from_tensor_message(tf.make_tensor_proto(np.array([1j], "complex64")))
    with pytest.raises(TypeError, match="as dtype. Received: complex128"):
        to_tensor_message(np.array([1j]))


def test_nobody_there_and_a_closed_channel():
    transport = GrpcTransport(parse_address("127.0.0.1:9"))
    with pytest.raises(ServerError, match="from grpc://127.0.0.1:9. Received: UNAVAILABLE: "):
        transport.metadata(ModelChoice("m"), timeout=5)
    transport.close()
    with pytest.raises(ServerError, match="expected an open client"):
        transport.states(ModelChoice("m"), timeout=5)
