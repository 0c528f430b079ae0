"""What is read apart: whatever becomes of the reading process, this one goes on, and knows that there is no answer."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from digest import apart
from tests.standins import bad_reader

MODULE = "tests.standins.bad_reader"


@pytest.fixture(autouse=True)
def _found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))


@pytest.mark.parametrize("how", ["fill", "spin", "sleep", "flood", "die", "write"])
def test_a_reader_that_misbehaves_gives_no_answer_and_is_gone(how: str, tmp_path: Path) -> None:
    begun = time.monotonic()
    kept = tmp_path / "kept"
    assert apart.ask(MODULE, how, str(kept), data=b"x" * 200_000, limits=bad_reader.LIMITS) is None
    assert time.monotonic() - begun < 30
    assert not kept.exists() or not kept.stat().st_size


@pytest.mark.parametrize("how", ["flood", "die", "spin"])
def test_lines_end_with_an_error_when_their_reader_does(how: str) -> None:
    with pytest.raises(EOFError):
        list(apart.lines(MODULE, how, limits=bad_reader.LIMITS))


def test_a_reader_is_told_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_TRANSPORT__PASSWORD", "secret")
    answer = apart.ask(MODULE, "tell", data=b"", limits=bad_reader.LIMITS)
    assert answer
    assert set(answer.decode().split()) <= {*apart.TOLD, "LC_CTYPE"}
