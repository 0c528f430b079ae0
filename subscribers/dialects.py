"""What other systems call the columns of their exports, and what their words for a person's state mean here. Pure.

Promises: a header is taken for a known system's only when columns stand in it that no other has; its cells become
ours, and what we have no use for is left out without a word. A header of our own names stays as it is. Refuses
nothing: what cannot be understood is left to whoever reads the cells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

Cells = dict[str, str]


@dataclass(frozen=True)
class Dialect:
    """One system's export: `marks` tell it from others, `columns` are its names for ours."""

    name: str
    marks: frozenset[str]
    columns: Mapping[str, str]
    unused: frozenset[str] = frozenset()
    settle: Callable[[Cells], None] = field(default=lambda cells: None)  # turns its cells into ours, in place


STATES = {  # their words for ours
    "subscribed": "active", "confirmed": "active", "enabled": "active", "inactive": "active", "optin": "active",
    "unsubscribed": "left", "disabled": "left", "optout": "left",
    "unconfirmed": "pending", "notconfirmed": "pending",
    "blocklisted": "suppressed", "blacklisted": "suppressed", "bounced": "suppressed", "cleaned": "suppressed",
    "complained": "suppressed", "spam": "suppressed",
}  # fmt: skip

_NAMES = {"first name": "first", "last name": "last", "fname": "first", "lname": "last", "full name": "name"}


def _whole_name(cells: Cells) -> None:
    parts = [cells.pop("first", ""), cells.pop("last", "")]
    if joined := " ".join(filter(None, parts)):
        cells.setdefault("name", joined)


def _mailchimp(cells: Cells) -> None:
    _whole_name(cells)
    if cells.pop("cleaned_at", ""):
        cells["state"] = "suppressed"
    elif cells.pop("left_at", ""):
        cells["state"] = "left"
    confirmed, asked = cells.pop("confirmed_at", ""), cells.pop("asked_at", "")
    if moment := asked or confirmed:
        cells["subscribed_at"] = moment
        cells["consented_at"] = confirmed or asked


def _listmonk(cells: Cells) -> None:
    cells["state"] = STATES.get(cells.get("state", "").lower(), cells.get("state", "active"))


def _substack(cells: Cells) -> None:
    if cells.pop("disabled", "").lower() == "true":
        cells["state"] = "left"


def _mailpoet(cells: Cells) -> None:
    """The list's own word counts, but whoever is out of everything is out."""
    _whole_name(cells)
    words = [cells.pop("list_state", "").lower(), cells.pop("global_state", "").lower()]
    states = [STATES.get(word, "") for word in words]
    gravest = next((state for state in ("suppressed", "left", "pending") if state in states), "active")
    cells["state"] = gravest


KNOWN = (
    Dialect(
        "Mailchimp",
        frozenset({"leid", "euid"}),
        {
            **_NAMES,
            "email address": "email",
            "optin_time": "asked_at",
            "confirm_time": "confirmed_at",
            "unsub_time": "left_at",
            "clean_time": "cleaned_at",
        },
        frozenset(
            {"member_rating", "optin_ip", "confirm_ip", "latitude", "longitude", "gmtoff", "dstoff", "timezone", "cc"}
            | {"region", "last_changed", "leid", "euid", "notes", "tags", "unsub_campaign_title", "unsub_campaign_id"}
            | {"unsub_reason", "unsub_reason_other", "clean_campaign_title", "clean_campaign_id", "address"}
            | {"phone number", "birthday"}
        ),
        _mailchimp,
    ),
    Dialect(
        "listmonk",
        frozenset({"uuid", "attributes"}),
        {"status": "state", "created_at": "subscribed_at"},
        frozenset({"uuid", "attributes", "updated_at"}),
        _listmonk,
    ),
    Dialect(
        "Substack",
        frozenset({"active_subscription", "email_disabled"}),
        {"email_disabled": "disabled", "created_at": "subscribed_at"},
        frozenset({"active_subscription", "expiry", "plan", "first_payment_at", "prefer_digests"}),
        _substack,
    ),
    Dialect(
        "MailPoet",
        frozenset({"list status", "global status"}),
        {**_NAMES, "list status": "list_state", "global status": "global_state"},
        frozenset({"ip address", "list"}),
        _mailpoet,
    ),
)
OURS = Dialect("", frozenset(), {})


def recognize(header: Sequence[str]) -> Dialect:
    """Whose export this header (lower-cased) is; `OURS` when it is nobody's."""
    return next((one for one in KNOWN if one.marks <= {*header}), OURS)
