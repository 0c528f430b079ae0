"""The files that items carry: judged by their bytes, named by their hash, never from outside their folder."""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest import media, pictures
from digest.errors import BadInput

PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type /Pages/Kids[3 0 R 4 0 R]/Count 2>>endobj\n"
    b"3 0 obj<</Type /Page/Parent 2 0 R>>endobj\n4 0 obj<</Type/Page /Parent 2 0 R>>endobj\n%%EOF\n"
)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def exif(order: str, orientation: int) -> bytes:
    start = b"II*\0" if order == "<" else b"MM\0*"
    camera = struct.pack(f"{order}HHII", 0x010F, 2, 6, 38)
    turned = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0" + start + struct.pack(f"{order}IH", 8, 2) + camera + turned + b"\0\0\0\0" + b"Camera"


PNG = (
    b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    + chunk(b"IDAT", zlib.compress(b"\0\0"))
    + chunk(b"IEND", b"")
)
SCAN = segment(0xDA, b"\x01\x01\0\0?\0") + b"coded\xff\0data\xff\xd0more" + segment(0xC4, b"table")
SCAN += segment(0xDA, b"\x01\x01\0\0?\0") + b"again" + b"\xff\xd9"
JFIF = b"\xff\xd8" + segment(0xE0, b"JFIF\0")
JPEG = JFIF + segment(0xDB, b"quantities") + SCAN


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "A paper.pdf").write_bytes(PDF)
    return folder


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "media"


def test_a_pdf_is_kept_once_under_the_hash_of_its_bytes(folder: Path, kept: Path) -> None:
    (folder / "copy.bin").write_bytes(PDF)
    paper = media.store(kept, folder, "files/A paper.pdf")
    copy = media.store(kept, folder, "copy.bin")
    assert (paper.role, paper.media_type, paper.size, paper.pages) == ("pdf", "application/pdf", len(PDF), 2)
    assert (paper.name, copy.name) == ("A paper.pdf", "copy.bin")
    assert paper.path == copy.path
    assert [path.name for path in kept.iterdir()] == [paper.path]
    assert (kept / paper.path).read_bytes() == PDF


def test_a_look_without_keeping_gives_the_same_answer(folder: Path, kept: Path) -> None:
    looked = media.store(None, folder, "files/A paper.pdf")
    assert not kept.exists()
    assert looked == media.store(kept, folder, "files/A paper.pdf")


@pytest.mark.parametrize(("data", "media_type"), [(PNG, "image/png"), (JPEG, "image/jpeg")])
def test_a_picture_is_known_by_its_bytes(folder: Path, kept: Path, data: bytes, media_type: str) -> None:
    (folder / "badge.txt").write_bytes(data)
    picture = media.store(kept, folder, "badge.txt", alt=" A\nbadge ")
    assert (picture.role, picture.media_type, picture.alt) == ("image", media_type, "A badge")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<html>%PDF-1.4",
        b"GIF89a",
        b"PK\x03\x04",
        b"MZ\x90",
    ],
)
def test_other_files_are_refused_whatever_their_name(folder: Path, kept: Path, data: bytes) -> None:
    (folder / "x.pdf").write_bytes(data)
    with pytest.raises(BadInput, match="neither a PDF nor"):
        media.store(kept, folder, "x.pdf")
    assert not kept.exists()


@pytest.mark.parametrize(
    "name", ["../secret.pdf", "files/../../secret.pdf", "/etc/passwd", "..", "", "a\\..\\b", "a\0b", "."]
)
def test_a_path_out_of_the_folder_is_refused(folder: Path, kept: Path, name: str) -> None:
    (folder.parent / "secret.pdf").write_bytes(PDF)
    with pytest.raises(BadInput) as caught:
        media.store(kept, folder, name, where="pdf")
    assert caught.value.problem.where == "pdf"


def test_links_are_not_followed_on_any_part_of_the_way(folder: Path, kept: Path) -> None:
    secret = folder.parent / "secret"
    secret.mkdir()
    (secret / "s.pdf").write_bytes(PDF)
    (folder / "link.pdf").symlink_to(secret / "s.pdf")
    (folder / "inner").symlink_to(secret)
    for name in ("link.pdf", "inner/s.pdf"):
        with pytest.raises(BadInput, match="cannot be read"):
            media.store(kept, folder, name)


def test_what_is_no_file_is_refused_without_waiting(folder: Path, kept: Path) -> None:
    os.mkfifo(folder / "pipe.pdf")
    for name, says in (("pipe.pdf", "is not a file"), ("files", "is not a file"), ("gone.pdf", "No such file")):
        with pytest.raises(BadInput, match=says):
            media.store(kept, folder, name)


def test_a_file_that_is_too_large_is_refused(folder: Path, kept: Path) -> None:
    with (folder / "big.pdf").open("wb") as file:
        file.write(PDF)
        file.truncate(media.LARGEST + 1)
    with pytest.raises(BadInput, match="larger than 20 MB"):
        media.store(kept, folder, "big.pdf")


def test_pages_are_told_only_when_they_are_sure() -> None:
    assert media.pdf_pages(PDF) == 2
    assert media.pdf_pages(PDF.replace(b"/Count 2", b"/Count 9")) is None
    assert media.pdf_pages(b"%PDF-1.5 compressed objects") is None


def test_a_png_loses_its_words_and_whatever_follows_it(folder: Path, kept: Path) -> None:
    end = PNG.index(chunk(b"IDAT", zlib.compress(b"\0\0")))
    told = PNG[:end] + chunk(b"tEXt", b"Author\0Dana Ruiz") + chunk(b"eXIf", b"place") + PNG[end:] + b"<script>"
    (folder / "told.png").write_bytes(told)
    assert (kept / media.store(kept, folder, "told.png").path).read_bytes() == PNG


def test_a_jpeg_loses_its_words_and_whatever_follows_it(folder: Path, kept: Path) -> None:
    told = JFIF + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0Dana Ruiz") + segment(0xFE, b"comment")
    told += segment(0xED, b"Photoshop") + segment(0xE1, exif("<", 1)) + JPEG[len(JFIF) :] + b"<script>"
    (folder / "told.jpg").write_bytes(told)
    assert (kept / media.store(kept, folder, "told.jpg").path).read_bytes() == JPEG


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_jpeg_stays_turned_the_way_it_was(folder: Path, kept: Path, order: str) -> None:
    (folder / "told.jpg").write_bytes(b"\xff\xd8" + segment(0xE1, exif(order, 6)) + JPEG[2:])
    stripped = (kept / media.store(kept, folder, "told.jpg").path).read_bytes()
    assert b"Camera" not in stripped
    assert stripped[2:].startswith(
        segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0")
    )
    assert stripped.endswith(JPEG[2:])


@given(st.sampled_from([PNG, JPEG]), st.data())
def test_a_damaged_picture_is_refused_or_kept_and_nothing_else(picture: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(3, len(picture)))
    damaged = bytearray(picture[:cut])
    for at, byte in data.draw(st.lists(st.tuples(st.integers(2, cut - 1), st.integers(0, 255)), max_size=3)):
        damaged[at] = byte
    with contextlib.suppress(ValueError):
        assert pictures.strip(pictures.strip(bytes(damaged))) == pictures.strip(bytes(damaged))


def test_a_picture_that_ends_too_early_is_refused(folder: Path, kept: Path) -> None:
    for picture in (PNG, JPEG):
        for cut in (9, len(picture) // 2, len(picture) - 1):
            (folder / "cut").write_bytes(picture[:cut])
            with pytest.raises(BadInput, match="damaged picture"):
                media.store(kept, folder, "cut")
