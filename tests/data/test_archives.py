"""Archives, whole and damaged."""

import io
import tarfile
import zipfile

import pytest

from keras_tx.data.archives import read_tar_members, read_zip_text

# Text that does not compress to nothing, so that a cut hits the data of a member.
CONTENTS = {
    f"box/{n}.txt": bytes((n * k * 7919 >> 3) % 95 + 32 for k in range(3000)) for n in range(1, 8)
}


def make_tar(path, mode, contents=CONTENTS):
    with tarfile.open(path, mode) as tar:
        for name, data in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def everything(path):
    return dict(read_tar_members(path, lambda name: True))


@pytest.mark.parametrize("mode", ["w:", "w:gz", "w:xz", "w:bz2"])
def test_compressions_are_recognised_by_content(tmp_path, mode):
    assert everything(make_tar(tmp_path / "a.download", mode)) == CONTENTS


def test_only_wanted_files_are_read(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        folder = tarfile.TarInfo("box")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        link = tarfile.TarInfo("box/link.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(link)
        for name in ("../outside.txt", "box/1.txt", "box/1.jpg"):
            member = tarfile.TarInfo(name)
            member.size = 2
            tar.addfile(member, io.BytesIO(b"hi"))
    found = dict(read_tar_members(path, lambda name: name.endswith(".txt")))
    # Names that lead outside are only names: nothing is written, and links are not followed.
    assert found == {"../outside.txt": b"hi", "box/1.txt": b"hi"}
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.tar"]


@pytest.mark.parametrize("mode", ["w:", "w:gz", "w:xz", "w:bz2"])
@pytest.mark.parametrize("kept", [0.0, 0.001, 0.3, 0.6, 0.9, 0.999])
def test_archives_cut_short_are_errors(tmp_path, mode, kept):
    whole = make_tar(tmp_path / "a.tar", mode).read_bytes()
    # A plain archive ends in zeros, of which tar needs only the first 512.
    length = sum(512 + 3072 for _ in CONTENTS) + 512 if mode == "w:" else len(whole)
    (tmp_path / "cut.tar").write_bytes(whole[: int(length * kept)])
    with pytest.raises(ValueError, match="whole tar archive. Received: .*cut.tar") as caught:
        everything(tmp_path / "cut.tar")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mode", ["w:", "w:gz", "w:xz", "w:bz2"])
@pytest.mark.parametrize("place", [0.3, 0.6, 0.9])
def test_damaged_compressed_archives_are_errors(tmp_path, mode, place):
    path = make_tar(tmp_path / "a.tar", mode)
    data = bytearray(path.read_bytes())
    # A plain archive has checksums over its headers only: hit the one of the fifth file.
    offset = 4 * (512 + 3072) + 2 if mode == "w:" else int(len(data) * place)
    data[offset] ^= 0x55
    path.write_bytes(data)
    with pytest.raises(ValueError, match="whole tar archive. Received: .*a.tar"):
        everything(path)


def test_a_cut_between_two_members_is_an_error(tmp_path):
    data = make_tar(tmp_path / "a.tar", "w:").read_bytes()
    (tmp_path / "a.tar").write_bytes(data[: 3 * (512 + 3072)])
    with pytest.raises(ValueError, match="end-of-archive mark is missing"):
        everything(tmp_path / "a.tar")


def test_errors_of_the_caller_are_not_the_archive_s(tmp_path):
    with pytest.raises(ValueError, match="^mine$"):
        for _ in read_tar_members(make_tar(tmp_path / "a.tar", "w:gz"), lambda name: True):
            raise ValueError("mine")


def make_zip(path, contents):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return path


def test_the_one_text_of_a_zip_is_read(tmp_path):
    contents = {
        "fra-eng/_about.txt": "about",
        "__MACOSX/fra-eng/fra.txt": "?",
        "fra-eng/.x.txt": "?",
        "fra-eng/fra.txt": "\ufeffOù ?",
        "fra-eng/picture.png": b"\x89PNG",
    }
    assert read_zip_text(make_zip(tmp_path / "a.zip", contents)) == "Où ?"


def test_zips_with_another_number_of_texts_are_errors(tmp_path):
    with pytest.raises(ValueError, match=r"a.zip with 0: \[\]"):
        read_zip_text(make_zip(tmp_path / "a.zip", {"_about.txt": "about"}))
    with pytest.raises(ValueError, match=r"with 2: \['a.txt', 'b.tsv'\]"):
        read_zip_text(make_zip(tmp_path / "a.zip", {"a.txt": "", "b.tsv": ""}))


def test_damaged_zips_are_errors(tmp_path):
    whole = make_zip(tmp_path / "a.zip", {"fra.txt": CONTENTS["box/3.txt"]}).read_bytes()
    flipped = bytearray(whole)
    flipped[200] ^= 0x55
    for damaged in (whole[:-30], whole[:100], bytes(flipped), b"no zip", b""):
        (tmp_path / "a.zip").write_bytes(damaged)
        with pytest.raises(ValueError, match="whole zip archive. Received: .*a.zip") as caught:
            read_zip_text(tmp_path / "a.zip")
        assert "\n" not in str(caught.value)


def test_text_in_a_zip_must_be_utf8(tmp_path):
    with pytest.raises(ValueError, match="a.zip/fra.txt, line 2, with the byte 0xe9"):
        read_zip_text(make_zip(tmp_path / "a.zip", {"fra.txt": b"a\n\xe9"}))


def test_missing_archives_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="Received: path='.*none'"):
        everything(tmp_path / "none")
    with pytest.raises(IsADirectoryError, match="Expected a file"):
        read_zip_text(tmp_path)
