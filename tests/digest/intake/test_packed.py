"""Zips of Markdown files: hostile until each entry was looked at."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from digest.errors import BadInput
from digest.intake import packed

ITEM = b"---\ntitle: A\nkind: fact sheet\ndate: 2026-09-01\n---\nText.\n"


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes], way: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip with these entries, however strange they are."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", way) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return out.getvalue()


def unpack(tmp_path: Path, data: bytes) -> tuple[int, set[str]]:
    """How many texts there are, and all files that came out."""
    file, folder = tmp_path / "a.zip", tmp_path / f"out{len(list(tmp_path.iterdir()))}"
    file.write_bytes(data)
    folder.mkdir()
    texts = packed.unpack(file, folder)
    return texts, {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()}


def refused(tmp_path: Path, data: bytes) -> str:
    with pytest.raises(BadInput) as error:
        unpack(tmp_path, data)
    assert error.value.problem.where == "file"
    assert str(tmp_path) not in str(error.value)
    outside = [one for one in tmp_path.iterdir() if one.name != "a.zip" and not one.name.startswith("out")]
    assert outside == []
    return error.value.problem.why


def link(name: str, mode: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, (mode | 0o777) << 16
    return entry


def test_items_and_the_files_beside_them_come_out_and_nothing_else(tmp_path: Path) -> None:
    data = zipped(
        ("a.md", ITEM), ("in/b.markdown", ITEM), ("in/pic.PNG", b"x"), ("run.sh", b"x"), (".git/a.md", ITEM),
        ("__MACOSX/a.md", b"x"), ("in/.hidden.md", b"x"), ("empty/", b""),
    )  # fmt: skip
    assert unpack(tmp_path, data) == (2, {"a.md", "in/b.markdown", "in/pic.PNG"})


@pytest.mark.parametrize(
    "name", ["../a.md", "in/../../a.md", "/etc/a.md", "..\\a.md", "C:/a.md", "in/\0.md", "/".join("a" * 30) + ".md"]
)
def test_what_leads_out_of_the_folder_is_refused_by_name(tmp_path: Path, name: str) -> None:
    entry = zipfile.ZipInfo("x.md")
    entry.filename = entry.orig_filename = name
    why = refused(tmp_path, zipped(("ok.md", ITEM), (entry, ITEM)))
    assert "leads out of its folder" in why or "too deep" in why


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path: Path, mode: int) -> None:
    assert refused(tmp_path, zipped((link("a.md", mode), b"/etc/passwd"))) == "'a.md' is a link, or no plain file."


def test_a_bomb_is_stopped_when_its_bytes_are_too_many_whatever_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "'a.md' is larger than 2 MB." in refused(tmp_path, zipped(("a.md", bytes(3_000_000))))
    monkeypatch.setattr(packed, "ROOM", 3_000_000)
    many = zipped(*((f"{n}.pdf", bytes(1_000_000)) for n in range(4)))
    assert "It holds more than" in refused(tmp_path, many)


def test_too_many_entries_are_refused_before_their_list_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = zipped(("a.md", ITEM))
    at = data.rfind(b"PK\x05\x06")
    monkeypatch.setattr(zipfile, "ZipFile", None)  # which would read the list
    claims = data[: at + 10] + struct.pack("<HI", 6_000, 50) + data[at + 16 :]
    assert refused(tmp_path, claims) == "It has more than 5,000 entries."


@pytest.mark.parametrize("change", ["large", "list"])
def test_a_list_of_entries_that_is_too_long_is_not_read(tmp_path: Path, change: str) -> None:
    data = zipped(("a.md", ITEM))
    at = data.rfind(b"PK\x05\x06")
    if change == "large":
        data = data[:at] + b"PK\x06\x07" + bytes(16) + data[at:]
    else:
        data = data[: at + 12] + struct.pack("<I", 1 << 30) + data[at + 16 :]
    assert refused(tmp_path, data) == "It has more than 5,000 entries."


def test_locked_broken_doubled_and_unusual_ones_are_refused(tmp_path: Path) -> None:
    whole = zipped(("a.md", ITEM * 50), way=zipfile.ZIP_STORED)
    locked = bytearray(zipped(("a.md", ITEM)))
    for sign in (b"PK\x03\x04", b"PK\x01\x02"):
        locked[locked.find(sign) + (6 if sign.endswith(b"\x04") else 8)] |= 1
    assert refused(tmp_path, bytes(locked)) == "'a.md' is locked by a password."
    assert refused(tmp_path, whole.replace(b"Text", b"Txet", 1)) == "'a.md' is broken in the zip."
    assert refused(tmp_path, whole[:-30]) == "It is no zip."
    assert refused(tmp_path, b"PK\x03\x04 and no more") == "It is no zip."
    assert refused(tmp_path, zipped(("a.md", ITEM), ("A.md", ITEM))) == "'A.md' comes twice."
    assert refused(tmp_path, zipped(("a.md", ITEM), way=zipfile.ZIP_LZMA)) == "'a.md' is packed in an unusual way."
    assert "The zip is broken" in refused(tmp_path, zipped(("a.md", ITEM), ("a.md/b.md", ITEM)))
