"""The mail of one reader before anything is planned: their list, in their language, or why there is none for them.

Promises: made by planning's own code (`Allotment.look`, `Audience.addressees`), so it is the variant that a plan would
give them now; nothing is written. The reader's own links stay out of it: whoever looks at a mail is not its reader.
Refuses nothing: who gets nothing is told why, with a code of the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from digest import languages, proposals, render
from digest.db import Database
from digest.delivery import allotment, ledger
from digest.delivery.allotment import Fate
from digest.delivery.message import Recipient
from digest.letters import Segment
from digest.proposals import Proposal
from digest.publications import Digest

OWN = ("masked", "asked")  # the slots that say who it is, and lead nowhere


class People(allotment.Audience, ledger.AddressBook, Protocol):
    """What planning and sending ask of the people's side."""


@dataclass(frozen=True)
class Proof:
    """What one reader gets; `why` is the code of a reason where that is nothing."""

    language: str = ""
    rendered: render.Rendered | None = None  # None for a letter, which is the same for all of a language
    entries: tuple[int, ...] = ()  # in reading order
    slots: Mapping[str, str] | None = None
    why: str = ""


def of(db: Database, people: People, proposal: Proposal, reader: int, *, now: datetime) -> Proof:
    """The mail of a reader in an edition of a series."""
    edition = proposal.edition
    with db.reading() as conn:
        known = people.resolve(conn, edition, [reader])[reader]
        stories = proposal.stories
        shared = allotment.prepare(conn, db, edition, people, _nothing_is_written, now=now, stories=stories)
    if isinstance(known, str):
        return Proof(why=known)
    groups, _ = shared.look(reader, reader + 1)
    places = [place for by_place in groups.values() for place in by_place]
    if not places:
        return Proof(why="no topics")
    fate, number = places[0]
    if fate is not Fate.PLANNED:
        return Proof(why="alert cap" if fate is Fate.CAPPED else "no topics")
    body = shared.bodies.reserved[number]
    return Proof(body.language, body.rendered, body.entries, _own(known))


def of_letter(
    conn: Connection, people: People, digest: Digest, segment: Segment, reader: int, *, now: datetime
) -> Proof:
    """In which language a letter would reach a reader."""
    edition = proposals.of_letter(conn, digest, now=now)
    known = people.resolve(conn, edition, [reader])[reader]
    if isinstance(known, str):
        return Proof(why=known)
    for _, language, *_ in people.addressees(conn, edition, segment, reader, reader + 1):
        return Proof(languages.choose(language, digest.languages), slots=_own(known))
    return Proof(why="not meant")


def _own(known: Recipient) -> dict[str, str]:
    return {name: known.slots[name] for name in OWN}


def _nothing_is_written(conn: Connection) -> None:
    """Stands where a planner begins its transactions; of one reader there is none."""
    raise AssertionError("a proof writes nothing")
