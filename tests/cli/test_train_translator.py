"""`train translator`: a model that the other commands take, and stops."""

import json
import zipfile

import h5py

import keras_tx


def test_a_translator_learns_and_goes_on_after_a_stop(run, tmp_path):
    pairs = [("a dog", "un chien"), ("a cat", "un chat"), ("the dog", "le chien")] * 10
    for language, lines in zip(("en", "de"), zip(*pairs, strict=True), strict=True):
        (tmp_path / f"x.{language}").write_text("\n".join(lines) + "\n")
    (tmp_path / "dev.tsv").write_text("a cat\tun chat\na dog\tun chien\n")
    output = tmp_path / "en_de"
    arguments = (
        *("train", "translator", "--train", tmp_path / "x", "--dev", tmp_path / "dev.tsv"),
        *("--target-language", "de", "--output", output, "--preset", "tiny"),
        *("--vocabulary-size", 280),
    )
    # `--resume` where there is nothing yet just starts.
    first = run(*arguments, "--epochs", 30, "--resume", "--max-minutes", 1e-6)
    assert first.exit_code == 0, first.output
    assert (output / "tokenizer" / "sentencepiece.model").is_file()
    assert run(*arguments, "--epochs", 30).exit_code == 1
    second = run(*arguments, "--epochs", 30, "--resume")
    assert second.exit_code == 0, second.output
    metrics = json.loads(second.stdout)
    assert (metrics["count"], metrics["chrf"]) == (2, 100.0)
    assert keras_tx.load(output).target_language == "de"
    with zipfile.ZipFile(output / "en_de.keras") as archive:
        with archive.open("model.weights.h5") as file, h5py.File(file, "r") as weights:
            names: list[str] = []
            weights.visit(names.append)
    assert any("decoder" in name for name in names)
    assert not [name for name in names if "optimizer" in name]


def test_other_sentences_or_another_seed_do_not_go_on(run, tmp_path):
    pairs = [(f"a dog {n}", f"un chien {n}") for n in range(12)]
    for name, some in (("a.tsv", pairs), ("b.tsv", pairs[::-1])):
        (tmp_path / name).write_text("".join(f"{one}\t{other}\n" for one, other in some))
    arguments = ("train", "translator", "--output", tmp_path / "out", "--preset", "tiny")
    arguments = (*arguments, "--vocabulary-size", 290, "--epochs", 1)
    first = run(*arguments, "--train", tmp_path / "a.tsv")
    assert first.exit_code == 0, first.output
    (tmp_path / "out" / "out.keras").unlink()  # Stopped, as it were.
    for changed, message in (
        (("--train", tmp_path / "a.tsv", "--seed", 7), "the seed of the stopped training: 0"),
        (("--train", tmp_path / "b.tsv"), "the sentences (their checksum) of the stopped training"),
    ):
        result = run(*arguments, *changed, "--resume")
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"expected {message}" in result.stderr and result.stderr.count("\n") == 1
        assert not (tmp_path / "out" / "out.keras").exists()
    assert run(*arguments, "--train", tmp_path / "a.tsv", "--resume").exit_code == 0
