"""How a watched source stands, and what an answer of its host changes: when it is asked next, and whether at all. Pure.

Promises: nobody is asked more often than is set, nor before the moment that a host names; a host that fails is asked
less and less; a feed that is gone for good is never asked again, and one that moved for good is asked where it went.
Refuses to be silenced: no host can put off the next look by more than a week.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from digest.fetch import Answer

WATCHED, STOPPED = "watched", "stopped"

FIRST_WAIT = timedelta(minutes=10)  # after a failure; each further one in a row doubles it
LONGEST_WAIT = timedelta(days=1)  # between two looks: after failures, or because a host says its feed keeps that long
LONGEST_BAN = timedelta(days=7)  # that a host may ask for in Retry-After
FARTHEST = timedelta(days=8)  # no next look is later than that, unless the clock was wrong when it was set
PATIENCE = timedelta(days=7)  # of failures in a row, before staff are told

UNCHANGED, GONE = 304, 410
_VALIDATOR = re.compile(r"[\x21-\x7e\x80-\xff][\x20-\x7e\x80-\xff]{0,499}")
_MAX_AGE = re.compile(r'(?:^|[\s,])max-age\s*=\s*"?([0-9]{1,9})(?![0-9])', re.IGNORECASE)


@dataclass(frozen=True)
class Standing:
    """What changes about a source from look to look."""

    address: str
    checked_at: datetime  # the last look
    read_at: datetime  # the last one that went well
    next_check_at: datetime | None  # none when it is stopped
    moved_from: str = ""  # the address before this one
    state: str = WATCHED
    etag: str = ""
    last_modified: str = ""
    failures: int = 0  # in a row
    failing_since: datetime | None = None
    last_error: str = ""


def is_due(standing: Standing, now: datetime) -> bool:
    """Whether it is to be asked now; also what a wrong clock once put off too far."""
    at = standing.next_check_at
    return at is not None and not now < at <= now + FARTHEST


def validators(standing: Standing) -> dict[str, str]:
    """The fields that ask for the feed only if it has changed (RFC 9110, sections 13.1.2 and 13.1.3)."""
    fields = {"If-None-Match": standing.etag, "If-Modified-Since": standing.last_modified}
    return {name: value for name, value in fields.items() if value}


def went_well(standing: Standing, answer: Answer, *, every: timedelta, now: datetime) -> Standing:
    """After an answer that could be used, be it that nothing has changed."""
    address = answer.moved_to or standing.address
    same = answer.status == UNCHANGED
    return Standing(
        address=address,
        checked_at=now,
        read_at=now,
        next_check_at=now + _wait(answer.fields, every),
        moved_from=standing.moved_from if address == standing.address else standing.address,
        etag=_validator(answer.fields, "etag") or (standing.etag if same else ""),
        last_modified=_validator(answer.fields, "last-modified") or (standing.last_modified if same else ""),
    )


def failed(standing: Standing, why: str, answer: Answer | None, *, now: datetime) -> Standing:
    """After a look that brought nothing, with the reason. What is gone for good (410) stops."""
    failures = standing.failures + 1
    gone = answer is not None and answer.status == GONE
    wait = max(backing_off(failures), retry_after(answer.fields, now) if answer else timedelta())
    return dataclasses.replace(
        standing,
        state=STOPPED if gone else standing.state,
        checked_at=now,
        next_check_at=None if gone or standing.state == STOPPED else now + wait,
        failures=failures,
        failing_since=standing.failing_since or now,
        last_error=why,
    )


def stopped(standing: Standing, why: str, *, now: datetime) -> Standing:
    """Not asked again, for a reason of our own."""
    return dataclasses.replace(standing, state=STOPPED, checked_at=now, next_check_at=None, last_error=why)


def needs_a_person(before: Standing, after: Standing) -> bool:
    """Whether staff should hear of it: it has just stopped, or has failed for a week."""
    if after.state == STOPPED:
        return before.state != STOPPED
    return after.failing_since is not None and after.checked_at - after.failing_since >= PATIENCE


def backing_off(failures: int) -> timedelta:
    """How long to wait after so many failures in a row: ten minutes, twenty, forty and so on, up to a day."""
    doublings = min(max(failures - 1, 0), 16)
    return min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)


def retry_after(fields: Mapping[str, str], now: datetime) -> timedelta:
    """How long a host asks to be left alone, in seconds or until a date (RFC 9110, section 10.2.3)."""
    text = fields.get("retry-after", "").strip()
    if re.fullmatch("[0-9]{1,9}", text):
        wait = timedelta(seconds=int(text))
    else:
        try:
            at = parsedate_to_datetime(text)
            wait = (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
        except (ValueError, TypeError, OverflowError):
            wait = timedelta()
    return min(max(wait, timedelta()), LONGEST_BAN)


def _wait(fields: Mapping[str, str], every: timedelta) -> timedelta:
    """The time set, or longer when the host says that its answer keeps longer (RFC 9111, section 5.2.2.1)."""
    found = _MAX_AGE.search(fields.get("cache-control", ""))
    keeps = timedelta(seconds=int(found[1])) if found else timedelta()
    return max(every, min(keeps, LONGEST_WAIT))


def _validator(fields: Mapping[str, str], name: str) -> str:
    """A validator that can be sent back as it came; others are none."""
    value = fields.get(name, "").strip()
    return value if _VALIDATOR.fullmatch(value) else ""
