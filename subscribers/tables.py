"""The tables of people: subscribers, their choices, what is owed to them, and whom not to mail.

Promises: one subscriber per address key, one subscription per digest and subscriber. Preference maps, hour slots
and carries are interned, so a million readers share a few hundred rows. Shares the metadata of `digest.tables`.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Integer, SmallInteger, Table, Text
from sqlalchemy.types import LargeBinary

from digest.tables import Instant, metadata

subscribers = Table(
    "subscribers",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("email", Text, nullable=False),  # as typed: the local part may be case-sensitive
    Column("email_key", Text, nullable=False, unique=True),  # lower-cased, domain as A-label
    Column("email_hash", LargeBinary, nullable=False),  # keyed, 16 bytes: joins with suppressions
    Column("name", Text, nullable=False, server_default=""),
    Column("language", Text, nullable=False, server_default="en"),
    Column("created_at", Instant, nullable=False),
    Column("provider", SmallInteger, nullable=False, server_default="0"),  # of the mailbox, by the domain
    sa.Index("ix_subscribers_email_hash", "email_hash"),
    sqlite_autoincrement=True,
)

preference_sets = Table(
    "preference_sets",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("map", Text, nullable=False, unique=True),  # canonical JSON, topic or "*" to cadence or "off"
)

slots = Table(
    "slots",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("hour", Integer, nullable=False),
    Column("zone", Text, nullable=False),
    sa.UniqueConstraint("hour", "zone", name="uq_slots_hour_zone"),
    sa.CheckConstraint("hour BETWEEN 0 AND 23", name="hour"),
)

carries = Table(
    "carries",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("entries", Text, nullable=False, unique=True),  # canonical JSON, ascending sequences
)

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("digest_id", ForeignKey("digests.id"), primary_key=True),
    Column("subscriber_id", ForeignKey("subscribers.id"), primary_key=True),
    Column("state", Text, nullable=False),  # pending, active, paused, left
    Column("preference_set_id", ForeignKey("preference_sets.id"), nullable=False),
    Column("slot_id", ForeignKey("slots.id"), nullable=False),
    Column("since", Integer, nullable=False),  # entries up to here are behind them
    Column("carry_instant", ForeignKey("carries.id")),
    Column("carry_daily", ForeignKey("carries.id")),
    Column("carry_weekly", ForeignKey("carries.id")),
    Column("carry_monthly", ForeignKey("carries.id")),
    Column("rev", Integer, nullable=False, server_default="0"),
    Column("paused_until", Text),  # a calendar day in the slot's zone
    Column("joined_at", Instant, nullable=False),
    Column("titles_upto", Integer, nullable=False, server_default="0"),  # what is owed up to here comes as titles
    Column("import_id", Integer),  # that brings them in, until its end makes them active
    sa.CheckConstraint("state IN ('pending', 'active', 'paused', 'left')", name="state"),
    # The clock asks for these all the time; nearly nobody is owed an alert, so the index is nearly empty.
    sa.Index(
        "ix_subscriptions_alerts_owed",
        "digest_id",
        sqlite_where=sa.text("carry_instant IS NOT NULL"),
        postgresql_where=sa.text("carry_instant IS NOT NULL"),
    ),
    sa.Index(
        "ix_subscriptions_import",
        "import_id",
        sqlite_where=sa.text("import_id IS NOT NULL"),
        postgresql_where=sa.text("import_id IS NOT NULL"),
    ),
    sa.Index(
        "ix_subscriptions_pending",
        "joined_at",
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    ),
    sqlite_with_rowid=False,
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("email_hash", LargeBinary, primary_key=True),
    Column("reason", Text, nullable=False),  # left, imported, hard, complaint, by-staff, erased
    Column("at", Instant, nullable=False),
    Column("said_by", Text, nullable=False, server_default=""),
    sqlite_with_rowid=False,
)

consent_events = Table(
    "consent_events",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("subscriber_id", Integer, nullable=False, index=True),  # stays when the person is erased
    Column("digest_id", Integer),
    Column("what", Text, nullable=False),  # imported, added, left
    Column("text", Text, nullable=False, server_default=""),  # where the consent comes from, in words
    Column("source", Text, nullable=False, server_default=""),
    Column("consented_at", Text, nullable=False, server_default=""),
    Column("at", Instant, nullable=False),
    Column("version", Text, nullable=False, server_default=""),  # of a sentence that we show: the hash of its text
    Column("ip", Text, nullable=False, server_default=""),  # of who did it; wiped after a set time
    Column("agent", Text, nullable=False, server_default=""),  # their browser, as it calls itself; wiped too
    Column("message_id", Text, nullable=False, server_default=""),  # of the mail that was answered
    sa.Index(
        "ix_consent_events_told",
        "at",
        sqlite_where=sa.text("ip != '' OR agent != ''"),
        postgresql_where=sa.text("ip != '' OR agent != ''"),
    ),
    sa.Index(  # who went of late is counted each time that staff look
        "ix_consent_events_left",
        "at",
        "subscriber_id",
        sqlite_where=sa.text("what = 'left'"),
        postgresql_where=sa.text("what = 'left'"),
    ),
    sa.Index(  # how many agreed to each sentence is counted when owners look
        "ix_consent_events_version",
        "version",
        "subscriber_id",
        "at",
        sqlite_where=sa.text("version != '' AND what = 'confirmed'"),
        postgresql_where=sa.text("version != '' AND what = 'confirmed'"),
    ),
    sqlite_autoincrement=True,
)

# What people asked for at a form, until the clock has dealt with it: whoever asks waits for nothing that depends on
# who is known.
asks = Table(
    "asks",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),  # sign-up, settings
    Column("digest_id", Integer, nullable=False),
    Column("email", Text, nullable=False),
    Column("wish", sa.JSON, nullable=False),  # choices, as `newcomers.Choices`
    Column("origin", sa.JSON, nullable=False),  # evidence, as `consent.Origin`
    Column("at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

# Links that were sent to an address, to be used once.
sent_links = Table(
    "sent_links",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),  # confirm, copy, erase, address, new-address
    Column("digest_id", Integer, nullable=False),
    Column("subscriber_id", Integer, nullable=False),
    Column("wish", sa.JSON, nullable=False),  # what happens when it is used
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("outcome", Text, nullable=False, server_default=""),  # used, replaced, left
    Column("message_id", Text, nullable=False, server_default=""),
    sa.Index("ix_sent_links_person", "subscriber_id", "digest_id"),
    sa.Index(
        "ix_sent_links_open",
        "expires_at",
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    ),
    sqlite_autoincrement=True,
)

# How often somebody or something asked of late.
limits = Table(
    "limits",
    metadata,
    Column("key", LargeBinary, primary_key=True),  # keyed hash of an address or a network
    Column("moments", sa.JSON, nullable=False),  # seconds since 1970, ascending; [second, how often]
    Column("until", Instant, nullable=False),  # the row is of no use any more then
    sqlite_with_rowid=False,
)

imports = Table(
    "imports",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False),  # the same file with the same options has the same
    Column("line", Integer, nullable=False),  # the last one that is dealt with
    Column("counts", sa.JSON, nullable=False),
    Column("state", Text, nullable=False),  # running, done
    Column("started_at", Instant, nullable=False),
    sa.Index(
        "ix_imports_running",
        "name",
        unique=True,
        sqlite_where=sa.text("state = 'running'"),
        postgresql_where=sa.text("state = 'running'"),
    ),
    sqlite_autoincrement=True,
)

import_problems = Table(
    "import_problems",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("import_id", ForeignKey("imports.id"), nullable=False, index=True),
    Column("line", Integer, nullable=False),
    Column("place", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("remedy", Text, nullable=False),
)
