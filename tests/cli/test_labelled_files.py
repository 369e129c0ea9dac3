"""Labelled texts as the commands take them: with one label, or with several."""

from keras_tx.cli.labelled_files import read_examples


def test_a_separator_means_several_labels(tmp_path):
    (tmp_path / "x.csv").write_text('body,topics\n"a ""b""",law+art\nc,law\n')
    path = tmp_path / "x.csv"
    single = read_examples(path, None, "body", "topics", None)
    assert single.label_names == ("law", "law+art") and single.texts == ['a "b"', "c"]
    several = read_examples(path, "+", "body", "topics", None)
    assert several.label_names == ("art", "law") and several.labels == [(0, 1), (1,)]
    names = ("law", "war", "art")
    assert read_examples(path, "+", "body", "topics", names).labels == [(0, 2), (0,)]
    unquoted = read_examples(path, "+", "body", "topics", None, quoted=False)
    assert unquoted.texts[0] == '"a ""b"""'
