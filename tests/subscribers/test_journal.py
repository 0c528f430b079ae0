"""The journal of who must get no more mail: whole lines, also after a crash or a full disk in the middle of one."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from subscribers import journal
from tests.conftest import NOW


def write(home: Path, what: str) -> None:
    journal.write(home, what, b"\x01" * 16, now=NOW)


def told(home: Path) -> list[str]:
    return [line["what"] for line in journal.read(home)]


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """The kernel takes a part of a write, and then none, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_line_that_a_crash_cut_off_spoils_no_other(tmp_path: Path) -> None:
    write(tmp_path, journal.LEFT)
    file = tmp_path / journal.FOLDER / journal.FILE
    with file.open("ab") as cut:
        cut.write(file.read_bytes()[:20])
    assert told(tmp_path) == ["left"]
    write(tmp_path, journal.ERASED)
    assert told(tmp_path) == ["left", "erased"]


def test_a_line_that_did_not_fit_on_the_disk_is_no_success(tmp_path: Path) -> None:
    write(tmp_path, journal.LEFT)
    size = (tmp_path / journal.FOLDER / journal.FILE).stat().st_size
    with no_file_larger_than(size + 20), pytest.raises(OSError, match="only a part"):
        write(tmp_path, journal.SUPPRESSED)
    write(tmp_path, journal.ERASED)
    assert told(tmp_path) == ["left", "erased"]


def test_a_home_without_a_journal_has_none(tmp_path: Path) -> None:
    assert journal.read(tmp_path) == []
