"""What an edition is as a mail, the next one compiled without freezing anything, and what would embarrass us in it.

Promises: the shell, entries and order that the real edition would have today. Its personal links, and the link to its
page, are samples that do nothing. Refuses: to preview when nothing waits, naming what would change that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from digest import (
    archive,
    arrangements,
    editions,
    entry_views,
    items,
    languages,
    letters,
    news,
    preflight,
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


def filled(text: str, slots: dict[str, str]) -> str:
    """A rendered part with its slots filled."""
    for name, value in slots.items():
        text = text.replace(render.slot(name), value)
    return text


def make(conn: Connection, home: Home, slug: str, *, now: datetime, cadence: str = "") -> Preview:
    """Compiles what waits for the series of a cadence, by default the usual one. Raises Refused when nothing does."""
    digest = publications.find(conn, slug)
    offered = [one.cadence for one in publications.series(conn, digest.id) if one.offered]
    series = publications.one_series(conn, digest.id, cadence or publications.usual(offered))
    waiting = {entry.sequence: entry for entry in editions.waiting(conn, series)}
    if not waiting:
        raise Refused(
            f"Nothing is new for {slug} ({series.cadence}), so there is nothing to preview. Publish an item first."
        )
    by_id = items.by_ids(conn, {entry.item_id for entry in waiting.values()})
    share = sharing.entries_for(
        sharing.Material(
            cadence=series.cadence,
            last=max(waiting),
            own=frozenset(waiting),
            log=waiting,
            published=by_id.keys(),
            held=(),
        ),
        wants=lambda topics: series.cadence,
        floor=0,
        carry=(),
    )
    arrangement = arrangements.of(conn, digest.id, series.cadence)
    order = sharing.reading_order(share.entries, waiting, by_id, placed=arrangement.placed)
    shell = _shell(conn, home, digest, series.cadence, now, arrangement)
    told = [(waiting[sequence], by_id[waiting[sequence].item_id]) for sequence in order]
    rendered, views = _printed(conn, shell, digest.languages[0], told, most=series.most)
    compiled = message.compile(rendered, shell, uid="preview", variant=1, key=bytes(32), date=now)
    mail = compiled.join(Recipient(0, SAMPLE, "", sample_slots(shell)))
    return Preview(digest, shell, rendered, mail, _findings(conn, rendered, shell, views), len(order))


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

    rendered: render.Rendered
    findings: tuple[preflight.Finding, ...]
    slots: dict[str, str]


def of_edition(conn: Connection, home: Home, edition: Edition, *, language: str = "", now: datetime) -> Whole:
    """The mail of an edition that is proposed, locked or gone; by default in the digest's first language.

    Raises Refused for one without items of its own.
    """
    digest = publications.by_id(conn, edition.digest_id)
    tongue = languages.choose(language, digest.languages)
    if edition.settings:
        shell = render.Shell.from_json(edition.settings)
    else:
        chosen = arrangements.of(conn, digest.id, edition.cadence) if edition.cadence else None
        shell = _shell(conn, home, digest, edition.cadence or render.LETTER, now, chosen)
    if edition.is_letter:
        letter, views = letters.of(conn, edition.id), list[render.EntryView]()
        rendered = letters.rendered(shell, tongue, letter, letters.topic_names(conn, letter.segment))
        planned = ledger.totals(conn, edition.id).planned  # nobody is counted before it starts
        rendered = render.counted(rendered, planned or 1, tongue)
    else:
        stories = archive.stories(conn, edition.id)
        if not stories:
            raise Refused(f"Edition {edition.id} holds no items of its own, so there is no mail to look at.")
        log = news.by_sequences(conn, [story.sequence for story in stories])
        most = publications.one_series(conn, digest.id, edition.series).most
        told = [(log[story.sequence], story.item) for story in stories]
        rendered, views = _printed(conn, shell, tongue, told, most=most)
    return Whole(rendered, _findings(conn, rendered, shell, views), sample_slots(shell))


def _printed(
    conn: Connection, shell: render.Shell, language: str, told: Sequence[tuple[Entry, Item]], *, most: int
) -> tuple[render.Rendered, list[render.EntryView]]:
    views = entry_views.of(conn, told, shell.zone)
    order = [entry.sequence for entry, _ in told]
    return render.Press(shell, language, views).variant(order, most=most, opened=True), views


def _findings(
    conn: Connection, rendered: render.Rendered, shell: render.Shell, views: Sequence[render.EntryView]
) -> tuple[preflight.Finding, ...]:
    known = preflight.known_items(item.slug for item in items.latest(conn))
    return preflight.check(rendered, shell, entries=views, known=known)


def _shell(
    conn: Connection, home: Home, digest: Digest, cadence: str, now: datetime, arrangement: Arrangement | None = None
) -> render.Shell:
    since = editions.since(conn, digest.id, cadence)
    plain = editions.snapshot(
        home.settings, digest, cadence=cadence, edition=0, day=now, since=since, arrangement=arrangement
    )
    return render.Shell.from_json(plain)
