"""Conditional requests and content codings, by the letter of RFC 9110: pure functions of field values.

Promises: preconditions are looked at in the order of section 13.2.2; tags are compared strongly for If-Match and weakly
for If-None-Match; a date that is no HTTP-date is ignored. Field values are bytes, as ASGI has them; several lines of
one field come joined by a comma. Refuses nothing: what cannot be understood is as if it were not there.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache

GO_ON, NOT_MODIFIED, FAILED = 200, 304, 412
FIELDS = frozenset((b"if-none-match", b"if-modified-since", b"if-match", b"if-unmodified-since"))  # that are judged

# An opaque tag may hold commas (section 8.8.3), so a list of tags is never split at them.
_TAG = re.compile(rb'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_DAY, _DAYS = b"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)", b"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_MONTH, _TIME = b"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)", rb"\d\d:\d\d:\d\d"
_DATE = re.compile(  # section 5.6.7: the form that is written, and the two old ones that are read
    rb"%s, \d\d %s \d{4} %s GMT|%s, \d\d-%s-\d\d %s GMT|%s %s [ \d]\d %s \d{4}"
    % (_DAY, _MONTH, _TIME, _DAYS, _MONTH, _TIME, _DAY, _MONTH, _TIME)
)
_WEIGHT = re.compile(rb"\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*", re.IGNORECASE)


def fields(headers: Iterable[tuple[bytes, bytes]], heeded: Container[bytes]) -> dict[bytes, bytes]:
    """Those fields of a request that are `heeded`, by name in small letters, as ASGI gives them."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in heeded:
            found[name] = found[name] + b", " + value if name in found else value
    return found


def judge(fields: Mapping[bytes, bytes], *, etag: bytes, changed: int) -> int:
    """What becomes of a GET or HEAD for something with this strong tag, changed in this second since 1970:
    GO_ON, NOT_MODIFIED or FAILED."""
    if (wanted := fields.get(b"if-match")) is not None:
        if wanted.strip() != b"*" and etag not in [tag for weak, tag in _TAG.findall(wanted) if not weak]:
            return FAILED
    elif (since := moment(fields.get(b"if-unmodified-since"))) is not None and changed > since:
        return FAILED
    if (known := fields.get(b"if-none-match")) is not None:
        return NOT_MODIFIED if known == etag or has(known, etag) else GO_ON
    since = moment(fields.get(b"if-modified-since"))
    return NOT_MODIFIED if since is not None and changed <= since else GO_ON


def has(known: bytes, etag: bytes) -> bool:
    """Whether an If-None-Match names this tag, or any (`*`)."""
    return known.strip() == b"*" or etag in tags(known)


def tags(known: bytes) -> list[bytes]:
    """The tags that an If-None-Match names, weak or strong."""
    return [tag for _, tag in _TAG.findall(known)]


@lru_cache(maxsize=256)
def moment(value: bytes | None) -> int | None:
    """An HTTP-date in seconds since 1970; None for anything else."""
    if value is None or not _DATE.fullmatch(value := value.strip()):
        return None
    try:
        said = parsedate_to_datetime(value.decode("ascii"))
    except ValueError:
        return None
    return int(said.replace(tzinfo=said.tzinfo or UTC).timestamp())


@lru_cache(maxsize=256)
def takes_gzip(accept: bytes) -> bool:
    """Whether an Accept-Encoding (section 12.5.3) takes gzip, and rather than nothing."""
    weights: dict[bytes, float] = {}
    for part in accept[:1000].lower().split(b","):
        coding, *parameters = part.split(b";")
        found = [_WEIGHT.fullmatch(one) for one in parameters]
        if all(found):
            weights[coding.strip()] = min((float(one[1]) for one in found if one), default=1.0)
    others = weights.get(b"*", 0.0)
    gzip = max(weights.get(b"gzip", others), weights.get(b"x-gzip", 0.0))
    return gzip > 0 and gzip >= weights.get(b"identity", 0.0)
