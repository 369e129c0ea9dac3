"""`serving-files`."""

import pytest


@pytest.fixture
def base(tmp_path):
    for number in ("1", "2"):
        (tmp_path / "model" / number).mkdir(parents=True)
        (tmp_path / "model" / number / "saved_model.pb").write_bytes(b"x")
    return tmp_path / "model"


def test_files_are_written_and_printed(base, run, tmp_path):
    arguments = ["--output", tmp_path / "deploy", "--stable", "model=1", "--max-batch-size", "8"]
    result = run("serving-files", base, *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    printed = result.stdout.splitlines()
    assert printed == [
        str(tmp_path / "deploy" / name)
        for name in (
            "models.config", "batching.config", "compose.yaml", "docker_run.sh", "kubernetes.yaml"
        )
    ]  # fmt: skip
    assert 'key: "canary" value: 2' in (tmp_path / "deploy" / "models.config").read_text()
    assert "allowed_batch_sizes: 8\n" in (tmp_path / "deploy" / "batching.config").read_text()


def test_a_newer_version_that_is_not_whole_is_named(base, run, tmp_path):
    (base / "3" / "variables").mkdir(parents=True)
    result = run("serving-files", base, "--output", tmp_path / "deploy")
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 5)
    assert result.stderr == f"Not served, for it has no saved_model.pb: {base / '3'}\n"
    assert 'key: "stable" value: 2' in (tmp_path / "deploy" / "models.config").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--stable", "model"], 2, "expected NAME=VERSION. Received: 'model'"),
        (["--stable", "model=7"], 1, "stable expected a version of model, of [1, 2]"),
        (["--cpus", "0"], 2, "--cpus"),
        (["--output", ""], 1, "expected a directory. Received: --output ''"),
    ],
)
def test_errors_are_one_line(base, run, tmp_path, arguments, code, message):
    result = run("serving-files", base, "--output", tmp_path / "deploy", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr and result.stderr.count("\n") == 1
    assert not (tmp_path / "deploy").exists()
