"""The files for whoever runs the server, read by the parsers of those who read them."""

import numpy as np
import pytest
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)

from keras_tx.serving import server_files
from keras_tx.serving.server_files import (
    allowed_batch_sizes,
    served_model,
    unfinished_versions,
    write_server_files,
)

NAMES = {"models.config", "batching.config", "compose.yaml", "docker_run.sh", "kubernetes.yaml"}


def make_versions(directory, *numbers, size=1000):
    for number in numbers:
        (directory / str(number)).mkdir(parents=True)
        (directory / str(number) / "saved_model.pb").write_bytes(b"x" * size)
    return directory


def parsed_models(text):
    config = pytest.importorskip("tensorflow_serving.config.model_server_config_pb2")
    message = text_format.Parse(text, config.ModelServerConfig())
    return {model.name: model for model in message.model_config_list.config}


def batching_parameters():
    """The message as the server's session_bundle_config.proto describes it."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="batching.proto", syntax="proto3")
    file.dependency.append("google/protobuf/wrappers.proto")
    message = file.message_type.add(name="BatchingParameters")
    wrapped = {
        "max_batch_size": "Int64Value", "batch_timeout_micros": "Int64Value",
        "max_enqueued_batches": "Int64Value", "num_batch_threads": "Int64Value",
        "thread_pool_name": "StringValue", "enable_large_batch_splitting": "BoolValue",
        "max_execution_batch_size": "Int64Value",
    }  # fmt: skip
    for number, (name, kind) in enumerate(wrapped.items(), 1):
        message.field.add(
            name=name, number=number, type=field.TYPE_MESSAGE, label=field.LABEL_OPTIONAL,
            type_name=f".google.protobuf.{kind}",
        )  # fmt: skip
    message.field.add(
        name="allowed_batch_sizes", number=20, type=field.TYPE_INT64, label=field.LABEL_REPEATED
    )
    pool = descriptor_pool.DescriptorPool()
    wrappers = descriptor_pb2.FileDescriptorProto()
    wrappers_pb2.DESCRIPTOR.CopyToProto(wrappers)
    pool.Add(wrappers)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("BatchingParameters"))


def test_all_files_for_two_models(tmp_path):
    one = make_versions(tmp_path / "exported" / "translator_en_fr", 1, 2, 10)
    two = make_versions(tmp_path / "exported" / "sentiment", 3)
    (one / "notes").mkdir()
    files = write_server_files([one, two], tmp_path / "deploy", max_batch_size=48, cpus=3)
    assert {file.name for file in files} == NAMES
    assert {file.name for file in (tmp_path / "deploy").iterdir()} == NAMES
    models = parsed_models((tmp_path / "deploy" / "models.config").read_text())
    assert set(models) == {"translator_en_fr", "sentiment"}
    translator = models["translator_en_fr"]
    assert translator.base_path == "/models/translator_en_fr"
    assert translator.model_platform == "tensorflow"
    assert list(translator.model_version_policy.specific.versions) == [2, 10]
    assert dict(translator.version_labels) == {"stable": 10, "previous": 2}
    assert dict(models["sentiment"].version_labels) == {"stable": 3}
    text = (tmp_path / "deploy" / "batching.config").read_text()
    batching = text_format.Parse(text, batching_parameters()())
    assert list(batching.allowed_batch_sizes) == [1, 2, 4, 8, 16, 32, 48]
    # What the server asks of the last one.
    assert batching.allowed_batch_sizes[-1] == batching.max_execution_batch_size.value == 48
    assert batching.max_batch_size.value == 1024 and batching.enable_large_batch_splitting.value
    assert batching.num_batch_threads.value == 3
    again = write_server_files([one], tmp_path / "deploy")  # Replaces, leaves nothing beside.
    assert again == files and {file.name for file in (tmp_path / "deploy").iterdir()} == NAMES
    assert set(parsed_models(files[0].read_text())) == {"translator_en_fr"}


def test_an_older_version_stays_stable_beside_a_canary(tmp_path):
    base = make_versions(tmp_path / "model", 1, 2, 3, size=7)
    model = served_model(base, stable=2)
    assert model.labels == {"stable": 2, "canary": 3} and model.size == 14
    files = write_server_files([base], tmp_path / "deploy", stable={"model": 2})
    config = parsed_models(files[0].read_text())["model"]
    assert list(config.model_version_policy.specific.versions) == [2, 3]


def test_versions_whose_names_begin_with_zeros(tmp_path):
    base = make_versions(tmp_path / "model", "007", "08", size=7)
    model = served_model(base, stable=7)
    assert (model.labels, model.size) == ({"stable": 7, "canary": 8}, 14)


def test_a_folder_without_a_graph_is_no_version_yet(tmp_path):
    base = make_versions(tmp_path / "model", 2, 4)
    for number in (1, 3, 5, 10):  # Empty, or half copied.
        (base / str(number) / "variables").mkdir(parents=True)
    (base / "11").write_text("a file")
    assert served_model(base).labels == {"stable": 4, "previous": 2}
    assert served_model(base, stable=2).labels == {"stable": 2, "canary": 4}
    assert [folder.name for folder in unfinished_versions(base)] == ["5", "10"]
    with pytest.raises(ValueError, match=r"of \[2, 4\]. Received: stable=5"):
        served_model(base, stable=5)
    (base / "10" / "saved_model.pb").touch()
    assert unfinished_versions(base) == []
    (tmp_path / "other" / "1").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="expected an exported model"):
        served_model(tmp_path / "other")
    assert [folder.name for folder in unfinished_versions(tmp_path / "other")] == ["1"]


def test_numbers_that_no_server_reads_are_no_versions(tmp_path):
    base = make_versions(tmp_path / "model", 7, 2**63 - 1, 2**63, 10**30)
    write_server_files([base], tmp_path)
    config = parsed_models((tmp_path / "models.config").read_text())["model"]
    assert dict(config.version_labels) == {"stable": 2**63 - 1, "previous": 7}


@pytest.mark.parametrize(
    ("largest", "sizes"), [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (64, [1, 2, 4, 8, 16, 32, 64])]
)
def test_allowed_batch_sizes(largest, sizes):
    assert allowed_batch_sizes(largest) == sizes


def test_what_cannot_be_served(tmp_path):
    base = make_versions(tmp_path / "model", 4)
    other = make_versions(tmp_path / "elsewhere" / "model", 1)
    strange = make_versions(tmp_path / "two words", 1)
    for error, message, exports, options in [
        (ValueError, "expected one or more exports", [], {}),
        (
            FileNotFoundError,
            "expected an exported model. Received: .*none",
            [tmp_path / "none"],
            {},
        ),
        (ValueError, "a model's base directory, .*, a version", [base / "4"], {}),
        (ValueError, "letters, digits, .* Received: 'two words'", [strange], {}),
        (ValueError, "different names", [base, other], {}),
        (ValueError, r"a version of model, of \[4\]. Received: stable=5", [base], {"stable": 5}),
        (ValueError, r"expected names of \['model'\]. Received: \['x'\]", [base], {"x": 4}),
    ]:
        options = {"stable": {k if k == "x" else "model": v for k, v in options.items()}}
        with pytest.raises(error, match=message):
            write_server_files(exports, tmp_path / "deploy", **options)
    for name in ("max_batch_size", "cpus", "replicas"):
        for number in (0, 2.5, "2", True):
            message = f"{name} expected a whole number from 1. Received: {name}={number!r}"
            with pytest.raises(ValueError, match=message):
                write_server_files([base], tmp_path / "deploy", **{name: number})
    for image in ("", "tensorflow/serving:2.20.0; reboot", "a\nb", ":2.20", "$IMAGE", None):
        with pytest.raises(ValueError, match="image expected letters, digits and .* Received: im"):
            write_server_files([base], tmp_path / "deploy", image=image)
    assert not (tmp_path / "deploy").exists()


def test_images_and_numbers_that_fit(tmp_path):
    base = make_versions(tmp_path / "model", 1)
    size, image = np.int64(8), f"host:5000/a_b/c-d:2.20@sha256:{'0' * 64}"
    write_server_files([base], tmp_path, max_batch_size=size, image=image)
    assert "allowed_batch_sizes: 8\n" in (tmp_path / "batching.config").read_text()
    assert f" {image} " in (tmp_path / "docker_run.sh").read_text()


def test_the_image_is_of_a_named_release():
    assert server_files.IMAGE.split(":")[1][0].isdecimal()
