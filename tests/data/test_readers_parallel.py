"""Parallel files and tab-separated pairs."""

import gzip
import zipfile

import pytest

from keras_tx.data.examples import SentencePairs
from keras_tx.data.readers_parallel import read_pairs, read_parallel, read_tab_pairs


def write(path, content):
    data = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("endings", [("", ""), (".gz", ".gz"), ("", ".gz")])
def test_parallel_files_plain_or_compressed(tmp_path, endings):
    write(tmp_path / f"news.2012.en{endings[0]}", "Yes.\nNo.\n")
    write(tmp_path / f"news.2012.fr{endings[1]}", "Oui.\r\nNon.")
    pairs = read_parallel(tmp_path / "news.2012", "en", "fr")
    assert pairs == SentencePairs(["Yes.", "No."], ["Oui.", "Non."])
    assert read_parallel(str(tmp_path / "news.2012"), "fr", "en").sources == ["Oui.", "Non."]


def test_separators_inside_a_sentence_do_not_shift_the_lines(tmp_path):
    write(tmp_path / "a.en", "one\u2028more\ntwo\x0c\nthree\u0085\n\nfive\n")
    write(tmp_path / "a.fr", "un\ndeux\ntrois\n\ncinq\n")
    pairs = read_parallel(tmp_path / "a")
    assert pairs.sources == ["one\u2028more", "two\x0c", "three\u0085", "", "five"]
    assert pairs.targets[4] == "cinq"


def test_a_byte_order_mark_is_dropped(tmp_path):
    write(tmp_path / "a.en", b"\xef\xbb\xbfYes.\n")
    write(tmp_path / "a.fr", "Oui.\n")
    assert read_parallel(tmp_path / "a").sources == ["Yes."]


def test_files_of_different_length_are_an_error_with_both_counts(tmp_path):
    write(tmp_path / "a.en", "one\ntwo\nthree\n")
    write(tmp_path / "a.fr", "un\ndeux\n")
    with pytest.raises(ValueError, match=r"a\.en with 3 and .*a\.fr with 2"):
        read_parallel(tmp_path / "a")


def test_bad_parallel_files_are_errors(tmp_path):
    write(tmp_path / "a.en", "one\n")
    with pytest.raises(FileNotFoundError, match=r"a\.fr or a\.fr\.gz\. Received: prefix='.*a'"):
        read_parallel(tmp_path / "a")
    write(tmp_path / "a.fr", b"un\n\xe9t\xe9\n")
    with pytest.raises(ValueError, match=r"a\.fr, line 2, with the byte 0xe9 at offset 3"):
        read_parallel(tmp_path / "a")
    for content in ("", "\n"):
        write(tmp_path / "a.en", content)
        write(tmp_path / "a.fr", content)
        with pytest.raises(ValueError, match="with no examples"):
            read_parallel(tmp_path / "a")
    (tmp_path / "b.en").mkdir()
    write(tmp_path / "b.fr", "un\n")
    with pytest.raises(IsADirectoryError, match=r"b\.en', a folder"):
        read_parallel(tmp_path / "b")
    with pytest.raises(ValueError, match="two different languages. Received: source_language='en'"):
        read_parallel(tmp_path / "a", "en", "en")


def test_a_damaged_compressed_file_is_an_error(tmp_path):
    path = write(tmp_path / "a.en.gz", "one\n" * 100)
    path.write_bytes(path.read_bytes()[:-4])
    write(tmp_path / "a.fr", "un\n" * 100)
    with pytest.raises(ValueError, match=r"whole gzip file. Received: .*a\.en\.gz"):
        read_parallel(tmp_path / "a")


PAIRS = "Go.\tVa !\tCC-BY 2.0 (France) #1\nRun!\tCours\u202f!\r\nHi.\tSalut.\t\n"


@pytest.mark.parametrize("name", ["fra.txt", "fra.tsv", "fra.txt.gz", "fra-eng.zip"])
def test_tab_pairs_in_every_wrapping(tmp_path, name):
    path = tmp_path / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("_about.txt", "From Tatoeba.")
            archive.writestr("fra.txt", PAIRS)
    else:
        write(path, PAIRS)
    pairs = read_tab_pairs(path)
    assert pairs.sources == ["Go.", "Run!", "Hi."]
    assert pairs.targets == ["Va !", "Cours\u202f!", "Salut."]
    assert read_pairs(path, "en", "fr") == pairs


def test_empty_lines_at_the_end_are_no_pairs(tmp_path):
    assert len(read_tab_pairs(write(tmp_path / "a.tsv", "a\tb\n\n\r\n"))) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\tb\nno tab here\nc\td\n", "a.tsv, line 2: 'no tab here'"),
        ("a\tb\n\nc\td\n", "a.tsv, line 2: ''"),
        ("", "a.tsv with no examples"),
        ("\n\n", "a.tsv with no examples"),
        (b"a\tb\nc\t\xe9\n", "a.tsv, line 2, with the byte 0xe9"),
        (b"a\tb\0\n", "a.tsv, line 1, with the byte 0x00"),
    ],
)
def test_bad_tab_pairs_are_errors(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        read_tab_pairs(write(tmp_path / "a.tsv", content))


def test_missing_tab_pairs_are_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="Received: path='.*none.tsv'"):
        read_tab_pairs(tmp_path / "none.tsv")
    with pytest.raises(IsADirectoryError, match="a folder"):
        read_tab_pairs(tmp_path)


def test_read_pairs_chooses_by_what_stands_there(tmp_path):
    write(tmp_path / "a.en", "Yes.\n")
    write(tmp_path / "a.fr.gz", "Oui.\n")
    assert read_pairs(tmp_path / "a", "en", "fr") == SentencePairs(["Yes."], ["Oui."])
    with pytest.raises(FileNotFoundError, match=r"tab-separated pairs, or .*b\.en or .*b\.fr"):
        read_pairs(tmp_path / "b", "en", "fr")
    with pytest.raises(FileNotFoundError, match="a folder"):
        read_pairs(tmp_path, "en", "fr")
    for file in ("a.en", "a.fr.gz"):
        with pytest.raises(ValueError, match="prefix that both .* Received: .*try '.*/a'"):
            read_pairs(tmp_path / file, "en", "fr")
    with pytest.raises(FileNotFoundError, match=r"a\.de or a\.de\.gz"):
        read_pairs(tmp_path / "a", "en", "de")
