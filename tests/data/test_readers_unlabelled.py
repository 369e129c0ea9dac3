"""Texts without labels, from files of each form and from those that are none."""

import gzip
import io
import tarfile

import pytest

from keras_tx.data import read_unlabelled


def test_lines_that_are_not_blank(tmp_path):
    (tmp_path / "texts").write_bytes("un\r\n\r\n  \ndeux\u2028encore\n".encode())
    assert read_unlabelled(tmp_path / "texts") == ["un", "deux\u2028encore"]
    (tmp_path / "texts.txt.gz").write_bytes(gzip.compress(b"one\ntwo"))
    assert read_unlabelled(tmp_path / "texts.txt.gz") == ["one", "two"]


def test_a_column_of_a_table_with_or_without_labels(tmp_path):
    (tmp_path / "x.csv").write_text('id,body\n1,"one, two"\n2,three\n')
    assert read_unlabelled(tmp_path / "x.csv", "body") == ["one, two", "three"]
    (tmp_path / "x.tsv").write_text('text\n"one\n')
    assert read_unlabelled(tmp_path / "x.tsv", quoted=False) == ['"one']
    with pytest.raises(ValueError, match="Expected one column 'text' in the first line"):
        read_unlabelled(tmp_path / "x.csv")


def test_a_folder_of_texts(tmp_path):
    for name, text in (("b.txt", "second\nline"), ("a.txt", "first"), (".c.txt", "hidden")):
        (tmp_path / name).write_text(text)
    assert read_unlabelled(tmp_path) == ["first", "second\nline"]


def test_the_unlabelled_reviews_of_imdb(tmp_path):
    for name in ("pos", "neg", "unsup"):
        (tmp_path / "train" / name).mkdir(parents=True)
        (tmp_path / "train" / name / "0_1.txt").write_text(f"of {name}<br />more")
    for path in (tmp_path, tmp_path / "train", tmp_path / "train" / "unsup"):
        assert read_unlabelled(path) == ["of unsup\nmore"]
    with tarfile.open(tmp_path / "reviews.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("aclImdb/train/unsup/0_0.txt")
        member.size = 4
        archive.addfile(member, io.BytesIO(b"long"))
    assert read_unlabelled(tmp_path / "reviews.tar.gz") == ["long"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Expected a text on a line"),
        (b"\n \n", "Expected a text on a line"),
        (b"a\xff", "Expected UTF-8 text.* line 1, with the byte 0xff"),
    ],
)
def test_a_file_without_texts_is_named(tmp_path, content, message):
    (tmp_path / "texts.txt").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_unlabelled(tmp_path / "texts.txt")


def test_other_paths_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"Expected \.txt files in the folder\. Received: .* no"):
        read_unlabelled(tmp_path)
    with pytest.raises(FileNotFoundError, match="no_such"):
        read_unlabelled(tmp_path / "no_such")
    (tmp_path / "reviews.tgz").write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"archive.* Received: .*reviews\.tgz"):
        read_unlabelled(tmp_path / "reviews.tgz")
