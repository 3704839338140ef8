"""Archives and compression around a file of reviews, and the archives that are rejected."""

import bz2
import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from backports import zstd

from preprocessing.errors import InputError
from preprocessing.sources import archives
from preprocessing.sources.archives import inner_name, is_plain
from preprocessing.sources.compression import FREE_BYTES, MAX_GROWTH
from tests.support.inputs import KAGGLE, Endless, gzipped, kaggle_zip, reviews, tarred, yelp_tar, zipped

LINES = b"".join(reviews(30))
YELP = "yelp_academic_dataset_review.json"


def read(data: bytes, name: str) -> tuple[bytes, str]:
    with archives.open_innermost(io.BytesIO(data), name=name, size=len(data)) as (stream, inner):
        return stream.read(), inner


def error(data: bytes, name: str) -> str:
    with pytest.raises(InputError) as raised:
        read(data, name)
    return str(raised.value)


@pytest.mark.parametrize(
    ("name", "data", "inner"),
    [
        ("r.json", LINES, "r.json"),
        ("in/r.json.gz", gzipped(LINES), "r.json"),
        ("r.json.bz2", bz2.compress(LINES), "r.json"),
        ("r.csv.zst", zstd.compress(LINES), "r.csv"),
        ("R.JSON.GZ", gzipped(LINES), "R.JSON"),
        ("r.json.gz.zst", zstd.compress(gzipped(LINES)), "r.json"),
        ("y.zip", kaggle_zip(LINES), KAGGLE),
        ("y.tar", yelp_tar(LINES), YELP),
        ("y.tgz", gzipped(yelp_tar(LINES)), YELP),
        ("y.tar.gz", gzipped(yelp_tar(LINES)), YELP),
        ("y.tar.bz2", bz2.compress(yelp_tar(LINES)), YELP),
        ("y.tar.zst", zstd.compress(yelp_tar(LINES)), YELP),
        ("Yelp-JSON.zip", zipped({"Yelp JSON/yelp_dataset.tar": yelp_tar(LINES), "Yelp JSON/a.pdf": b"%PDF"}), YELP),
        ("y.zip", zipped({"yelp_dataset.tgz": gzipped(yelp_tar(LINES)), "__MACOSX/._yelp_dataset.tgz": b"x"}), YELP),
    ],
)
def test_the_reviews_are_found_inside_all_layers(name: str, data: bytes, inner: str) -> None:
    assert read(data, name) == (LINES, inner)


@pytest.mark.parametrize("compress", [gzipped, bz2.compress, zstd.compress], ids=["gz", "bz2", "zst"])
def test_a_compressed_file_of_two_parts_is_read_to_its_end(compress) -> None:  # type: ignore[no-untyped-def]
    suffix = {gzipped: "gz", bz2.compress: "bz2", zstd.compress: "zst"}[compress]
    assert read(compress(LINES) + compress(LINES), f"r.json.{suffix}")[0] == LINES * 2


@pytest.mark.parametrize(
    ("name", "inner", "plain"),
    [
        ("r.json", "r.json", True),
        ("in/r.jsonl.gz", "r.jsonl", False),
        ("r.csv.zst", "r.csv", False),
        ("y.zip", None, False),
        ("y.tar.gz", None, False),
        ("y.TGZ", None, False),
        ("r.7z", "r.7z", True),
    ],
)
def test_a_name_tells_the_layers(name: str, inner: str | None, plain: bool) -> None:
    assert (inner_name(name), is_plain(name)) == (inner, plain)


ARCHIVES = [("y.zip", zipped), ("y.tar", tarred)]


@pytest.mark.parametrize(("name", "archived"), ARCHIVES, ids=["zip", "tar"])
@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"a/user.json": b"{}"}, "expected one member named *review.json, found a/user.json"),
        ({}, "expected one member named *review.json, found nothing"),
        ({"a/review.json": b"", "b/review.json": b""}, "named *review.json, found a/review.json, b/review.json"),
        ({"/etc/review.json": LINES}, "member '/etc/review.json' points outside the archive"),
        ({"../review.json": LINES}, "member '../review.json' points outside the archive"),
        ({"a/../../review.json": LINES}, "member 'a/../../review.json' points outside the archive"),
        ({"C:\\review.json": LINES}, "member 'C:\\\\review.json' points outside the archive"),
    ],
)
def test_a_member_that_is_none_or_not_the_only_one_is_an_error(name, archived, members, expected: str) -> None:  # type: ignore[no-untyped-def]
    assert error(archived(members), name).endswith(expected)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_a_tars_link_is_refused(kind: bytes) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo(YELP)
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    assert error(buffer.getvalue(), "y.tar") == f"y.tar: member {YELP!r} is a link or a folder, expected a file"


def test_a_zips_link_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        member = zipfile.ZipInfo("review.json")
        member.external_attr = 0o120777 << 16
        archive.writestr(member, "/etc/passwd")
    assert error(buffer.getvalue(), "y.zip") == "y.zip: member 'review.json' is a link, expected a file"


def test_a_zip_inside_another_layer_is_refused() -> None:
    assert error(gzipped(kaggle_zip(LINES)), "y.zip.gz") == "y.zip.gz: holds a zip, y.zip, expected reviews"


def test_nothing_is_extracted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    read(yelp_tar(LINES), "y.tar")
    read(kaggle_zip(LINES), "y.zip")
    error(tarred({"../review.json": LINES}), "y.tar")
    assert list(tmp_path.iterdir()) == []


def bomb(kind: str, size: int) -> bytes:
    """Build a decompression bomb: a small file that unpacks to `size` zero bytes."""
    buffer = io.BytesIO()
    zeros = io.BufferedReader(Endless(size, b"\0"), 1 << 20)
    if kind == "y.zip":
        with (
            zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("review.json", "w", force_zip64=True) as member,
        ):
            while block := zeros.read(1 << 20):
                member.write(block)
    else:
        with {"r.json.bz2": bz2.open, "r.json.zst": zstd.open}[kind](buffer, "wb") as file:  # type: ignore[operator]
            while block := zeros.read(1 << 20):
                file.write(block)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["y.zip", "r.json.bz2", "r.json.zst"])
def test_a_bomb_is_refused_before_it_is_unpacked(name: str) -> None:
    data = bomb(name, 3 * FREE_BYTES)
    limit = len(data) * MAX_GROWTH + FREE_BYTES
    seen: list[int] = []

    def unpack() -> None:
        with archives.open_innermost(io.BytesIO(data), name=name, size=len(data)) as (stream, _):
            while block := stream.read(1 << 16):
                seen.append(len(block))

    with pytest.raises(InputError) as raised:
        unpack()
    assert str(raised.value) == f"{name}: holds over {limit} bytes, more than 100 times its own size"
    assert sum(seen) <= limit


def test_a_small_file_may_repeat_itself() -> None:
    data = gzipped(b"x" * 10_000_000)
    assert len(data) < 20_000
    assert len(read(data, "r.json.gz")[0]) == 10_000_000


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (bz2.compress(LINES), "r.json.bz2"),
        (zstd.compress(LINES), "r.json.zst"),
        (gzipped(yelp_tar(LINES)), "y.tgz"),
        (zipped({"y.tgz": gzipped(yelp_tar(LINES))}), "y.zip"),
    ],
    ids=["bz2", "zst", "tgz", "tgz in zip"],
)
def test_a_file_cut_anywhere_is_an_error(data: bytes, name: str) -> None:
    for size in range(1, len(data)):
        assert error(data[:size], name).startswith(f"{name}: ")


def test_a_tar_cut_before_the_reviews_end_is_an_error() -> None:
    data = yelp_tar(LINES)
    end = data.index(b"yelp_academic_dataset_tip.json")
    for size in range(1, data.index(LINES) + len(LINES), 100):
        assert error(data[:size], "y.tar").startswith("y.tar: ")
    assert read(data[:end], "y.tar")[0] == LINES


@pytest.mark.parametrize("name", ["r.json.bz2", "r.json.zst", "y.tar", "y.tgz", "y.zip"])
def test_what_is_not_what_its_name_says_is_an_error(name: str) -> None:
    suffix = name.rpartition(".")[2]
    assert error(LINES, name).startswith(f"{name}: damaged or truncated, expected a whole {suffix} file: ")


def test_a_zip_whose_directory_points_before_its_start_is_an_error(tmp_path: Path) -> None:
    data = bytearray(kaggle_zip(LINES))
    end = data.rindex(b"PK\x05\x06")
    data[end + 16 : end + 20] = (2**31).to_bytes(4, "little")  # the offset of the zip directory
    (tmp_path / "y.zip").write_bytes(data)
    # A file on disk, because a seek before its start raises OSError. In memory, the seek raises ValueError.
    with (
        pytest.raises(InputError, match=r"y\.zip: damaged or truncated"),
        (tmp_path / "y.zip").open("rb") as file,
        archives.open_innermost(file, name="y.zip", size=len(data)),
    ):
        pass


def test_an_error_of_the_disk_is_none_of_the_users() -> None:
    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, _) -> int:  # type: ignore[no-untyped-def]
            raise OSError(5, "Input/output error")

    with (
        pytest.raises(OSError, match="Input/output error"),
        archives.open_innermost(Broken(), name="r.json.gz", size=9) as (stream, _),  # type: ignore[arg-type]
    ):
        stream.read()


def test_damage_behind_a_tars_end_is_found_wherever_it_stands() -> None:
    for padding in range(1_000_000, 1_060_000, 1_500):
        data = bytearray(gzipped(tarred({YELP: LINES, "padding": bytes(padding)})))
        data[-6] ^= 1  # a byte of gzip's own checksum
        assert error(bytes(data), "y.tgz").startswith("y.tgz: damaged or truncated")


def test_a_mistake_of_the_reader_is_not_called_damage() -> None:
    with pytest.raises(ValueError, match="ours"), archives.open_innermost(io.BytesIO(LINES), name="r.json", size=9):
        raise ValueError("ours")


def test_damage_in_a_later_stream_of_bz2_is_an_error() -> None:
    data = bytearray(bz2.compress(LINES) + bz2.compress(LINES))
    data[data.index(b"BZh9", 10)] ^= 1
    assert error(bytes(data), "r.json.bz2").startswith("r.json.bz2: damaged or truncated, expected a whole bz2 file")
    assert error(bz2.compress(LINES) + b"garbage", "r.json.bz2").startswith("r.json.bz2: damaged or truncated")


@pytest.mark.parametrize(
    ("name", "data", "inner"),
    [
        ("y.tar", gzipped(yelp_tar(LINES)), YELP),
        ("r.json", gzipped(LINES), "r.json"),
        ("r.csv", bz2.compress(LINES), "r.csv"),
        ("r.jsonl", zstd.compress(LINES), "r.jsonl"),
        ("yelp_review.csv.zip", zipped({"yelp_review.csv": LINES}), "yelp_review.csv"),
        ("y.zip", zipped({"reviews.jsonl": LINES}), "reviews.jsonl"),
        ("y.zip", zipped({"YELP_REVIEW.JSON": LINES, "business.json": b"{}"}), "YELP_REVIEW.JSON"),
        ("y.zip", zipped({"yelp_review.json.gz": gzipped(LINES)}), "yelp_review.json"),
        ("y.zip", zipped({"data.csv": gzipped(LINES)}), "data.csv"),
    ],
)
def test_layers_are_told_by_content_and_one_table_in_a_zip_is_found(name: str, data: bytes, inner: str) -> None:
    assert read(data, name) == (LINES, inner)


def test_zip_of_several_tables_is_refused_with_their_names() -> None:
    assert "found a.csv, b.csv" in error(zipped({"a.csv": LINES, "b.csv": LINES}), "y.zip")


def test_review_with_the_word_mustard_is_no_tar() -> None:
    start = b"review_id,text\na,"
    data = start + b"x" * (archives.TAR_MAGIC_AT - len(start) - 2) + b" mustard\n"
    assert data[archives.TAR_MAGIC_AT :].startswith(b"ustar")
    assert read(data, "r.csv") == (data, "r.csv")


def test_compression_without_end_is_refused() -> None:
    data = LINES
    for _ in range(20):
        data = gzipped(data)
    assert error(data, "r.json") == "r.json: over 8 archives and compressions in one another"
