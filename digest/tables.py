"""The tables of content, editions, the ledger and notices (SQLAlchemy Core; people's tables are in `subscribers`).

Promises: every rule that a unique key or a partial index can hold is held here and not by an `if`. Instants are
microseconds since 1970 in UTC (`Instant`), calendar days are ISO text. The shapes of `batches` and `deliveries`
were measured; docs/why/ledger.md says why the key is (edition, batch, position).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Integer, MetaData, SmallInteger, Table, Text, text
from sqlalchemy.types import BigInteger, LargeBinary, TypeDecorator

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class State(IntEnum):
    """What has become of one delivery or notice. Only PLANNED and TRYING are still to go."""

    PLANNED = 0
    TRYING = 1
    ACCEPTED = 2
    SKIPPED = 3
    FAILED = 4
    UNSURE = 5


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(moment: datetime) -> int:
    """The aware `moment` as whole microseconds since 1970 UTC."""
    if moment.tzinfo is None:
        raise ValueError("a moment needs its zone")
    return (moment - EPOCH) // timedelta(microseconds=1)


class Instant(TypeDecorator[datetime]):
    """An aware moment, stored as microseconds since 1970 in UTC: exact, ordered, alike on both databases."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        return None if value is None else micros(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else EPOCH + timedelta(microseconds=value)


def _key() -> Column[int]:
    return Column("id", Integer, primary_key=True, autoincrement=True)


# --- content ---------------------------------------------------------------------------------------------------

topics = Table(
    "topics",
    metadata,
    Column("slug", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
)

items = Table(
    "items",
    metadata,
    _key(),
    Column("slug", Text, nullable=False, unique=True),
    Column("state", Text, nullable=False),  # draft, scheduled, published, withdrawn
    Column("kind", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("subtitle", Text, nullable=False, server_default=""),
    Column("excerpt", Text, nullable=False, server_default=""),
    Column("body", Text, nullable=False, server_default=""),  # clean HTML: has passed markup
    Column("markdown", Text),  # as staff wrote it, when they wrote Markdown
    Column("language", Text, nullable=False, server_default="en"),
    Column("published_on", Text),  # YYYY-MM-DD, or --MM-DD when the year is missing
    Column("date_precision", Text, nullable=False, server_default="day"),  # instant, day, yearless, seen
    Column("published_at", Instant),  # the moment that sorts it; null while no complete date is known
    Column("publish_at", Instant),  # when a scheduled item becomes news
    Column("updated_on", Text),
    Column("update_note", Text, nullable=False, server_default=""),
    Column("canonical_url", Text, nullable=False, server_default=""),
    Column("featured", sa.Boolean, nullable=False, server_default=sa.false()),
    Column("source", Text, nullable=False, server_default=""),  # where it came from: a folder, a feed
    Column("foreign_id", Text),  # its identity there
    Column("revision", Integer, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),  # of all fields below: same hash, unchanged
    Column("modified_at", Instant, nullable=False),
    Column("withdrawn_at", Instant),
    Column("withdrawn_why", Text, nullable=False, server_default=""),
    sa.UniqueConstraint("source", "foreign_id", name="uq_items_source_foreign_id"),
    Index("ix_items_published", "state", "published_at"),
    # The body makes rows long, so what lists and counts ask for is answered by an index alone.
    Index("ix_items_kind", "state", "kind", "published_at"),
    Index("ix_items_year", "state", "published_on"),
    Index("ix_items_modified", "state", "modified_at", "slug"),
    Index("ix_items_changed", "modified_at", "id"),  # of staff's list, whatever the state
)

item_revisions = Table(
    "item_revisions",
    metadata,
    Column("item_id", ForeignKey("items.id"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("fields", sa.JSON, nullable=False),  # the whole item as it was, enough to render it again
)

item_topics = Table(
    "item_topics",
    metadata,
    Column("item_id", ForeignKey("items.id"), primary_key=True),
    Column("topic", ForeignKey("topics.slug"), primary_key=True),
    Column("position", Integer, nullable=False),
    Index("ix_item_topics_topic", "topic", "item_id"),
)

item_authors = Table(
    "item_authors",
    metadata,
    Column("item_id", ForeignKey("items.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False, server_default=""),
    Column("organization", Text, nullable=False, server_default=""),
)

attachments = Table(
    "attachments",
    metadata,
    Column("item_id", ForeignKey("items.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("role", Text, nullable=False),  # pdf, image
    Column("path", Text, nullable=False),  # below /media/, or an absolute https address
    Column("name", Text, nullable=False),  # the file name people see
    Column("media_type", Text, nullable=False),
    Column("size", Integer, nullable=False),  # bytes
    Column("pages", Integer),
    Column("alt", Text, nullable=False, server_default=""),
    Column("width", Integer),  # pixels, of an image that is kept here
    Column("height", Integer),
    Index("ix_attachments_path", "path"),
)

# The words of each item as `folding` has them, in any state. Each database keeps an index of its own beside it: SQLite
# an FTS5 table that triggers keep in step, PostgreSQL a vector of the words. `search` reads both.
item_words = Table(
    "item_words",
    metadata,
    Column("item_id", ForeignKey("items.id"), primary_key=True),
    Column("title", Text, nullable=False),
    Column("names", Text, nullable=False),  # authors, kind, topics, slug
    Column("body", Text, nullable=False),
)
_FTS5 = "INSERT INTO item_search (rowid, title, names, body) VALUES (new.item_id, new.title, new.names, new.body);"
_OUT_OF_FTS5 = (
    "INSERT INTO item_search (item_search, rowid, title, names, body) "
    "VALUES ('delete', old.item_id, old.title, old.names, old.body);"
)
_WORDS_INDEX = {
    "sqlite": (
        "CREATE VIRTUAL TABLE item_search USING fts5(title, names, body, content='item_words', "
        "content_rowid='item_id', tokenize=\"unicode61 remove_diacritics 0 categories 'L* N* M* Co'\", prefix='1 2 3')",
        f"CREATE TRIGGER item_words_added AFTER INSERT ON item_words BEGIN {_FTS5} END",
        f"CREATE TRIGGER item_words_removed AFTER DELETE ON item_words BEGIN {_OUT_OF_FTS5} END",
        f"CREATE TRIGGER item_words_changed AFTER UPDATE ON item_words BEGIN {_OUT_OF_FTS5} {_FTS5} END",
    ),
    "postgresql": (
        "ALTER TABLE item_words ADD COLUMN vector tsvector GENERATED ALWAYS AS "
        "(setweight(to_tsvector('simple', title), 'A') || $$'.':1$$::tsvector || "  # no phrase goes over a dot
        "setweight(to_tsvector('simple', names), 'B') || $$'.':1$$::tsvector || "
        "setweight(to_tsvector('simple', body), 'C')) STORED",
        "CREATE INDEX ix_item_words_vector ON item_words USING gin (vector)",
    ),
}


@sa.event.listens_for(item_words, "after_create")
def _index_words(table: Table, conn: sa.Connection, **kw: Any) -> None:
    for statement in _WORDS_INDEX[conn.dialect.name]:
        conn.exec_driver_sql(statement)


# One row. It is locked until the writer commits, so sequences become visible in order, without holes.
news_counter = Table(
    "news_counter",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("value", Integer, nullable=False),
    sa.CheckConstraint("id = 1", name="one_row"),
)

publication_log = Table(
    "publication_log",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("item_id", ForeignKey("items.id"), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("what", Text, nullable=False),  # new, update, again
    Column("topics", sa.JSON, nullable=False),  # as they were, sorted
    Column("note", Text, nullable=False, server_default=""),
    Column("at", Instant, nullable=False),
    sa.CheckConstraint("what IN ('new', 'update', 'again')", name="what"),
    Index("ix_publication_log_item", "item_id"),
)

held_back = Table(
    "held_back",
    metadata,
    Column("digest_id", ForeignKey("digests.id"), primary_key=True),
    Column("cadence", Text, primary_key=True),
    Column("sequence", ForeignKey("publication_log.sequence"), primary_key=True),
    Column("held_by", Text, nullable=False, server_default=""),
    Column("why", Text, nullable=False, server_default=""),
)

arrangements = Table(
    "arrangements",  # how staff want the coming edition of a series to read; gone when it has been planned
    metadata,
    Column("digest_id", ForeignKey("digests.id"), primary_key=True),
    Column("cadence", Text, primary_key=True),
    Column("placed", sa.JSON, nullable=False),  # item ids, first to last
    Column("openings", sa.JSON, nullable=False),  # language to subject and Markdown
    Column("revision", Integer, nullable=False),  # of the arrangement
    Column("changed_by", Text, nullable=False),
    Column("changed_at", Instant, nullable=False),
)

# --- publications ----------------------------------------------------------------------------------------------

digests = Table(
    "digests",
    metadata,
    _key(),
    Column("slug", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("from_name", Text, nullable=False),
    Column("from_address", Text, nullable=False),
    Column("reply_to", Text, nullable=False, server_default=""),
    Column("languages", sa.JSON, nullable=False),
    Column("zone", Text, nullable=False),
    Column("welcome", Text, nullable=False, server_default="nothing"),  # of who is new: nothing, last (edition)
    # What categories and tags of imported posts are: "short-name=kind; other=kind", and the same for topics.
    Column("import_kinds", Text, nullable=False, server_default=""),
    Column("import_topics", Text, nullable=False, server_default=""),
    # Raised by every join, refile, leave and give-back: planning completes only if nothing changed meanwhile.
    Column("people_rev", Integer, nullable=False, server_default="0"),
)

series = Table(
    "series",
    metadata,
    Column("digest_id", ForeignKey("digests.id"), primary_key=True),
    Column("cadence", Text, primary_key=True),  # instant, daily, weekly, monthly
    Column("offered", sa.Boolean, nullable=False, server_default=sa.true()),
    Column("mark", Integer, nullable=False),  # the last sequence that a completed plan has served
    Column("next_number", Integer, nullable=False, server_default="1"),
    Column("hour", Integer, nullable=False),
    Column("weekday", Integer),  # 0 is Monday
    Column("month_day", Integer),  # 31 means the last
    Column("fewest", Integer, nullable=False, server_default="1"),
    Column("most", Integer, nullable=False, server_default="12"),
    Column("age_limit", Integer, nullable=False, server_default="45"),  # days; older entries come as titles; 0: never
    Column("daily_cap", Integer, nullable=False, server_default="0"),  # alerts per reader and local day; 0: no cap
    Column("late_hours", Integer, nullable=False, server_default="2"),
    Column("late_policy", Text, nullable=False, server_default="send"),  # beyond late_hours: send, skip, ask
    Column("needs_approval", sa.Boolean, nullable=False, server_default=sa.false()),
    Column("skipped_runs", Integer, nullable=False, server_default="0"),  # in a row, for want of the fewest
    Column("since", Instant, nullable=False),  # occurrences before this moment never were
    Column("owed_seen", Instant),  # alerts: when the clock first met the debts that stand
    sa.CheckConstraint("cadence IN ('instant', 'daily', 'weekly', 'monthly')", name="cadence"),
    sa.CheckConstraint("late_policy IN ('send', 'skip', 'ask')", name="late_policy"),
)

occurrences = Table(
    "occurrences",
    metadata,
    Column("digest_id", Integer, primary_key=True),
    Column("cadence", Text, primary_key=True),
    # The nominal local time YYYY-MM-DDTHH; '#' + first sequence for instant; '#c' + time for carries alone.
    Column("moment", Text, primary_key=True),
    Column("due_at", Instant, nullable=False),
    Column("outcome", Text, nullable=False),  # edition, adopted, skipped
    Column("reason", Text, nullable=False, server_default=""),
    Column("edition_id", ForeignKey("editions.id")),
    Column("at", Instant, nullable=False),
    sa.ForeignKeyConstraint(
        ["digest_id", "cadence"], ["series.digest_id", "series.cadence"], name="fk_occurrences_series"
    ),
)

moves = Table(
    "moves",  # runs that staff let happen at another moment; the run itself is an occurrence when it happens
    metadata,
    Column("digest_id", Integer, primary_key=True),
    Column("cadence", Text, primary_key=True),
    Column("moment", Text, primary_key=True),  # as in occurrences
    Column("planned_at", Instant, nullable=False),  # when it would have happened
    Column("due_at", Instant, nullable=False),  # when it happens instead
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False),
    sa.ForeignKeyConstraint(["digest_id", "cadence"], ["series.digest_id", "series.cadence"], name="fk_moves_series"),
    sa.UniqueConstraint("digest_id", "cadence", "due_at", name="uq_moves_due_at"),
)

sources = Table(
    "sources",  # outside feeds that are watched
    metadata,
    _key(),
    Column("address", Text, nullable=False, unique=True),  # where it is asked; follows the feed that moves for good
    Column("origin", Text, nullable=False),  # where it was first read: its entries are known by that for ever
    Column("moved_from", Text, nullable=False, server_default=""),
    Column("name", Text, nullable=False),
    Column("digest_id", ForeignKey("digests.id"), nullable=False),  # whose rules its entries follow
    Column("drafts", sa.Boolean, nullable=False),  # whether entries wait for staff
    Column("state", Text, nullable=False),
    Column("etag", Text, nullable=False, server_default=""),
    Column("last_modified", Text, nullable=False, server_default=""),
    Column("added_at", Instant, nullable=False),
    Column("checked_at", Instant, nullable=False),
    Column("read_at", Instant, nullable=False),  # the last check that went well
    Column("next_check_at", Instant),  # null when it is stopped
    Column("failures", Integer, nullable=False, server_default="0"),  # in a row
    Column("failing_since", Instant),
    Column("last_error", Text, nullable=False, server_default=""),
    Column("entries", Integer, nullable=False, server_default="0"),  # in the feed when it was last read
    Column("created", Integer, nullable=False, server_default="0"),  # items that came through it
    Column("changed", Integer, nullable=False, server_default="0"),
    Column("fence", Integer, nullable=False, server_default="0"),  # raised by each who sets out to ask
    sa.CheckConstraint("state IN ('watched', 'stopped')", name="state"),
    sqlite_autoincrement=True,
)

# --- editions --------------------------------------------------------------------------------------------------

editions = Table(
    "editions",
    metadata,
    _key(),
    Column("uid", Text, nullable=False, unique=True),  # 128 random bits, hex
    Column("kind", Text, nullable=False),  # digest, carries (owed entries alone), letter
    Column("digest_id", ForeignKey("digests.id"), nullable=False),
    Column("cadence", Text),  # null for letters
    Column("number", Integer),  # within the series; given at freeze
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("mark_from", Integer, nullable=False),
    Column("last", Integer, nullable=False),
    Column("mark_to", Integer, nullable=False),
    Column("by_hand", sa.Boolean, nullable=False, server_default=sa.false()),
    Column("content_hash", Text, nullable=False, server_default=""),
    Column("approved_by", Text),
    Column("asked_by_id", Integer),  # which of the staff sent it by hand; null: the clock, or the machine
    Column("asked_by", Text, nullable=False, server_default=""),  # their name as it was then
    Column("created_at", Instant, nullable=False),
    Column("frozen_at", Instant),
    Column("starts_at", Instant),
    Column("paused_at", Instant),
    Column("paused_why", Text, nullable=False, server_default=""),
    Column("question", sa.Boolean, nullable=False, server_default=sa.false()),  # a withdrawal waits for an answer
    Column("as_is", sa.Boolean, nullable=False, server_default=sa.false()),  # the answer "go on as it is" stands
    Column("cancelling", Text),  # later, drop
    Column("settings", sa.JSON),  # identity, addresses, key ids and schedule as they were at freeze
    Column("plan_cursor", Integer, nullable=False, server_default="0"),
    Column("plan_owner", Text),
    Column("plan_until", BigInteger, nullable=False, server_default="0"),  # microseconds of the database's clock
    Column("plan_fence", Integer, nullable=False, server_default="0"),
    Column("plan_done_at", Instant),
    Column("closed_at", Instant),
    sa.UniqueConstraint("digest_id", "cadence", "number", name="uq_editions_number"),
    sa.CheckConstraint(
        "state IN ('draft', 'review', 'frozen', 'sending', 'sent', 'cancelled', 'skipped')", name="state"
    ),
    Index(
        "uq_editions_open",
        "digest_id",
        "cadence",
        unique=True,
        sqlite_where=text("plan_done_at IS NULL AND state NOT IN ('skipped', 'cancelled') AND cadence IS NOT NULL"),
        postgresql_where=text("plan_done_at IS NULL AND state NOT IN ('skipped', 'cancelled') AND cadence IS NOT NULL"),
    ),
    sqlite_autoincrement=True,
)

edition_entries = Table(
    "edition_entries",
    metadata,
    Column("edition_id", ForeignKey("editions.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("sequence", ForeignKey("publication_log.sequence"), nullable=False),
    Column("revision", Integer, nullable=False),  # of the item, as frozen
    sa.UniqueConstraint("edition_id", "sequence", name="uq_edition_entries_sequence"),
)

variants = Table(
    "variants",
    metadata,
    Column("edition_id", ForeignKey("editions.id"), primary_key=True),
    Column("n", Integer, primary_key=True),  # from 1
    Column("language", Text, nullable=False),
    Column("entries", Text, nullable=False),  # canonical JSON list of sequences, in reading order; -n: as a title
    Column("subject", Text, nullable=False),
    Column("html", Text, nullable=False),  # with slots
    Column("text", Text, nullable=False),  # with slots
    sa.UniqueConstraint("edition_id", "entries", "language", name="uq_variants_entries"),
)

variant_entries = Table(
    "variant_entries",
    metadata,
    Column("edition_id", Integer, primary_key=True),
    Column("variant_n", Integer, primary_key=True),
    Column("sequence", ForeignKey("publication_log.sequence"), primary_key=True),
    sa.ForeignKeyConstraint(
        ["edition_id", "variant_n"], ["variants.edition_id", "variants.n"], name="fk_variant_entries_variant"
    ),
    Index("ix_variant_entries_sequence", "sequence"),
)

# --- the ledger ------------------------------------------------------------------------------------------------

batches = Table(
    "batches",
    metadata,
    Column("edition_id", ForeignKey("editions.id"), primary_key=True),
    Column("n", Integer, primary_key=True),  # from 1, in the order of planning and moving
    Column("due_at", Instant, nullable=False),
    Column("deadline", Instant, nullable=False),
    Column("state", SmallInteger, nullable=False, server_default="0"),  # 0 open, 1 leased, 2 closed
    Column("transport", Text),  # name, as recorded when rows were last marked
    Column("repeatable", sa.Boolean),  # of that transport
    Column("lease_owner", Text),
    Column("lease_until", BigInteger, nullable=False, server_default="0"),  # microseconds of the database's clock
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("size", Integer, nullable=False),
    Column("accepted", Integer, nullable=False, server_default="0"),
    Column("skipped", Integer, nullable=False, server_default="0"),
    Column("failed", Integer, nullable=False, server_default="0"),
    Column("unsure", Integer, nullable=False, server_default="0"),
    Column("paced", sa.Boolean, nullable=False, server_default=sa.false()),  # due_at is the slot its rows waited for
    Column("released_at", BigInteger),  # when it was last let go, in microseconds of the database's clock
    Index(
        "ix_batches_leasable",
        "edition_id",
        "due_at",
        "n",
        sqlite_where=text("state < 2"),
        postgresql_where=text("state < 2"),
    ),
    sa.CheckConstraint("accepted + skipped + failed + unsure <= size", name="sum"),
    postgresql_with={"fillfactor": 50},
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("edition_id", Integer, primary_key=True),
    Column("batch_n", Integer, primary_key=True),
    Column("pos", Integer, primary_key=True),
    Column("subscriber_id", Integer, nullable=False),  # people may be erased, the row keeps the bare number
    Column("variant_n", Integer, nullable=False),  # 0: nothing to send
    Column("state", SmallInteger, nullable=False),
    Column("attempts", SmallInteger, nullable=False, server_default="0"),
    Column("code", Text),  # why skipped or failed, or what the transport answered, as a short code
    Column("updated_at", Instant),
    Column("provider_id", Text),
    Column("carried", sa.Boolean, nullable=False, server_default=sa.false()),  # its entries went back
    Column("provider", SmallInteger, nullable=False, server_default="-1"),  # of the mailbox, when it was planned
    sa.ForeignKeyConstraint(["edition_id", "batch_n"], ["batches.edition_id", "batches.n"], name="fk_deliveries_batch"),
    sa.UniqueConstraint("edition_id", "subscriber_id", name="uq_deliveries_subscriber"),
    sa.CheckConstraint("state BETWEEN 0 AND 5", name="state"),
    sqlite_with_rowid=False,
    postgresql_with={"fillfactor": 40},
)

mailed = Table(
    "mailed",  # how many people got an entry through an edition that has ended, counted once when it closed
    metadata,
    Column("edition_id", ForeignKey("editions.id"), primary_key=True),
    Column("sequence", ForeignKey("publication_log.sequence"), primary_key=True),
    Column("people", Integer, nullable=False),
    Column("accepted", Integer, nullable=False),  # of the whole edition at that moment: another sum, count anew
    Index("ix_mailed_sequence", "sequence"),
)

provider_sums = Table(
    "provider_sums",  # what became of the deliveries of an edition that has ended, by mail provider
    metadata,
    Column("edition_id", ForeignKey("editions.id"), primary_key=True),
    Column("provider", SmallInteger, primary_key=True),  # as in `delivery.providers`
    Column("state", SmallInteger, primary_key=True),  # as deliveries
    Column("code", Text, primary_key=True),  # the same, empty where there is none
    Column("people", Integer, nullable=False),
    sa.CheckConstraint("people >= 0", name="people"),
)

replies = Table(
    "replies",
    metadata,
    Column("edition_id", Integer, primary_key=True),
    Column("subscriber_id", Integer, primary_key=True),
    Column("text", Text, nullable=False),  # cleaned, 500 characters at most
    Column("at", Instant, nullable=False),
)

requests = Table(
    "requests",  # one call of a provider that took many deliveries under one name of its own
    metadata,
    Column("edition_id", Integer, primary_key=True),
    Column("provider_id", Text, primary_key=True),
    Column("batch_n", Integer, nullable=False),
    Column("recipients", Integer, nullable=False),
    Column("at", Instant, nullable=False),
)

clock_watch = Table(
    "clock_watch",  # the two clocks of a machine when they last agreed, and a jump that nobody has answered
    metadata,
    Column("host", Text, primary_key=True),  # whose steady clock: it starts anew with each boot
    Column("steady", BigInteger, nullable=False),  # microseconds since the boot
    Column("wall", Instant, nullable=False),
    Column("jumped_to", Instant),
)

clock_passes = Table(
    "clock_passes",  # when the clock of each machine last did what was due
    metadata,
    Column("host", Text, primary_key=True),
    Column("at", Instant, nullable=False),
)

pace_buckets = Table(
    "pace_buckets",
    metadata,
    Column("name", Text, primary_key=True),  # "smtp", or "smtp example.org" for a domain through it
    Column("next_slot", Instant),  # when the next mail may go at the set rate; each mail moves it on
    Column("blocked_until", Instant),  # nothing goes before this moment
    Column("why", Text, nullable=False, server_default=""),
    Column("failures", Integer, nullable=False, server_default="0"),  # in a row; each makes the next wait longer
    Column("first_day", Text),  # local day on which this carrier first sent: the warm-up counts from it
    Column("day", Text),  # local day that `used` counts
    Column("used", Integer, nullable=False, server_default="0"),
)

letters = Table(
    "letters",  # what makes an edition a letter: its own text, and whom it is for
    metadata,
    Column("edition_id", ForeignKey("editions.id"), primary_key=True),
    Column("subject", Text, nullable=False),
    Column("preheader", Text, nullable=False, server_default=""),
    Column("body", Text, nullable=False),  # clean HTML
    Column("markdown", Text, nullable=False, server_default=""),  # as it was written, for whoever writes on
    Column("segment", sa.JSON, nullable=False),  # topics, language, joined since, received or not surely reached by
)

letter_drafts = Table(
    "letter_drafts",  # letters that are being written, and what became of them
    metadata,
    _key(),
    Column("digest_id", ForeignKey("digests.id"), nullable=False),
    Column("subject", Text, nullable=False),
    Column("preheader", Text, nullable=False),
    Column("markdown", Text, nullable=False),
    Column("segment", sa.JSON, nullable=False),  # as in `letters`
    Column("revision", Integer, nullable=False, server_default="1"),  # raised by each who saves it
    Column("changed_at", Instant, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("edition_id", ForeignKey("editions.id"), unique=True),  # the letter that it is; null: still a draft
    sqlite_autoincrement=True,
)

notices = Table(
    "notices",
    metadata,
    _key(),
    Column("occasion", Text, nullable=False, unique=True),  # what it is about: one mail per occasion
    Column("kind", Text, nullable=False),  # test, staff, welcome, confirm, settings, left, question
    # Whose affair it is: it goes only while they may be mailed. Null: not a subscriber's.
    Column("digest_id", Integer),
    Column("subscriber_id", Integer),
    Column("address", Text),  # wiped when done or erased
    Column("subject", Text, nullable=False),
    Column("message", LargeBinary),  # the whole mail, wiped when done
    Column("uid", Text, nullable=False, unique=True),  # 128 random bits, names the mail
    Column("state", SmallInteger, nullable=False),  # as deliveries
    Column("code", Text),
    Column("attempts", SmallInteger, nullable=False, server_default="0"),
    Column("created_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("repeatable", sa.Boolean),
    Column("lease_owner", Text),
    Column("lease_until", BigInteger, nullable=False, server_default="0"),
    Column("fence", Integer, nullable=False, server_default="0"),
    Index("ix_notices_due", "due_at", sqlite_where=text("state < 2"), postgresql_where=text("state < 2")),
    Index("ix_notices_subscriber", "subscriber_id"),
)

# --- staff -----------------------------------------------------------------------------------------------------

staff = Table(
    "staff",
    metadata,
    _key(),
    Column("email", Text, nullable=False),
    Column("email_key", Text, unique=True),  # null: the account has ended
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("password_hash", Text),  # argon2id; null until the first sign-in
    Column("factor_nonce", LargeBinary),  # the seed of the second factor; its secret needs a key of the home as well
    Column("factor_step", BigInteger),  # the half minute of the last code: none works twice
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant),
    Column("ended_at", Instant),
    sa.CheckConstraint("role IN ('viewer', 'author', 'editor', 'owner')", name="role"),
    sqlite_autoincrement=True,
)

staff_codes = Table(
    "staff_codes",  # recovery codes that still work
    metadata,
    Column("staff_id", ForeignKey("staff.id"), primary_key=True),
    Column("hash", LargeBinary, primary_key=True),
    sqlite_with_rowid=False,
)

staff_sessions = Table(
    "staff_sessions",
    metadata,
    _key(),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("staff_id", ForeignKey("staff.id"), nullable=False),
    Column("half", sa.Boolean, nullable=False),  # the second factor is outstanding
    Column("by_link", sa.Boolean, nullable=False, server_default=sa.false()),  # a link stood in for the password
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("ip", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("renew", sa.Boolean, nullable=False, server_default=sa.false()),  # its next request gives it a new id
    Column("former_hash", LargeBinary),  # of the id that it had before
    Column("former_until", Instant),  # until when that one still opens it
    Index("ix_staff_sessions_staff", "staff_id"),
    Index("ix_staff_sessions_former", "former_hash", unique=True),
    sqlite_autoincrement=True,
)

staff_links = Table(
    "staff_links",  # links that sign somebody in once
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("staff_id", ForeignKey("staff.id"), nullable=False),
    Column("expires_at", Instant, nullable=False),
)

staff_looks = Table(
    "staff_looks",  # what somebody had before them when they said that they have seen the coming edition of a series
    metadata,
    Column("staff_id", ForeignKey("staff.id"), primary_key=True),
    Column("digest_id", ForeignKey("digests.id"), primary_key=True),
    Column("cadence", Text, primary_key=True),
    Column("looked_at", Instant, nullable=False),
    Column("contents", sa.JSON, nullable=False),  # pairs of sequence and revision, in reading order
    sqlite_with_rowid=False,
)

activity = Table(
    "activity",
    metadata,
    _key(),
    Column("at", Instant, nullable=False),
    Column("staff_id", ForeignKey("staff.id")),  # null: on the command line
    Column("name", Text, nullable=False),
    Column("deed", Text, nullable=False),
    Column("thing", Text, nullable=False),
    Column("before", sa.JSON),
    Column("after", sa.JSON),
    Index("ix_activity_thing", "thing", "id"),
    sqlite_autoincrement=True,
)
