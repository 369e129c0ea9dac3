"""`train`: wrong calls and wrong data."""

import pytest


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["sentiment", "--data", "missing"], 1, "which does not exist"),
        (["sentiment", "--data", ""], 1, "Expected a file or a folder. Received: path=''"),
        (["sentiment", "--data", "file.txt"], 1, "Expected a .csv or .tsv table, a tar archive"),
        (["sentiment", "--data", "one.csv"], 1, "two or more labels in --data. Received: ['x']"),
        (["sentiment", "--data", "cut.tar.gz"], 1, "cut.tar.gz"),
        (["sentiment", "--preset", "huge"], 1, "Received: preset='huge'"),
        (["sentiment", "--epochs", "0"], 2, "0 is not in the range"),
        (["sentiment", "--vocabulary-size", "3"], 1, "Received: vocabulary_size=3"),
        (["sentiment", "--dev", "one.csv"], 2, "expected --data with --dev"),
        (["classifier"], 2, "Missing option '--data'"),
        (["classifier", "--data", "one.csv"], 1, "two or more labels in --data"),
        (["classifier", "--data", "one.csv", "--separator", ","], 2, "expected --multi-label"),
        (["classifier", "--data", "file.txt", "--multi-label"], 1, "a .csv or .tsv file"),
        (["classifier", "--data", "x.csv", "--class-weights", "x:2"], 2, "Received: 'x:2'"),
        (["classifier", "--data", "two.csv", "--class-weights", "z=2"], 1, "Received: ['z']"),
        (["translator", "--preset", "book"], 1, "Received: preset='book'"),
        (["translator", "--train", "missing"], 1, "which is no file"),
        (["translator", "--train", "file.txt"], 1, "Expected two columns"),
        (["translator", "--train", "uneven"], 1, "Expected as many lines in both files"),
        (["translator", "--source-language", "de"], 2, "Received: de and fr"),
        (["translator", "--max-minutes", "nan"], 2, "expected a number. Received: nan"),
        (["translator", "--max-minutes", "0"], 2, "0.0 is not in the range"),
        (["translator", "--precision", "int8"], 2, "'int8' is not one of"),
    ],
)
def test_errors_are_one_line(run, tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("one column\n")
    (tmp_path / "one.csv").write_text("text,label\n" + "".join(f"a {n},x\n" for n in range(20)))
    (tmp_path / "two.csv").write_text(
        "text,label\n" + "".join(f"a {n},{'xy'[n % 2]}\n" for n in range(20))
    )
    (tmp_path / "cut.tar.gz").write_bytes(b"\x1f\x8b\x08 cut short")
    (tmp_path / "uneven.en").write_text("a\nb\n")
    (tmp_path / "uneven.fr").write_text("a\n")
    result = run("train", *arguments, "--output", "out")
    assert (result.exit_code, result.stdout) == (code, "")
    *_, line = result.stderr.splitlines()
    assert line.startswith("Error: ") and message in line
    assert not list(tmp_path.rglob("*.keras"))
