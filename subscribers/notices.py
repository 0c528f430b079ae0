"""Mails that people get about their own affairs: to confirm an address, or to reach their settings.

Promises: in the language that they read; no advertising and nothing that somebody else could learn from, since
whoever typed the address may not own it; each is queued in the transaction that causes it. Refuses nothing: who may
get which is looked at when it is handed over (`audience`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from digest import editions, languages, publications, render
from digest.delivery import notices
from digest.home import Home
from digest.languages import Language
from digest.publications import Digest
from digest.render import Button
from subscribers import links, sent_links
from subscribers.preferences import CADENCES, OFF, REST
from subscribers.sent_links import SentLink


class To(NamedTuple):
    """Whom it goes to."""

    subscriber_id: int
    address: str
    language: str


class _Text(NamedTuple):
    subject: str
    heading: str
    paragraphs: tuple[str, ...]
    button: Button | None
    after: tuple[str, ...] = ()
    label: str = ""
    why: str = ""


def confirm(
    conn: Connection, home: Home, digest: Digest, to: To, link: SentLink, mapping: Mapping[str, str], *, now: datetime
) -> None:
    """Asks whether the address is theirs; the answer goes to the page behind `link`."""
    say = _language(digest, to)
    here = now.astimezone(ZoneInfo(digest.zone))
    text = _Text(
        say.gettext("Is this address yours? One step left"),
        say.gettext("Is this address yours?"),
        (
            say.gettext(
                "Someone, we hope you, asked us to send {what} to this address on {day} at {time}.",
                what=described(conn, say, mapping),
                day=say.long(here.date()),
                time=say.hour(here),
            ),
        ),
        Button(say.gettext("Yes, send it to me"), f"/c/{sent_links.token(home.keys, link)}"),
        (
            say.gettext(
                "The button opens a page where you confirm. It works until {day}. If it was not you, do nothing: "
                "we write no second time and forget the address.",
                day=say.long(link.expires_at.astimezone(ZoneInfo(digest.zone)).date()),
            ),
        ),
        say.gettext("One step left"),
        say.gettext("You get this one message because this address was typed on our sign-up page."),
    )
    sent_links.sent(conn, link, _queue(conn, home, digest, to, "confirm", f"confirm {link.id}", text, now))


def settings(conn: Connection, home: Home, digest: Digest, to: To, *, asked_to_join: bool, now: datetime) -> None:
    """Where their settings are: for who signs up and gets the mail already, and for who asks for a fresh link."""
    say = _language(digest, to)
    day = say.long(now.astimezone(ZoneInfo(digest.zone)).date())
    last = links.expiry(now)
    token = links.issue(home.keys, links.PREFERENCES, digest.id, to.subscriber_id, expires=last)
    if asked_to_join:
        heading = say.gettext("You get this already")
        first = say.gettext(
            "Someone, we hope you, typed this address on our sign-up page on {day}. It gets {digest} already, "
            "so nothing was changed.",
            day=day,
            digest=digest.name,
        )
    else:
        heading = say.gettext("Your settings")
        first = say.gettext(
            "Someone, we hope you, asked on {day} for a link to the settings of this address.",
            day=day,
        )
    text = _Text(
        say.gettext("Your settings for {digest}", digest=digest.name),
        heading,
        (first,),
        Button(say.gettext("See or change your settings"), f"/p/{token}"),
        (say.gettext("The button works until {day}. Whoever has this mail can use it.", day=say.long(last)),),
        why=say.gettext("You get this one message because somebody asked for it on our site."),
    )
    _queue(conn, home, digest, to, "settings", f"settings {digest.id} {to.subscriber_id} {now.isoformat()}", text, now)


def fresh(conn: Connection, home: Home, digest: Digest, to: To, link: SentLink, *, now: datetime) -> None:
    """The link to one's own data that somebody asked for: it holds for an hour and works once."""
    say = _language(digest, to)
    heading = {
        sent_links.COPY: say.gettext("A copy of what we hold about you"),
        sent_links.ERASE: say.gettext("Erase everything about you?"),
        sent_links.ADDRESS: say.gettext("Another address for your mail"),
        sent_links.NEW_ADDRESS: say.gettext("Is this address yours?"),
    }[link.kind]
    if link.kind == sent_links.NEW_ADDRESS:
        first = say.gettext(
            "Somebody, we hope you, asked us to send the mail for {digest} to this address from now on.",
            digest=digest.name,
        )
    else:
        first = say.gettext("Somebody, we hope you, asked for this behind a link in one of our mails to you.")
    text = _Text(
        heading,
        heading,
        (first,),
        Button(say.gettext("Go on"), f"/d/{sent_links.token(home.keys, link)}"),
        (say.gettext("The button works for an hour, and once. If it was not you, do nothing: nothing changes."),),
        why=say.gettext("You get this one message because somebody asked for it on our site."),
    )
    kind = "confirm" if link.kind == sent_links.NEW_ADDRESS else "link"
    sent_links.sent(conn, link, _queue(conn, home, digest, to, kind, f"{link.kind} {link.id}", text, now))


def moved(conn: Connection, home: Home, digest: Digest, to: To, *, now: datetime) -> None:
    """Tells the old address that the mail goes to another one from now on."""
    say = _language(digest, to)
    heading = say.gettext("Your mail goes to another address now")
    paragraphs = (
        say.gettext(
            "Since {day} the mail for {digest} goes to another address that was confirmed from its own mailbox.",
            day=say.long(now.astimezone(ZoneInfo(digest.zone)).date()),
            digest=digest.name,
        ),
        say.gettext("If it was not you, answer this message, and a person puts it right."),
    )
    text = _Text(heading, heading, paragraphs, None)
    _queue(conn, home, digest, to, "moved", f"moved {to.subscriber_id} {now.isoformat()}", text, now)


def described(conn: Connection, say: Language, mapping: Mapping[str, str]) -> str:
    """What somebody chose, in words: everything, once a week; or: Hiring officers, as soon as it comes out."""
    names = {topic.slug: topic.name for topic in publications.topics(conn)}
    parts = []
    for cadence in CADENCES:
        named = [names.get(topic, topic) for topic, often in mapping.items() if often == cadence and topic != REST]
        if mapping.get(REST) == cadence:
            named.append(say.gettext("all other topics") if len(mapping) > 1 else say.gettext("everything"))
        if named:
            parts.append(f"{say.listed(named)}, {how_often(say, cadence)}")
    return "; ".join(parts) or how_often(say, OFF)


def how_often(say: Language, cadence: str) -> str:
    """A cadence inside a sentence."""
    return {
        "instant": say.gettext("as soon as it comes out"),
        "daily": say.gettext("once a day"),
        "weekly": say.gettext("once a week"),
        "monthly": say.gettext("once a month"),
        OFF: say.gettext("nothing"),
    }[cadence]


def _language(digest: Digest, to: To) -> Language:
    return languages.of(languages.choose(to.language, digest.languages))


def _queue(
    conn: Connection, home: Home, digest: Digest, to: To, kind: str, occasion: str, text: _Text, now: datetime
) -> str:
    plain = editions.snapshot(home.settings, digest, cadence="", edition=0, day=now, since="")
    shell = render.Shell.from_json(plain)
    rendered = render.notice(shell, **text._asdict(), language=languages.choose(to.language, digest.languages))
    letter = notices.Letter(occasion, kind, to.address, rendered, (digest.id, to.subscriber_id))
    return notices.queue(conn, letter, shell, key=home.keys.derive_fixed("message-id"), now=now)
