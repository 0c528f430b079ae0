"""What will become of each entry that one person has not had, and where it comes from. Pure.

Promises: the list of the next edition is the one that planning would make (`digest.sharing` makes it); this module
gives the reason for each entry inside and outside of that list. Refuses nothing: `pending` reads what it is given,
and `explaining` says it in words.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from digest import editions
from digest.delivery import closing
from digest.editions import Edition
from digest.news import Entry
from digest.sharing import Share
from digest.tables import State
from subscribers import preferences


@dataclass(frozen=True)
class Mail:
    """One row of the person in an edition, with what it holds."""

    edition: Edition
    state: State
    code: str | None
    carried: bool
    due: datetime
    entries: frozenset[int]
    titles: frozenset[int]

    @property
    def owing(self) -> bool:
        """Whether it ended without a hand-over and its entries go back when the edition closes."""
        failed = self.state is State.FAILED and self.code in closing.OWED_FAILED
        skipped = self.state is State.SKIPPED and self.code in closing.OWED_SKIPPED
        return (failed or skipped) and not self.carried and self.edition.state not in editions.ENDED


@dataclass(frozen=True)
class Outlook:
    """What becomes of an entry: a code of `explaining.OUTCOMES`; `due` is when, as far as anyone can know."""

    outcome: str
    due: datetime | None = None
    edition: int | None = None
    why: str = ""
    instead: str = ""  # the cadence of the series that takes it over


@dataclass(frozen=True)
class Source:
    """Where an entry that waits comes from: a code of `explaining.SOURCES`, and the edition that did not bring it."""

    code: str
    edition: int | None = None


@dataclass(frozen=True)
class Person:
    """What holds for everything that waits for one person. `titles_upto` and `since` are sequences."""

    mapping: Mapping[str, str]
    suppressed: bool
    paused: bool
    since: int
    titles_upto: int
    mails: tuple[Mail, ...]


@dataclass(frozen=True)
class Ahead:
    """One edition to come of one series, open already or not, and what it means for one person."""

    cadence: str
    share: Share  # their list in it
    new: Collection[int]  # what is new for them in it, also what is not in their list
    carry: Collection[int]  # what they are owed at this cadence and this edition decides
    had: Collection[int]  # entries that come again although they have the item
    held: Mapping[int, str]  # sequence -> why staff hold it back
    log: Mapping[int, Entry]
    published: Collection[int]  # items that may go
    fresh: Outlook  # of what is new and in their list
    owed: Outlook  # of what is owed and in their list


@dataclass(frozen=True)
class Waiting:
    """One entry on its way to a person, or kept from it. `cadence` is that of the series which has it now."""

    entry: Entry
    cadence: str
    topic: str  # which of its topics made it come so often; "*" when it has none
    source: Source
    outlook: Outlook
    title_only: str = ""  # why it comes as a title: age, pause, most; or nothing
    chosen: bool = True  # whether it comes as often as they choose now


def topic_of(mapping: Mapping[str, str], entry: Entry) -> str:
    """The topic that decides how often an entry comes; one that the person named goes before the others."""
    cadence, rest = preferences.cadence_for(mapping, entry.topics), mapping.get(preferences.REST, preferences.OFF)
    fitting = [topic for topic in entry.topics if mapping.get(topic, rest) == cadence]
    return next((topic for topic in fitting if topic in mapping), next(iter(fitting), preferences.REST))


def _waiting(person: Person, cadence: str, entry: Entry, source: Source, outlook: Outlook, short: str) -> Waiting:
    chosen = preferences.cadence_for(person.mapping, entry.topics) == cadence
    return Waiting(entry, cadence, topic_of(person.mapping, entry), source, outlook, short, chosen)


# --- in a mail that has a row ----------------------------------------------------------------------------------


def in_mail(person: Person, mail: Mail, entry: Entry, *, published: bool) -> Waiting | None:
    """An entry that stands in a mail of theirs, or None when that mail decides nothing (any more)."""
    outlook = _of_mail(person, mail, published=published)
    if outlook is None:
        return None
    new = entry.sequence > max(mail.edition.mark_from, person.titles_upto)
    source = Source("new") if new else owed_from(person, entry.sequence)
    short = _short(person, entry.sequence, owed=not new) if entry.sequence in mail.titles else ""
    return _waiting(person, mail.edition.series, entry, source, outlook, short)


def _of_mail(person: Person, mail: Mail, *, published: bool) -> Outlook | None:
    edition, number = mail.edition, mail.edition.id
    if mail.state is State.UNSURE:
        return Outlook("unsure", edition=number)
    if mail.owing:
        return Outlook("closing", edition=number, why=mail.code or "")
    if mail.state is State.TRYING:
        return Outlook("trying", edition=number)
    if mail.state is not State.PLANNED:
        return None
    if person.suppressed:
        return Outlook("suppressed")
    if not published and not edition.as_is:
        return Outlook("withdrawn")
    if edition.cancelling:
        return Outlook("dropped" if edition.cancelling == "drop" else "closing", edition=number, why="cancelled")
    if edition.paused_at:
        return Outlook("stopped", due=mail.due, edition=number, why=edition.paused_why)
    return Outlook("planned", due=mail.due, edition=number)


def owed_from(person: Person, sequence: int) -> Source:
    """Why an entry is owed: the latest mail that gave it back tells, else it came over a pause or another choice."""
    gave = [mail for mail in person.mails if mail.carried and sequence in mail.entries]
    if gave:
        latest = max(gave, key=lambda mail: mail.edition.id)
        return Source("failed" if latest.state is State.FAILED else latest.code or "", latest.edition.id)
    if sequence <= person.titles_upto or (person.paused and sequence > person.since):
        return Source("pause")
    return Source("choices")


# --- in the editions to come -----------------------------------------------------------------------------------


def ahead(person: Person, coming: Ahead) -> list[Waiting]:
    """Every entry that the edition decides: what it brings them, and what it does not."""
    newest = _newest([*coming.share.entries, *coming.had], coming.log)
    found = []
    for sequence in sorted({*coming.new, *coming.carry}):
        entry, owed = coming.log[sequence], sequence in coming.carry
        outlook = _kept(person, coming, entry, newest) or (coming.owed if owed else coming.fresh)
        short = _short(person, sequence, owed=owed) if sequence in coming.share.titles else ""
        source = owed_from(person, sequence) if owed else Source("new")
        found.append(_waiting(person, coming.cadence, entry, source, outlook, short))
    return found


def _kept(person: Person, coming: Ahead, entry: Entry, newest: Mapping[int, int]) -> Outlook | None:
    """What keeps an entry from any mail."""
    if entry.item_id not in coming.published:
        return Outlook("withdrawn")
    if entry.sequence in coming.had:
        return Outlook("had")
    if newest.get(entry.item_id, 0) > entry.sequence:
        return Outlook("replaced")
    if person.suppressed:
        return Outlook("suppressed")
    if entry.sequence in coming.held:
        return Outlook("held", why=coming.held[entry.sequence])
    return Outlook("pause") if person.paused else None


def in_open(edition: Edition, due: datetime) -> Outlook:
    """Of what is in an open edition in which they are not planned yet."""
    if edition.state == editions.REVIEW:
        return Outlook("review", edition=edition.id, why=edition.reason)
    if edition.paused_at:
        return Outlook("stopped", due=due, edition=edition.id, why=edition.paused_why)
    return Outlook("planned", due=due, edition=edition.id)


def titles_beyond(waiting: Iterable[Waiting], order: Iterable[int], most: int) -> list[Waiting]:
    """The same, with a note on what stands beyond the `most` entries of a list that are told in full."""
    beyond = {sequence for place, sequence in enumerate(order) if place >= most}
    return [replace(w, title_only=w.title_only or "most") if w.entry.sequence in beyond else w for w in waiting]


def _short(person: Person, sequence: int, *, owed: bool) -> str:
    return "pause" if owed and (person.paused or sequence <= person.titles_upto) else "age"


def _newest(sequences: Iterable[int], log: Mapping[int, Entry]) -> dict[int, int]:
    newest: dict[int, int] = {}
    for sequence in sequences:
        item = log[sequence].item_id
        newest[item] = max(newest.get(item, 0), sequence)
    return newest
