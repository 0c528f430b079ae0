"""A part of a file, as it is asked for: every form of Range, judged by a slow reading of RFC 9110, section 14.1.2."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.web import ranges
from digest.web.ranges import Part


@pytest.mark.parametrize(
    ("field", "answer"),
    [
        (None, None),
        ("bytes=0-0", Part(0, 1, 10)),
        ("bytes=2-5", Part(2, 6, 10)),
        ("Bytes=2-", Part(2, 10, 10)),
        ("bytes=-3", Part(7, 10, 10)),
        ("bytes=-30", Part(0, 10, 10)),
        ("bytes=2-99999", Part(2, 10, 10)),
        ("bytes= 2-5 ", Part(2, 6, 10)),
        ("bytes=10-", 416),
        ("bytes=99-100", 416),
        ("bytes=-0", 416),
        ("bytes=5-2", None),  # no range at all (14.1.1)
        ("bytes=0-1,3-4", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("lines=0-1", None),
        ("bytes=0-" + "9" * 400, None),
    ],
)
def test_each_form_of_range(field: str | None, answer: Part | int | None) -> None:
    assert ranges.asked(field, 10) == answer


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 20))
def test_a_part_holds_exactly_the_bytes_from_first_to_last(first: int, last: int, size: int) -> None:
    wanted = [at for at in range(size) if first <= at <= last]
    part = ranges.asked(f"bytes={first}-{last}", size)
    if last < first:
        assert part is None
    elif not wanted:
        assert part == 416
    else:
        assert isinstance(part, Part)
        assert list(range(part.start, part.end)) == wanted
        assert part.content_range == f"bytes {wanted[0]}-{wanted[-1]}/{size}"


def test_nothing_of_an_empty_file_can_be_had() -> None:
    assert ranges.asked("bytes=0-", 0) == ranges.asked("bytes=-5", 0) == 416
