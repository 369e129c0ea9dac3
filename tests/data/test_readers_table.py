"""Tables of labelled texts."""

import csv
import gzip

import pytest

from keras_tx.data.readers_table import read_labelled_table


def write(path, content):
    data = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.CSV", "a.csv.gz", "a.tsv.gz"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_csv_writes_is_read_back(tmp_path, name, end):
    texts = ['He said "no", twice.', "Two\nlines\tand a tab.", "Où ça ? \u2028 Là.", "", "plain"]
    delimiter = "\t" if ".tsv" in name else ","
    plain = tmp_path / "plain"
    with plain.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=end)
        writer.writerow(["id", "label", "text"])
        writer.writerows([number, "ba"[number % 2], text] for number, text in enumerate(texts))
    examples = read_labelled_table(write(tmp_path / name, plain.read_bytes()))
    assert examples.texts == texts
    assert examples.label_names == ("a", "b")
    assert examples.labels == [1, 0, 1, 0, 1]


def test_columns_and_label_names_can_be_named(tmp_path):
    path = write(tmp_path / "a.csv", "review,feeling\nNice.,pos\nSad.,neg\n")
    examples = read_labelled_table(path, "review", "feeling", ("pos", "neg", "neutral"))
    assert examples.labels == [0, 1]
    assert examples.label_names == ("pos", "neg", "neutral")


def test_labels_may_be_numbers_of_the_names(tmp_path):
    path = write(tmp_path / "a.csv", "text,label\nNice.,1\nSad.,0\n")
    assert read_labelled_table(path, label_names=("negative", "positive")).labels == [1, 0]
    assert read_labelled_table(path, label_names=("1", "0")).labels == [0, 1]


def test_a_byte_order_mark_and_empty_lines_are_dropped(tmp_path):
    path = write(tmp_path / "a.csv", b"\xef\xbb\xbftext,label\n\nNice.,a\n\n")
    assert read_labelled_table(path).texts == ["Nice."]


def test_long_fields_are_read_and_the_limit_is_put_back(tmp_path):
    limit = csv.field_size_limit()
    text = "word " * 100_000
    assert read_labelled_table(write(tmp_path / "a.csv", f"text,label\n{text},a")).texts == [text]
    assert csv.field_size_limit() == limit


def test_quotes_can_be_plain_characters(tmp_path):
    path = write(tmp_path / "a.tsv", 'text\tlabel\n"Brilliant" is the word.\ta\n"Open.\tb\n')
    examples = read_labelled_table(path, quoted=False)
    assert examples.texts == ['"Brilliant" is the word.', '"Open.']
    with pytest.raises(ValueError, match="a.tsv, line 2: .*read it with quoted=False"):
        read_labelled_table(path)


def test_an_open_quote_does_not_swallow_rows(tmp_path):
    path = write(tmp_path / "a.csv", 'text,label\nNice.,a\n"Open.,b\nNice.,a\n')
    with pytest.raises(ValueError, match="well-formed table. Received: .*a.csv, line 4"):
        read_labelled_table(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "a.csv with no examples"),
        ("text,label\n", "a.csv with no examples"),
        ("text,class\nNice.,a\n", r"column 'label' .* Received: .*\['text', 'class'\]"),
        ("text,label,text\nNice.,a,b\n", "one column 'text'"),
        ("text,label\nNice.,a\nShort, sweet.,b\n", "2 fields .*a.csv, line 3, with 3"),
        ("text,label\nNice.\n", "2 fields .*a.csv, line 2, with 1"),
        ("text,label\nNice.,a\nSad., \n", "a.csv, line 3, with none"),
        (b"text,label\nNice.,a\nSad\xe9,b\n", "a.csv, line 3, with the byte 0xe9"),
        (b"text,label\nNice.\0,a\n", "a.csv, line 2, with the byte 0x00"),
    ],
)
def test_bad_tables_are_errors(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        read_labelled_table(write(tmp_path / "a.csv", content))


@pytest.mark.parametrize("labels", [("good", "odd"), ("1", "2"), ("good", "1"), ("1", "good")])
def test_a_label_without_a_name_is_an_error(tmp_path, labels):
    path = write(tmp_path / "a.csv", "text,label\nNice.,{}\nSad.,{}\n".format(*labels))
    # Names and numbers do not stand in one table: a single name makes the numbers wrong.
    line, wrong = (2, "1") if labels == ("1", "good") else (3, labels[1])
    message = rf"\('bad', 'good'\), or .* Received: .*line {line}, with '{wrong}'"
    with pytest.raises(ValueError, match=message):
        read_labelled_table(path, label_names=("bad", "good"))


def test_paths_that_are_no_tables_are_errors(tmp_path):
    with pytest.raises(ValueError, match=r"\.csv or \.tsv file.* Received: path='.*a.txt'"):
        read_labelled_table(write(tmp_path / "a.txt", "text,label\n"))
    with pytest.raises(FileNotFoundError, match="Received: path='.*none.csv'"):
        read_labelled_table(tmp_path / "none.csv")
    with pytest.raises(IsADirectoryError, match="a folder"):
        read_labelled_table(tmp_path)


def test_a_number_is_no_position_among_numbers(tmp_path):
    path = tmp_path / "stars.csv"
    path.write_text("text,label\na,0\nb,0\n")
    with pytest.raises(ValueError, match="Expected one of the labels .* line 2, with '0'"):
        read_labelled_table(path, label_names=("1", "2", "3"))
