"""What the next edition would be, compiled without freezing anything, and checked for what would embarrass us.

Promises: the shell, entries and order that the real edition would have today. Its personal links, and the link to its
page, are samples that do nothing. Refuses: to preview when nothing waits, naming what would change that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from digest import editions, entry_views, items, preflight, publications, render, sharing
from digest.delivery import message
from digest.delivery.message import Recipient
from digest.errors import Refused
from digest.home import Home
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
    order = sharing.reading_order(share.entries, waiting, by_id)
    shell = _shell(conn, home, digest, series.cadence, now)
    told = [(waiting[sequence], by_id[waiting[sequence].item_id]) for sequence in order]
    views = entry_views.of(conn, told, digest.zone)
    rendered = render.Press(shell, digest.languages[0], views).variant(order, most=series.most)
    compiled = message.compile(rendered, shell, uid="preview", variant=1, key=bytes(32), date=now)
    mail = compiled.join(Recipient(0, SAMPLE, "", sample_slots(shell)))
    known = preflight.known_items(item.slug for item in items.latest(conn))
    findings = preflight.check(rendered, shell, entries=views, known=known)
    return Preview(digest, shell, rendered, mail, findings, len(order))


def _shell(conn: Connection, home: Home, digest: Digest, cadence: str, now: datetime) -> render.Shell:
    since = editions.since(conn, digest.id, cadence)
    plain = editions.snapshot(home.settings, digest, cadence=cadence, edition=0, day=now, since=since)
    return render.Shell.from_json(plain)
