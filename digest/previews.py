"""What an edition is as a mail, the next one compiled without freezing anything, and what would embarrass us in it.

Promises: the shell, entries and order that the real edition would have today. Its personal links, and the link to its
page, are samples that do nothing. Refuses: to preview when nothing waits, naming what would change that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from digest import (
    editions,
    entry_views,
    items,
    languages,
    letters,
    news,
    preflight,
    proposals,
    publications,
    render,
    sharing,
)
from digest.arrangements import Arrangement
from digest.delivery import ledger, message
from digest.delivery.message import Recipient
from digest.editions import Edition
from digest.errors import Refused
from digest.home import Home
from digest.items import Entry, Item
from digest.proposals import Proposal
from digest.publications import Digest

SAMPLE = "reader@example.org"


@dataclass(frozen=True)
class Preview:
    """One compiled variant (everything new, first language) with its mail to a sample reader and the findings."""

    digest: Digest
    shell: render.Shell
    rendered: render.Rendered
    mail: bytes
    findings: tuple[preflight.Finding, ...]
    count: int

    def write(self, folder: Path) -> list[Path]:
        """Writes NAME.html, NAME.txt and NAME.eml, named after the digest."""
        folder.mkdir(parents=True, exist_ok=True)
        files = [folder / f"{self.digest.slug}{ending}" for ending in (".html", ".txt", ".eml")]
        slots = sample_slots(self.shell)
        for path, text in zip(files, (self.rendered.html, self.rendered.text), strict=False):
            path.write_text(filled(text, slots), encoding="utf-8")
        files[2].write_bytes(self.mail)
        return files


def sample_slots(shell: render.Shell) -> dict[str, str]:
    """What stands for a reader's own links: pages that say that they are incomplete."""
    return {
        "unsubscribe": f"{shell.site_url}/u/sample",
        "preferences": f"{shell.site_url}/p/sample",
        "masked": "r•••••@example.org",
        "asked": "the day they asked",
    }


def filled(text: str, slots: Mapping[str, str]) -> str:
    """A rendered part with its slots filled."""
    for name, value in slots.items():
        text = text.replace(render.slot(name), value)
    return text


def make(conn: Connection, home: Home, slug: str, *, now: datetime, cadence: str = "") -> Preview:
    """Compiles what waits for the series of a cadence, by default the usual one. Raises Refused when nothing does."""
    digest = publications.find(conn, slug)
    offered = [one.cadence for one in publications.series(conn, digest.id) if one.offered]
    series = publications.one_series(conn, digest.id, cadence or publications.usual(offered))
    proposal = proposals.of_series(conn, home.settings, digest, series, now=now)
    if not proposal.stories:
        raise Refused(
            f"Nothing is new for {slug} ({series.cadence}), so there is nothing to preview. Publish an item first."
        )
    whole = of_proposal(conn, home, proposal)
    compiled = message.compile(whole.rendered, whole.shell, uid="preview", variant=1, key=bytes(32), date=now)
    mail = compiled.join(Recipient(0, SAMPLE, "", whole.slots))
    return Preview(digest, whole.shell, whole.rendered, mail, whole.findings, whole.count)


def of_item(conn: Connection, home: Home, item: Item, *, note: str = "", now: datetime) -> str:
    """The mail (HTML) of an edition with this item alone; with a note, as an update. Empty without any digest."""
    digest = next(iter(publications.all(conn)), None)
    if digest is None:
        return ""
    offered = [one.cadence for one in publications.series(conn, digest.id) if one.offered]
    shell = _shell(conn, home, digest, publications.usual(offered), now)
    entry = Entry(1, item.id, item.revision, "update" if note else "new", item.topics, note, now)
    rendered, _ = _printed(conn, shell, languages.choose(item.language, digest.languages), [(entry, item)], most=1)
    return filled(rendered.html, sample_slots(shell))


@dataclass(frozen=True)
class Whole:
    """The mail of an edition as a reader of one language gets it who takes all that is in it."""

    shell: render.Shell
    rendered: render.Rendered
    findings: tuple[preflight.Finding, ...]
    count: int = 0  # of entries

    @property
    def slots(self) -> dict[str, str]:
        """What stands for the reader's own."""
        return sample_slots(self.shell)


def of_proposal(conn: Connection, home: Home, proposal: Proposal, *, language: str = "") -> Whole:
    """The mail of an edition that has not gone; by default in the digest's first language.

    Raises Refused for one without items of its own.
    """
    edition, stories = proposal.edition, {story.sequence: story for story in proposal.stories}
    if not stories:
        raise Refused("It holds no items of its own, so there is no mail to look at.")
    log = news.by_sequences(conn, stories)
    material = sharing.Material(
        cadence=edition.series,
        last=max(stories),
        own=frozenset(stories),
        log=log,
        published={story.item.id for story in stories.values()},
        held=(),
    )
    share = sharing.entries_for(material, wants=lambda topics: edition.series, floor=0, carry=())
    shell = render.Shell.from_json(edition.settings or {})
    tongue = languages.choose(language, proposal.digest.languages)
    told = [(log[sequence], story.item) for sequence, story in stories.items() if sequence in share.entries]
    rendered, views = _printed(conn, shell, tongue, told, most=proposal.series.most)
    return Whole(shell, rendered, _findings(conn, home, rendered, shell, views), len(told))


def of_edition(
    conn: Connection, home: Home, edition: Edition, *, language: str = "", people: int = 1, now: datetime
) -> Whole:
    """The mail of an edition that is proposed, locked or gone; by default in the digest's first language.

    A letter says to how many it goes: to so many `people` as long as nobody was counted.
    Raises Refused for one without items of its own.
    """
    if not edition.is_letter:
        proposal = proposals.of_edition(conn, home.settings, edition, now=now)
        return of_proposal(conn, home, proposal, language=language)
    digest = publications.by_id(conn, edition.digest_id)
    tongue = languages.choose(language, digest.languages)
    if edition.settings:
        shell = render.Shell.from_json(edition.settings)
    else:  # a letter that waits for approval
        shell = _shell(conn, home, digest, render.LETTER, now)
    letter = letters.of(conn, edition.id)
    rendered = letters.rendered(shell, tongue, letter, letters.topic_names(conn, letter.segment))
    planned = ledger.totals(conn, edition.id).planned  # nobody is counted before it starts
    rendered = render.counted(rendered, planned or people, tongue)
    return Whole(shell, rendered, _findings(conn, home, rendered, shell, []))


def _printed(
    conn: Connection, shell: render.Shell, language: str, told: Sequence[tuple[Entry, Item]], *, most: int
) -> tuple[render.Rendered, list[render.EntryView]]:
    views = entry_views.of(conn, told, shell.zone)
    order = [entry.sequence for entry, _ in told]
    return render.Press(shell, language, views).variant(order, most=most, opened=True), views


def _findings(
    conn: Connection, home: Home, rendered: render.Rendered, shell: render.Shell, views: Sequence[render.EntryView]
) -> tuple[preflight.Finding, ...]:
    known = preflight.known_items(partial(items.is_shown, conn))
    return preflight.check(rendered, shell, entries=views, known=known, kept=lambda path: (home.media / path).is_file())


def _shell(
    conn: Connection, home: Home, digest: Digest, cadence: str, now: datetime, arrangement: Arrangement | None = None
) -> render.Shell:
    since = editions.since(conn, digest.id, cadence)
    plain = editions.snapshot(
        home.settings, digest, cadence=cadence, edition=0, day=now, since=since, arrangement=arrangement
    )
    return render.Shell.from_json(plain)
