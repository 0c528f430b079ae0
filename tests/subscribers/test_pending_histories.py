"""Random histories of a digest with all cadences: what a person is said to wait for is what the next edition holds.

After each history one series runs, by hand or by its calendar, and is planned at once. What `pending` said before
must be, reader by reader, what stands in the rows of that edition, with the same titles, and by the calendar at the
same time.
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import pytest
import sqlalchemy as sa

from digest import editions, occurrences, publications, review, tables
from digest.db import Database
from digest.delivery import variants
from digest.delivery.transports.base import Answer
from digest.editions import Edition
from digest.errors import DigestError, Refused
from digest.tables import State
from subscribers import pending, preferences, suppression
from subscribers.pending import Pending
from tests.stage import KEYS, SETTINGS, ZONE, Stage

CADENCES = preferences.CADENCES
GOING = ("next", "alert", "few")
SLOTS = [(7, ZONE), (18, "Europe/Berlin"), (0, "Asia/Kathmandu"), (23, "Pacific/Auckland")]
HISTORIES = int(os.environ.get("HISTORIES", "40"))

Told = Mapping[str, tuple[Pending, ...]]


@dataclass(frozen=True)
class Row:
    """One reader's row: what it holds, what of it as a title, and when it is due."""

    state: State
    code: str | None
    due: datetime
    entries: frozenset[int]
    titles: frozenset[int]


class Play:
    """One history; an act that the product refuses changes nothing."""

    def __init__(self, db: Database, seed: int) -> None:
        self.rng = random.Random(seed)
        self.stage = Stage(db, CADENCES)
        self.story: list[str] = []
        self.slugs: list[str] = []
        self.names = ["ann", "bob", "cy"]
        for name, (hour, zone) in zip(self.names, self.rng.sample(SLOTS, 3), strict=True):
            self.stage.join(name, self.choice(), hour=hour, zone=zone)

    def run(self, steps: int) -> None:
        acts = [self.publish] * 5 + [self.change_item] * 3 + [self.change_person] * 4 + [self.freeze] * 3
        acts += [self.work] * 5 + [self.meddle] * 2 + [self.settings]
        for _ in range(steps):
            act = self.rng.choice(acts)
            self.stage.later(minutes=self.rng.choice([1, 20, 500]))
            try:
                act()
            except DigestError as error:
                self.tell(f"refused: {error}")

    def tell(self, *words: object) -> None:
        self.story.append(" ".join(str(word) for word in words))

    # --- what may happen

    def choice(self) -> str:
        how_often = [self.rng.choice([*CADENCES, "weekly", "off"]) for _ in "ab*"]
        return ";".join(f"{topic}={often}" for topic, often in zip("ab*", how_often, strict=True))

    def publish(self) -> None:
        slug, topics = f"i{len(self.slugs)}", self.rng.choice(["a", "b", "ab", "c", ""])
        self.slugs.append(slug)
        self.tell("publish", slug, topics)
        self.stage.publish(slug, *topics)

    def change_item(self) -> None:
        if not self.slugs:
            return
        slug = self.rng.choice(self.slugs)
        how = self.rng.choice(["update", "move", "withdraw", "republish", "hold", "release"])
        cadence = self.rng.choice(CADENCES)
        self.tell(how, slug, cadence)
        if how in ("hold", "release"):
            getattr(self.stage, how)(slug, cadence)
        elif how == "move":
            self.stage.move(slug, self.rng.choice("ab"))
        else:
            getattr(self.stage, how)(slug)

    def change_person(self) -> None:
        name, how = self.rng.choice(self.names), self.rng.choice(["choose", "choose", "pause", "wake", "leave", "bar"])
        self.tell(how, name)
        if how == "choose":
            choice = self.choice()
            self.tell(choice)
            self.stage.choose(name, choice)
        elif how == "wake":
            self.stage.wake(name, drop=self.rng.random() < 0.2)
        elif how == "bar":
            if self.rng.random() < 0.2:
                with self.stage.db.transaction() as conn:
                    suppression.add(conn, KEYS, f"{name}@example.org", reason="by-staff", now=self.stage.now)
        elif how == "leave":
            self.stage.leave(name)
            self.stage.rejoin(name)
        else:
            self.stage.pause(name)

    def freeze(self) -> None:
        cadence, ask = self.rng.choice(CADENCES), self.rng.choice(["", "", "", "It came late."])
        self.tell("freeze", cadence, ask)
        self.stage.freeze(cadence, by_hand=self.rng.random() < 0.7, ask=ask)

    def some(self, *states: str) -> Edition:
        with self.stage.db.reading() as conn:
            found = editions.all_editions(conn, states=states)
        if not found:
            raise Refused("There is none.")
        return self.rng.choice(found)

    def work(self) -> None:
        edition = self.some(editions.FROZEN, editions.SENDING)
        how = self.rng.choice(["plan", "plan", "deliver", "see_through"])
        self.tell(how, edition.id)
        if how == "plan":
            self.stage.plan(edition)
            return
        for number in self.stage.ids.values():
            answers = [Answer.ACCEPTED] * 3 + [Answer.POLICY, Answer.UNSURE, Answer.TRANSIENT]
            self.stage.transport.answers[number] = [self.rng.choice(answers)]
        getattr(self.stage, how)(edition)
        self.stage.transport.answers.clear()

    def meddle(self) -> None:
        how = self.rng.choice(["approve", "undo", "pause", "resume", "resume", "cancel"])
        edition = self.some(editions.REVIEW) if how == "approve" else self.some(editions.FROZEN, editions.SENDING)
        self.tell(how, edition.id)
        if how == "cancel":
            self.stage.cancel(edition, drop=self.rng.random() < 0.3)
            return
        if how == "resume" and edition.question:
            self.stage.answer(edition, as_is=self.rng.random() < 0.5)
            return
        with self.stage.db.transaction() as conn:
            if how == "approve":
                review.approve(conn, edition.id, SETTINGS, by="staff", now=self.stage.now)
            elif how == "pause":
                review.pause(conn, edition.id, why="Wait.", now=self.stage.now)
            else:
                getattr(review, how)(conn, edition.id)

    def settings(self) -> None:
        cadence = self.rng.choice(CADENCES[1:])
        if self.rng.random() < 0.5:
            self.tell("fewest", cadence)
            self.stage.set(**{f"{cadence}__fewest": self.rng.choice("123")})
        else:
            self.tell("cap")
            self.stage.set(instant__daily_cap=self.rng.choice("012"))

    # --- what is said, and what comes

    def told(self) -> Told:
        with self.stage.db.reading() as conn:
            ids = self.stage.ids.items()
            digest = self.stage.digest.id
            return {name: pending.of(conn, digest, number, now=self.stage.now) for name, number in ids}

    def rows(self, edition: Edition) -> dict[str, Row]:
        names = {number: name for name, number in self.stage.ids.items()}
        d, b, v = tables.deliveries, tables.batches, tables.variants
        select = (
            sa.select(d.c.subscriber_id, d.c.state, d.c.code, b.c.due_at, v.c.entries)
            .join(b, (b.c.edition_id == d.c.edition_id) & (b.c.n == d.c.batch_n))
            .outerjoin(v, (v.c.edition_id == d.c.edition_id) & (v.c.n == d.c.variant_n))
            .where(d.c.edition_id == edition.id)
        )
        found = {}
        with self.stage.db.reading() as conn:
            for row in conn.execute(select):
                entries, titles = variants.read(row.entries or "[]")
                found[names[row.subscriber_id]] = Row(
                    State(row.state), row.code, row.due_at, frozenset(entries), titles
                )
        return found

    def open(self, cadence: str) -> Edition | None:
        with self.stage.db.reading() as conn:
            return editions.open_edition(conn, self.stage.digest.id, cadence, lock=False)

    def check_by_hand(self, cadence: str) -> None:
        """The series goes now, whatever the hour and however few."""
        before, told = self.open(cadence), self.told()
        had_row = self.rows(before) if before else {}
        try:
            edition = self.stage.freeze(cadence)
        except Refused:
            assert not [one for some in told.values() for one in some if one.cadence == cadence and goes(one)]
            return
        self.tell("by hand", cadence, edition.id, edition.state)
        if edition.paused_at:
            with self.stage.db.transaction() as conn:
                review.answered(conn, edition.id)
        self.stage.plan(edition)
        grown = before is None or before.state != editions.FROZEN or edition.mark_to != before.mark_to
        self.compare(edition, told, had_row, grown=grown, wanted=GOING)

    def check_by_calendar(self, cadence: str) -> None:
        """The series runs at its next moment."""
        if self.open(cadence):
            return
        with self.stage.db.reading() as conn:
            digest, series = self.stage.digest, publications.one_series(conn, self.stage.digest.id, cadence)
            run = occurrences.next_run(conn, digest, series, self.stage.now)
        told = self.told()
        assert run is not None
        self.stage.now = max(run, self.stage.now)
        with self.stage.db.transaction() as conn:
            edition = occurrences.run_latest(
                conn, SETTINGS, digest, series, owed=self.stage.people.owed, now=self.stage.now
            )
        assert edition is not None
        self.tell("by calendar", cadence, edition.id, edition.state)
        self.stage.plan(edition)
        self.compare(edition, told, {}, grown=True, wanted=("next",))
        for name, row in self.rows(edition).items():
            if row.state is State.PLANNED:
                said = {one.due for one in told[name] if one.cadence == cadence and one.outcome == "next"}
                assert said == {row.due}, f"{name} was told {said} and gets it {row.due}"

    def compare(
        self, edition: Edition, told: Told, had_row: Mapping[str, Row], *, grown: bool, wanted: tuple[str, ...]
    ) -> None:
        rows, after = self.rows(edition), self.told()
        for name, some in told.items():
            if name in had_row:
                continue
            mine = [one for one in some if one.cadence == edition.cadence]
            going = [one for one in mine if one.edition == edition.id and one.outcome in ("planned", "stopped")]
            if grown:
                going += [one for one in mine if one.outcome in wanted or one.outcome == "review"]
            capped = [one for one in mine if one.outcome == "alert cap"]
            row = rows.get(name)
            held = row.entries if row and row.state is State.PLANNED else frozenset()
            said = {one.sequence for one in going}
            gone = {one.sequence for one in after[name] if one.outcome == "withdrawn"}  # taken out before it is sent
            assert held - gone == said, (
                f"{name} was told {sorted(said)} and gets {sorted(held)} in {edition.id}: {mine}"
            )
            if row and row.state is State.PLANNED:
                by_pause, by_age = (
                    {one.sequence for one in going if one.title_only == why} for why in ("pause", "age")
                )
                sooner = edition.by_hand or any(one.outcome == "review" for one in going)
                surely = by_pause if sooner else by_pause | by_age  # an edition that is not awaited ages nothing
                assert surely <= row.titles - gone <= by_pause | by_age, f"{name}: {sorted(row.titles)}"
                planned = {one.sequence for one in after[name] if one.edition == edition.id}
                assert planned == said
            if capped and not going:
                assert row is not None
                assert row.code == "alert cap"
                assert row.entries == {one.sequence for one in capped}


def goes(one: Pending) -> bool:
    return one.outcome in GOING


def play(db: Database, seed: int) -> None:
    game = Play(db, seed)
    try:
        for turn in range(4):
            game.run(game.rng.choice([4, 8, 16]))
            cadence = game.rng.choice(CADENCES)
            if cadence == "instant" or turn % 2:
                game.check_by_hand(cadence)
            else:
                game.check_by_calendar(cadence)
    except Exception as error:
        raise AssertionError(f"seed {seed}: {error!r}\n" + "\n".join(game.story)) from error


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_what_is_said_to_wait_is_what_the_next_edition_holds(db: Database, seed: int) -> None:
    play(db, seed)
