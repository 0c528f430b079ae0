"""Conditional requests and content codings, line by line of RFC 9110."""

from __future__ import annotations

import pytest

from digest.web import conditional
from digest.web.conditional import FAILED, GO_ON, NOT_MODIFIED

TAG = b'"abc"'
CHANGED = 1_788_778_805  # Mon, 07 Sep 2026 11:00:05 GMT
AT, BEFORE = b"Mon, 07 Sep 2026 11:00:05 GMT", b"Mon, 07 Sep 2026 11:00:04 GMT"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, GO_ON),
        ({"if-none-match": b'"abc"'}, NOT_MODIFIED),
        ({"if-none-match": b'W/"abc"'}, NOT_MODIFIED),
        ({"if-none-match": b'"x", W/"abc"'}, NOT_MODIFIED),
        ({"if-none-match": b'"x","abc","y"'}, NOT_MODIFIED),
        ({"if-none-match": b' "abc" '}, NOT_MODIFIED),
        ({"if-none-match": b"*"}, NOT_MODIFIED),
        ({"if-none-match": b'"x"'}, GO_ON),
        ({"if-none-match": b'"x,"abc""'}, GO_ON),
        ({"if-none-match": b'"a,b", "ab,c"'}, GO_ON),
        ({"if-none-match": b"abc"}, GO_ON),
        ({"if-none-match": b'"ABC"'}, GO_ON),
        ({"if-none-match": b'w/"abc"'}, NOT_MODIFIED),  # "w/" is no weakness; what is left is the tag
        ({"if-none-match": b""}, GO_ON),
        ({"if-modified-since": AT}, NOT_MODIFIED),
        ({"if-modified-since": b"Monday, 07-Sep-26 11:00:05 GMT"}, NOT_MODIFIED),
        ({"if-modified-since": b"Mon Sep  7 11:00:05 2026"}, NOT_MODIFIED),
        ({"if-modified-since": b"Mon, 07 Sep 2027 11:00:05 GMT"}, NOT_MODIFIED),
        ({"if-modified-since": BEFORE}, GO_ON),
        ({"if-modified-since": b"nonsense"}, GO_ON),
        ({"if-modified-since": b"Mon, 07 Sep 2026 11:00:05 +0000"}, GO_ON),
        ({"if-modified-since": b"mon, 07 sep 2026 11:00:05 GMT"}, GO_ON),
        ({"if-modified-since": b"Mon, 37 Sep 2026 11:00:05 GMT"}, GO_ON),
        ({"if-modified-since": AT + b", " + AT}, GO_ON),
        ({"if-modified-since": b"2026-09-07T11:00:05Z"}, GO_ON),
        ({"if-modified-since": "Mon, 07 Sep 2026 １１:00:05 GMT".encode()}, GO_ON),
        ({"if-none-match": b'"x"', "if-modified-since": AT}, GO_ON),
        ({"if-none-match": b'"abc"', "if-modified-since": BEFORE}, NOT_MODIFIED),
        ({"if-match": b'"abc"'}, GO_ON),
        ({"if-match": b'"x", "abc"'}, GO_ON),
        ({"if-match": b"*"}, GO_ON),
        ({"if-match": b'W/"abc"'}, FAILED),
        ({"if-match": b'"x"'}, FAILED),
        ({"if-match": b'"x"', "if-none-match": b'"abc"'}, FAILED),
        ({"if-match": b'"abc"', "if-none-match": b'"abc"'}, NOT_MODIFIED),
        ({"if-match": b'"abc"', "if-unmodified-since": BEFORE}, GO_ON),
        ({"if-unmodified-since": BEFORE}, FAILED),
        ({"if-unmodified-since": AT}, GO_ON),
        ({"if-unmodified-since": b"nonsense"}, GO_ON),
    ],
    ids=str,
)
def test_preconditions_are_judged_in_order(fields: dict[str, bytes], expected: int) -> None:
    said = {name.encode(): value for name, value in fields.items()}
    assert conditional.judge(said, etag=TAG, changed=CHANGED) == expected


def test_a_tag_may_hold_a_comma() -> None:
    assert conditional.has(b'"x", "a,b"', b'"a,b"')
    assert not conditional.has(b'"a,b"', b'"a"')


@pytest.mark.parametrize(
    ("accept", "packed"),
    [
        (b"", False),
        (b"gzip", True),
        (b"GZIP", True),
        (b"x-gzip", True),
        (b"deflate, gzip;q=1.0, *;q=0.5", True),
        (b"br, zstd", False),
        (b"*", True),
        (b"*;q=0", False),
        (b"gzip;q=0", False),
        (b"gzip;q=0.000, *", False),
        (b"gzip ; q = 0.5", True),
        (b"gzip;q=0.5, identity", False),
        (b"gzip;q=0.5, identity;q=0.5", True),
        (b"identity;q=0", False),
        (b"gzip;q=nonsense", False),
        (b"gzip;q=2", False),
        (b"identity", False),
    ],
)
def test_gzip_is_sent_to_those_who_take_it(accept: bytes, packed: bool) -> None:
    assert conditional.takes_gzip(accept) is packed
