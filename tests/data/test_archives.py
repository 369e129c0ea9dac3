"""Archives, whole, damaged, and made to do harm."""

import gzip
import io
import os
import random
import tarfile
import time
import zipfile
import zlib

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


def test_headers_that_lead_to_thousands_of_others(tmp_path):
    header = tarfile.TarInfo("x")
    header.type = tarfile.XHDTYPE
    (tmp_path / "a.tar").write_bytes(header.tobuf() * 3000)
    with pytest.raises(ValueError, match="a.tar"):
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


# Archives from strangers.

FUZZ_SECONDS = float(os.environ.get("KERAS_TX_FUZZ_SECONDS", "6")) / 4


def test_a_packed_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "a.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as packed:
        member = tarfile.TarInfo("zeros.txt")
        member.size = 400 << 20
        packed.write(member.tobuf())
        for _ in range(400):
            packed.write(bytes(1 << 20))
    start = time.monotonic()
    for wanted in (True, False):  # Also where it is only passed over.
        with pytest.raises(ValueError, match=r"more than [\d,]+ bytes when unpacked\)$"):
            dict(read_tar_members(path, lambda name, wanted=wanted: wanted))
    assert time.monotonic() - start < 60


def one_member(path, change):
    """An archive with one member, whose header is changed before it is written."""
    member = tarfile.TarInfo("box/1.txt")
    member.size = 5
    change(member)
    content = bytearray(member.tobuf(tarfile.GNU_FORMAT)) + b"hello" + bytes(507) + bytes(1024)
    path.write_bytes(content)
    return path


def test_sizes_that_are_only_claimed(tmp_path):
    for size in (1 << 20, 1 << 33, 1 << 62):
        path = one_member(
            tmp_path / "a.tar", lambda member, size=size: setattr(member, "size", size)
        )
        with pytest.raises(ValueError, match="whole tar archive. Received: .*a.tar"):
            everything(path)


def test_a_size_below_zero_is_no_endless_loop(tmp_path):
    path = one_member(tmp_path / "a.tar", lambda member: setattr(member, "size", -1024))
    with pytest.raises(ValueError, match="whole tar archive. Received: .*a.tar"):
        everything(path)


def test_sparse_files_are_refused(tmp_path):
    def as_sparse(member):
        member.type = tarfile.GNUTYPE_SPARSE

    path = one_member(tmp_path / "a.tar", as_sparse)
    content = bytearray(path.read_bytes())
    content[483:495] = b"%011o\0" % (1 << 32)  # The size when unpacked.
    content[386:398] = content[398:410] = b"%011o\0" % 0
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"\(a sparse file, 'box/1.txt'\)"):
        everything(path)


def test_a_zip_bomb_is_refused(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("fra.txt", "w") as member:
            for _ in range(300):
                member.write(b"a" * (1 << 20))
    with pytest.raises(ValueError, match=r"'fra.txt', [\d,]+ bytes, unpacks to 314,572,800\)$"):
        read_zip_text(path)


def test_a_zip_bomb_that_claims_to_be_small_is_refused(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"fra.txt": "a" * (1 << 20)})
    content = bytearray(path.read_bytes())
    for mark, size_at in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        place = content.index(mark) + size_at
        content[place : place + 4] = (10).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(ValueError, match="corrupt or unreadable .*CRC"):
        read_zip_text(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_in_a_zip_is_two_texts(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"fra.txt": "one"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("fra.txt", "two")
    with pytest.raises(ValueError, match="with 2: "):
        read_zip_text(path)


@pytest.mark.parametrize("kind", ["w:", "w:gz", "w:xz", "zip"])
def test_fuzz(tmp_path, monkeypatch, kind):
    """What is damaged at random is an error in one line, or only another text."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a"
    texts = {"a.txt": CONTENTS["box/3.txt"]} if kind == "zip" else CONTENTS
    whole = (make_zip(path, texts) if kind == "zip" else make_tar(path, kind)).read_bytes()
    end, seed = time.monotonic() + FUZZ_SECONDS / 4, 0
    while time.monotonic() < end or seed < 50:
        generator = random.Random(seed)
        content = bytearray(whole)
        for _ in range(generator.randrange(1, 6)):
            content[generator.randrange(len(content))] = generator.randrange(256)
        if generator.random() < 0.3:
            del content[generator.randrange(len(content)) :]
        if content and generator.random() < 0.5:  # The headers of the first members.
            content[generator.randrange(min(600, len(content)))] ^= 1 << generator.randrange(8)
        path.write_bytes(content)
        case = f"seed {seed}, checksum {zlib.crc32(bytes(content)):08x}"
        try:
            found = read_zip_text(path) if kind == "zip" else everything(path)
        except ValueError as error:
            assert "\n" not in str(error) and str(path) in str(error), case
        except Exception as error:
            pytest.fail(f"{case}: {type(error).__name__}: {error}")
        else:
            assert len(str(found)) < 10 * len(str(CONTENTS)), case
        assert os.listdir(tmp_path) == ["a"], case
        seed += 1
