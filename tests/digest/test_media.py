"""The files that items carry: judged by their bytes, named by their hash, never from outside their folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from digest import media, pictures
from digest.errors import BadInput
from tests.digest import samples

PDF = samples.paper(2)


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
    assert [path.name for path in kept.iterdir() if path.is_file()] == [paper.path]
    assert (kept / paper.path).read_bytes() == PDF


def test_another_recipe_makes_pictures_anew_under_another_name_and_leaves_papers_alone(
    folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is served under a name is kept by browsers for a year, so a name never stands for other bytes."""
    (folder / "wide.png").write_bytes(samples.picture("PNG", (900, 10)))
    paper, picture = media.store(kept, folder, "files/A paper.pdf"), media.store(kept, folder, "wide.png")
    monkeypatch.setattr(pictures, "RECIPE", pictures.RECIPE + 1)
    assert media.store(kept, folder, "files/A paper.pdf") == paper
    anew = media.store(kept, folder, "wide.png")
    assert anew.path != picture.path
    assert media.given(anew.path) == media.given(picture.path) != media.given(paper.path)
    assert {one.name for one in kept.iterdir() if one.is_file()} == {
        paper.path,
        *(name for one in (picture, anew) for name in (one.path, media.narrow(one.path))),
    }
    assert (media.known(kept, picture.path), media.known(kept, anew.path)) == (picture, anew)


def test_a_look_without_keeping_gives_the_same_answer(folder: Path, kept: Path) -> None:
    looked = media.store(None, folder, "files/A paper.pdf")
    assert not kept.exists()
    assert looked == media.store(kept, folder, "files/A paper.pdf")


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/jpeg"), ("GIF", "image/png")],
)
def test_a_picture_is_known_by_its_bytes(folder: Path, kept: Path, kind: str, media_type: str) -> None:
    (folder / "badge.txt").write_bytes(samples.picture(kind, (30, 20)))
    picture = media.store(kept, folder, "badge.txt", alt=" A\nbadge ")
    assert (picture.role, picture.media_type, picture.alt) == ("image", media_type, "A badge")
    assert (picture.width, picture.height, picture.size) == (30, 20, (kept / picture.path).stat().st_size)


def test_a_wide_picture_is_kept_in_two_widths(folder: Path, kept: Path) -> None:
    (folder / "wide.jpg").write_bytes(samples.photograph((2400, 1600)))
    picture = media.store(kept, folder, "wide.jpg")
    assert (picture.width, picture.height) == (1200, 800)
    widths = {path.name: samples.opened(path.read_bytes()).size for path in kept.iterdir() if path.is_file()}
    assert widths == {picture.path: (1200, 800), media.narrow(picture.path): (600, 400)}


def test_what_came_of_a_file_is_noted_and_not_made_anew(folder: Path, kept: Path) -> None:
    (folder / "wide.png").write_bytes(samples.picture("PNG", (900, 10)))
    media.store(kept, folder, "wide.png", alt="A line")
    (note,) = (kept / media.NOTES).iterdir()
    note.write_text(note.read_text().replace('"height": 10', '"height": 11'))  # as nobody finds it who looks again
    again = media.store(kept, folder, "wide.png", alt="Another line")
    assert (again.height, again.alt) == (11, "Another line")


@pytest.mark.parametrize("lost", ["", "-600"])
def test_what_was_lost_is_made_anew(folder: Path, kept: Path, lost: str) -> None:
    (folder / "wide.png").write_bytes(samples.picture("PNG", (900, 10)))
    first = media.store(kept, folder, "wide.png")
    gone = kept / first.path.replace(".", f"{lost}.")
    gone.unlink()
    assert media.store(kept, folder, "wide.png") == first
    assert gone.is_file()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<html>%PDF-1.4",
        b"GIF88a",
        b"RIFF\0\0\0\0WAVE",
        b"PK\x03\x04",
        b"MZ\x90",
    ],
)
def test_other_files_are_refused_whatever_their_name(folder: Path, kept: Path, data: bytes) -> None:
    (folder / "x.pdf").write_bytes(data)
    with pytest.raises(BadInput, match="neither a PDF nor"):
        media.store(kept, folder, "x.pdf")
    assert not kept.exists()


def test_a_damaged_picture_and_a_locked_pdf_are_refused_and_leave_nothing(folder: Path, kept: Path) -> None:
    (folder / "cut.png").write_bytes(samples.picture()[:50])
    (folder / "locked.pdf").write_bytes(samples.paper(opens="secret"))
    for name, says in (("cut.png", "no good picture: It is damaged"), ("locked.pdf", "opens only with a password")):
        with pytest.raises(BadInput, match=says):
            media.store(kept, folder, name)
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
