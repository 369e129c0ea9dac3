"""The IMDB reader, on small copies of the dataset's layout."""

import io
import tarfile

import pytest

from keras_tx.data.readers_imdb import is_imdb_folder, read_imdb, read_imdb_unlabelled

REVIEWS = {
    "train/pos/1_9.txt": "Fine.<br /><br />Really.",
    "train/pos/10_8.txt": "Good.",
    "train/neg/2_1.txt": "Bad.",
    "train/neg/0_3.txt": "Dull.",
    "train/unsup/0_0.txt": "Long.<br />Very.",
    "test/pos/0_10.txt": "Great.",
    "test/neg/0_2.txt": "Poor.",
}
TRAIN = ["Dull.", "Bad.", "Good.", "Fine.\n\nReally."]  # "10_8.txt" sorts before "1_9.txt"


def make_folder(root, reviews=REVIEWS):
    for name, text in reviews.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


def make_archive(path, mode="w:gz", reviews=REVIEWS, prefix="aclImdb/"):
    with tarfile.open(path, mode) as tar:
        for name, text in reviews.items():
            data = text if isinstance(text, bytes) else text.encode()
            member = tarfile.TarInfo(prefix + name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


@pytest.mark.parametrize("given", ["aclImdb", ".", "aclImdb/train"])
def test_the_folder_its_parent_and_its_split_read_the_same(tmp_path, given):
    make_folder(tmp_path / "aclImdb")
    reviews = read_imdb(tmp_path / given)
    assert reviews.texts == TRAIN
    assert reviews.labels == [0, 0, 1, 1]
    assert reviews.label_names == ("negative", "positive")


@pytest.mark.parametrize("mode", ["w:", "w:gz", "w:xz"])
@pytest.mark.parametrize("prefix", ["aclImdb/", "./aclImdb/", ""])
def test_an_archive_reads_like_the_folder(tmp_path, mode, prefix):
    folder = make_folder(tmp_path / "aclImdb")
    archive = make_archive(tmp_path / "a", mode, prefix=prefix)
    for split in ("train", "test"):
        assert read_imdb(archive, split) == read_imdb(folder, split)
    assert read_imdb_unlabelled(archive) == read_imdb_unlabelled(folder)


def test_the_test_split_is_another(tmp_path):
    assert read_imdb(make_folder(tmp_path), "test").texts == ["Poor.", "Great."]


def test_markup_is_kept_on_request(tmp_path):
    folder = make_folder(tmp_path)
    assert read_imdb(folder, keep_markup=True).texts[-1] == "Fine.<br /><br />Really."
    assert read_imdb_unlabelled(folder, keep_markup=True) == ["Long.<br />Very."]


@pytest.mark.parametrize("given", ["aclImdb", ".", "aclImdb/train", "aclImdb/train/unsup"])
def test_unlabelled_reviews_are_found(tmp_path, given):
    make_folder(tmp_path / "aclImdb")
    assert read_imdb_unlabelled(tmp_path / given) == ["Long.\nVery."]


def test_the_training_folder_does_not_pass_for_the_test_split(tmp_path, monkeypatch):
    make_folder(tmp_path / "aclImdb")
    with pytest.raises(FileNotFoundError, match="test/pos and test/neg"):
        read_imdb(tmp_path / "aclImdb" / "train", "test")
    monkeypatch.chdir(tmp_path / "aclImdb" / "train")
    with pytest.raises(FileNotFoundError, match="test/pos and test/neg"):
        read_imdb(".", "test")


def test_is_imdb_folder(tmp_path):
    make_folder(tmp_path / "aclImdb")
    for given in (".", "aclImdb", "aclImdb/train"):
        assert is_imdb_folder(tmp_path / given)
    assert not is_imdb_folder(tmp_path / "aclImdb/train/pos")
    (tmp_path / "aclImdb/train/neutral").mkdir()
    assert not is_imdb_folder(tmp_path / "aclImdb/train")


def test_bytes_that_are_not_utf8_are_named(tmp_path):
    reviews = REVIEWS | {"train/pos/3_7.txt": b"caf\xe9"}
    with pytest.raises(ValueError, match="train/pos/3_7.txt, line 1, with the byte 0xe9"):
        read_imdb(make_folder(tmp_path / "folder", reviews))
    with pytest.raises(ValueError, match="a.tar/aclImdb/train/pos/3_7.txt, line 1, with the byte"):
        read_imdb(make_archive(tmp_path / "a.tar", "w:", reviews))


def test_a_byte_order_mark_is_dropped(tmp_path):
    reviews = {"train/pos/0_9.txt": b"\xef\xbb\xbfGood.", "train/neg/0_1.txt": "Bad."}
    assert read_imdb(make_folder(tmp_path / "folder", reviews)).texts == ["Bad.", "Good."]
    assert read_imdb(make_archive(tmp_path / "a", "w:", reviews)).texts == ["Bad.", "Good."]


def test_missing_reviews_are_errors(tmp_path):
    folder = make_folder(tmp_path / "folder", {"train/pos/0_9.txt": "Good."})
    with pytest.raises(FileNotFoundError, match="train/pos and train/neg in it. Received"):
        read_imdb(folder)
    (folder / "train" / "neg").mkdir()
    with pytest.raises(ValueError, match="no examples in 'train/neg'"):
        read_imdb(folder)
    archive = make_archive(tmp_path / "a.tar", "w:", {"train/pos/0_9.txt": "Good."})
    with pytest.raises(ValueError, match="a.tar with no examples in 'train/neg'"):
        read_imdb(archive)
    with pytest.raises(ValueError, match="no examples in 'unsup'"):
        read_imdb_unlabelled(archive)
    with pytest.raises(FileNotFoundError, match="train/unsup in it"):
        read_imdb_unlabelled(folder)
    with pytest.raises(FileNotFoundError, match="Received: path='.*none'"):
        read_imdb(tmp_path / "none")


def test_a_damaged_archive_is_an_error(tmp_path):
    path = make_archive(tmp_path / "a.tar.gz")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="whole tar archive. Received: .*a.tar.gz"):
        read_imdb(path)


def test_an_unknown_split_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="Received: split='dev'"):
        read_imdb(tmp_path, "dev")
