"""Manifests, read as YAML and as shell."""

import csv
import json
import os
import pathlib
import shlex
import subprocess

import pytest

from keras_tx.serving import server_manifests
from keras_tx.serving.server_files import write_server_files

yaml = pytest.importorskip("yaml")


@pytest.fixture(scope="module")
def deploy(tmp_path_factory):
    root = tmp_path_factory.mktemp("it's $5 \U0001f600")  # A place that needs quotes everywhere.
    models, deploy = root / 'a: "b", c' / "models", root / 'd: "e", f' / "deploy"
    for name in ("translator_en_fr", "sentiment"):
        (models / name / "1").mkdir(parents=True)
        (models / name / "1" / "saved_model.pb").touch()
        (models / name / "1" / "weights").write_bytes(b"x" * 2**20)
    exports = [models / "translator_en_fr", models / "sentiment"]
    write_server_files(exports, deploy, cpus=3, replicas=4)
    return deploy


def test_compose(deploy):
    (service,) = yaml.safe_load((deploy / "compose.yaml").read_text())["services"].values()
    assert service["image"] == "tensorflow/serving:2.20.0"
    assert tuple(service["command"]) == server_manifests.ARGUMENTS
    # Nobody but this machine.
    assert service["ports"] == ["127.0.0.1:8500:8500", "127.0.0.1:8501:8501"]
    folders = {v["target"]: v for v in service["volumes"] if isinstance(v, dict)}
    assert set(folders) == {"/models/translator_en_fr", "/models/sentiment"}
    for target, volume in folders.items():
        source = volume["source"].replace("$$", "$")  # As Compose reads it.
        assert (deploy / source / "1" / "weights").is_file() and source.endswith(target[8:])
        assert volume["read_only"] is True
    for name in ("models.config", "batching.config"):
        assert f"./{name}:/config/{name}:ro" in service["volumes"]
        assert any(argument.endswith(f"=/config/{name}") for argument in service["command"])
    check = service["healthcheck"]["test"]
    assert check[:3] == ["CMD", "bash", "-c"] and len(check) == 4
    assert "GET /v1/models/translator_en_fr HTTP/1.0\\r\\n\\r\\n" in check[3]
    subprocess.run(["bash", "-n", "-c", check[3]], check=True)
    limits = service["deploy"]["resources"]["limits"]
    assert limits == {"cpus": "3", "memory": "768m"}


@pytest.mark.parametrize("linked", [False, True])
def test_docker_run_is_one_command_with_paths_that_hold(deploy, tmp_path, linked):
    # A program of that name writes down what it is asked to do.
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    docker.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "CDPATH": "."}
    (tmp_path / "current").symlink_to(deploy)
    folder = tmp_path / "current" if linked else deploy
    script = folder / "docker_run.sh"
    # By a relative path, where `cd` would look in CDPATH and say what it found.
    command = ["sh", script.relative_to(folder.parent)]
    answer = subprocess.run(
        command, env=environment, cwd=folder.parent, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr
    arguments = answer.stdout.splitlines()
    assert arguments[:2] == ["run", "--rm"]
    assert arguments[-len(server_manifests.ARGUMENTS) :] == list(server_manifests.ARGUMENTS)
    places = [place for place, name in enumerate(arguments) if name == "--mount"]
    # As Docker reads them: one line of comma-separated values.
    mounts = list(csv.reader(arguments[place + 1] for place in places))
    targets = []
    for mount in mounts:
        kind, mode, target, source = (value.partition("=")[2] or value for value in mount)
        assert (kind, mode) == ("bind", "readonly") and source.startswith("/")
        inside = "models.config" if target == "/config" else "1/weights"
        # To Docker `..` is the folder that is written before it, be it a link.
        assert pathlib.Path(os.path.normpath(source), inside).is_file(), mount
        targets.append(target)
    assert targets == ["/models/translator_en_fr", "/models/sentiment", "/config"]
    assert "127.0.0.1:8501:8501" in arguments
    assert len(script.read_text().splitlines()) == 2


def test_kubernetes(deploy):
    documents = list(yaml.safe_load_all((deploy / "kubernetes.yaml").read_text()))
    by_kind = {document["kind"]: document for document in documents}
    assert set(by_kind) == {"ConfigMap", "PersistentVolumeClaim", "Deployment", "Service"}
    for name, content in by_kind["ConfigMap"]["data"].items():
        assert content == (deploy / name).read_text()
    specification = by_kind["Deployment"]["spec"]
    assert specification["replicas"] == 4
    template = specification["template"]
    labels = specification["selector"]["matchLabels"]
    assert labels == template["metadata"]["labels"] == by_kind["Service"]["spec"]["selector"]
    (container,) = template["spec"]["containers"]
    assert tuple(container["args"]) == server_manifests.ARGUMENTS
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": 8500, "rest": 8501}
    for port in by_kind["Service"]["spec"]["ports"]:
        assert ports[port["targetPort"]] == port["port"]
    assert container["readinessProbe"]["httpGet"]["port"] in ports
    assert container["readinessProbe"]["httpGet"]["path"].startswith("/v1/models/translator_en_fr")
    assert container["resources"] == {
        "requests": {"cpu": "3", "memory": "768Mi"}, "limits": {"memory": "1536Mi"}
    }  # fmt: skip
    volumes = {volume["name"] for volume in template["spec"]["volumes"]}
    assert volumes == {mount["name"] for mount in container["volumeMounts"]}
    assert template["spec"]["securityContext"]["runAsNonRoot"] is True


def write_version(folder, facts):
    (folder / "assets.extra").mkdir(parents=True)
    (folder / "assets.extra" / "keras_tx.json").write_text(facts)
    (folder / "saved_model.pb").touch()


def test_an_image_is_a_text_in_yaml_too(tmp_path):
    write_version(tmp_path / "model" / "1", "{}")
    image = "1:30"  # A number of base 60.
    write_server_files([tmp_path / "model"], tmp_path, image=image)
    (service,) = yaml.safe_load((tmp_path / "compose.yaml").read_text())["services"].values()
    documents = yaml.safe_load_all((tmp_path / "kubernetes.yaml").read_text())
    (deployment,) = (document for document in documents if document["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert service["image"] == container["image"] == image


FROZEN, XLA = "TF_ONEDNN_ASSUME_FROZEN_WEIGHTS", "--xla_cpu_compilation_enabled=true"


@pytest.mark.parametrize(
    ("facts", "frozen", "xla"),
    [
        ([{"precision": "bfloat16"}, {"precision": "bfloat16"}], True, False),
        ([{"precision": "bfloat16"}, {}], False, False),  # It would slow the other one down.
        ([{"xla": True}, {}], False, True),
        ([{"xla": True, "precision": "bfloat16"}] * 2, True, True),
        ([{}, {}], False, False),
    ],
)
def test_what_exports_need_of_a_server(tmp_path, facts, frozen, xla):
    exports = [tmp_path / "one", tmp_path / "two"]
    for export, known in zip(exports, facts, strict=True):
        write_version(export / "1", json.dumps(known))
    write_server_files(exports, tmp_path)
    (service,) = yaml.safe_load((tmp_path / "compose.yaml").read_text())["services"].values()
    assert service.get("environment", {}) == ({FROZEN: "1"} if frozen else {})
    documents = yaml.safe_load_all((tmp_path / "kubernetes.yaml").read_text())
    (deployment,) = (document for document in documents if document["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container.get("env", []) == ([{"name": FROZEN, "value": "1"}] if frozen else [])
    words = shlex.split((tmp_path / "docker_run.sh").read_text().splitlines()[1])
    image = words.index("tensorflow/serving:2.20.0")  # What follows is the server's.
    assert (words[image - 2 : image] == ["-e", f"{FROZEN}=1"]) is frozen
    for arguments in (service["command"], container["args"], words[image + 1 :]):
        assert arguments == [*server_manifests.ARGUMENTS, *([XLA] if xla else [])]


def test_an_older_version_counts_where_it_is_served(tmp_path):
    for number, known in ((1, {"xla": True}), (2, {}), (3, {})):
        write_version(tmp_path / "model" / str(number), json.dumps(known))
    for stable, xla in ((2, False), (1, True)):  # Served are 2 and 3, then 1 and 3.
        write_server_files([tmp_path / "model"], tmp_path, stable={"model": stable})
        assert (XLA in (tmp_path / "docker_run.sh").read_text()) is xla


def test_damaged_facts(tmp_path):
    write_version(tmp_path / "model" / "1", "{")
    with pytest.raises(ValueError, match="expected JSON. Received: .*keras_tx.json"):
        write_server_files([tmp_path / "model"], tmp_path / "deploy")
    assert not (tmp_path / "deploy").exists()


def test_memory_grows_with_the_models():
    assert server_manifests.memory(0) == 512
    assert server_manifests.memory(24 * 2**20) == 768
    assert server_manifests.memory(2**30) == 512 + 6 * 1024
