"""Folders of classes, and the choice of the reader by what the path is."""

import tarfile

import pytest

from keras_tx.data.readers_labelled import read_labelled, read_labelled_folder


def make_folder(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


def test_a_folder_has_one_class_for_each_sub_folder(tmp_path):
    make_folder(
        tmp_path,
        {
            "sport/b.txt": "goal",
            "sport/a.txt": "race",
            "art/z.txt": "paint",
            "readme.txt": "no class",
            ".git/a.txt": "hidden",
            "art/notes.md": "no text",
        },
    )
    examples = read_labelled_folder(tmp_path)
    assert examples.texts == ["paint", "race", "goal"]
    assert examples.labels == [0, 1, 1]
    assert examples.label_names == ("art", "sport")


def test_label_names_choose_and_order_the_classes(tmp_path):
    make_folder(tmp_path, {"a/1.txt": "A", "b/1.txt": "B", "c/1.txt": "C"})
    examples = read_labelled_folder(tmp_path, label_names=("c", "a"))
    assert (examples.texts, examples.label_names) == (["C", "A"], ("c", "a"))


def test_bad_folders_are_errors(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="sub-folder for each class. Received: .*no examples"):
        read_labelled_folder(tmp_path / "empty")
    with pytest.raises(ValueError, match="no examples in 'empty'"):
        read_labelled_folder(tmp_path)
    with pytest.raises(FileNotFoundError, match="sub-folder 'missing'"):
        read_labelled_folder(tmp_path, ("missing",))
    (tmp_path / "empty" / "1.txt").write_bytes(b"\xff")
    with pytest.raises(ValueError, match="1.txt, line 1, with the byte 0xff"):
        read_labelled_folder(tmp_path)
    with pytest.raises(NotADirectoryError, match="Expected a folder. Received: .* a file"):
        read_labelled_folder(tmp_path / "empty" / "1.txt")


def test_each_form_finds_its_reader(tmp_path):
    reviews = {"train/pos/0_9.txt": "Good.<br />", "train/neg/0_1.txt": "Bad."}
    imdb = make_folder(tmp_path / "aclImdb", reviews)
    with tarfile.open(tmp_path / "imdb.tar.xz", "w:xz") as tar:
        tar.add(imdb, "aclImdb")
    for path in (imdb, imdb / "train", tmp_path / "imdb.tar.xz"):
        assert read_labelled(path).texts == ["Bad.", "Good.\n"]
        assert read_labelled(path).label_names == ("negative", "positive")

    classes = make_folder(
        tmp_path / "classes", {"pos/1.txt": "a", "neg/1.txt": "b", "so/1.txt": "c"}
    )
    assert read_labelled(classes).label_names == ("neg", "pos", "so")

    (tmp_path / "a.tsv").write_text('review\tgrade\n"Fine\thigh\n')
    table = read_labelled(
        tmp_path / "a.tsv",
        text_column="review",
        label_column="grade",
        label_names=("low", "high"),
        quoted=False,
    )
    assert (table.texts, table.labels) == (['"Fine'], [1])


def test_a_split_that_is_missing_is_named(tmp_path):
    imdb = make_folder(tmp_path, {"train/pos/0_9.txt": "Good.", "train/neg/0_1.txt": "Bad."})
    with pytest.raises(FileNotFoundError, match="test/pos and test/neg"):
        read_labelled(imdb, split="test")


def test_other_label_names_for_imdb_are_errors(tmp_path):
    imdb = make_folder(tmp_path, {"train/pos/0_9.txt": "Good.", "train/neg/0_1.txt": "Bad."})
    assert len(read_labelled(imdb, label_names=("negative", "positive"))) == 2
    with pytest.raises(ValueError, match=r"Received: label_names=\('a', 'b'\)"):
        read_labelled(imdb, label_names=("a", "b"))


def test_other_paths_are_errors(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(ValueError, match="table, a tar archive or a folder. Received: .*a.json"):
        read_labelled(tmp_path / "a.json")
    with pytest.raises(FileNotFoundError, match="Received: path='.*none'"):
        read_labelled(tmp_path / "none")
