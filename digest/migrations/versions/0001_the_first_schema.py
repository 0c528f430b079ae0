"""The first schema"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "carries",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("entries", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_carries")),
        sa.UniqueConstraint("entries", name=op.f("uq_carries_entries")),
    )
    op.create_table(
        "consent_events",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("digest_id", sa.Integer(), nullable=True),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), server_default="", nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("consented_at", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_events")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_consent_events_subscriber_id"), "consent_events", ["subscriber_id"], unique=False)
    op.create_table(
        "digests",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("from_name", sa.Text(), nullable=False),
        sa.Column("from_address", sa.Text(), nullable=False),
        sa.Column("reply_to", sa.Text(), server_default="", nullable=False),
        sa.Column("languages", sa.JSON(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("people_rev", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_digests")),
        sa.UniqueConstraint("slug", name=op.f("uq_digests_slug")),
    )
    op.create_table(
        "items",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("subtitle", sa.Text(), server_default="", nullable=False),
        sa.Column("excerpt", sa.Text(), server_default="", nullable=False),
        sa.Column("body", sa.Text(), server_default="", nullable=False),
        sa.Column("markdown", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), server_default="en", nullable=False),
        sa.Column("published_on", sa.Text(), nullable=True),
        sa.Column("date_precision", sa.Text(), server_default="day", nullable=False),
        sa.Column("published_at", sa.BigInteger(), nullable=True),
        sa.Column("publish_at", sa.BigInteger(), nullable=True),
        sa.Column("updated_on", sa.Text(), nullable=True),
        sa.Column("update_note", sa.Text(), server_default="", nullable=False),
        sa.Column("canonical_url", sa.Text(), server_default="", nullable=False),
        sa.Column("featured", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("foreign_id", sa.Text(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn_at", sa.BigInteger(), nullable=True),
        sa.Column("withdrawn_why", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_items")),
        sa.UniqueConstraint("slug", name=op.f("uq_items_slug")),
        sa.UniqueConstraint("source", "foreign_id", name="uq_items_source_foreign_id"),
    )
    op.create_index("ix_items_published", "items", ["state", "published_at"], unique=False)
    op.create_table(
        "news_counter",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_news_counter_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_news_counter")),
    )
    op.create_table(
        "notices",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("message", sa.LargeBinary(), nullable=True),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("repeatable", sa.Boolean(), nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint("occasion", name=op.f("uq_notices_occasion")),
        sa.UniqueConstraint("uid", name=op.f("uq_notices_uid")),
    )
    op.create_index(
        "ix_notices_due",
        "notices",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("state < 2"),
        postgresql_where=sa.text("state < 2"),
    )
    op.create_table(
        "preference_sets",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("map", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_preference_sets")),
        sa.UniqueConstraint("map", name=op.f("uq_preference_sets_map")),
    )
    op.create_table(
        "replies",
        sa.Column("edition_id", sa.Integer(), nullable=False),
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("edition_id", "subscriber_id", name=op.f("pk_replies")),
    )
    op.create_table(
        "slots",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.CheckConstraint("hour BETWEEN 0 AND 23", name=op.f("ck_slots_hour")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slots")),
        sa.UniqueConstraint("hour", "zone", name="uq_slots_hour_zone"),
    )
    op.create_table(
        "subscribers",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("email_key", sa.Text(), nullable=False),
        sa.Column("email_hash", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("language", sa.Text(), server_default="en", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscribers")),
        sa.UniqueConstraint("email_key", name=op.f("uq_subscribers_email_key")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_subscribers_email_hash", "subscribers", ["email_hash"], unique=False)
    op.create_table(
        "suppressions",
        sa.Column("email_hash", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("said_by", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("email_hash", name=op.f("pk_suppressions")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "topics",
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_topics")),
    )
    op.create_table(
        "attachments",
        sa.Column("item_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("pages", sa.Integer(), nullable=True),
        sa.Column("alt", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_attachments_item_id")),
        sa.PrimaryKeyConstraint("item_id", "position", name=op.f("pk_attachments")),
    )
    op.create_table(
        "editions",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("digest_id", sa.Integer(), nullable=False),
        sa.Column("cadence", sa.Text(), nullable=True),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("mark_from", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("mark_to", sa.Integer(), nullable=False),
        sa.Column("by_hand", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("content_hash", sa.Text(), server_default="", nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("frozen_at", sa.BigInteger(), nullable=True),
        sa.Column("starts_at", sa.BigInteger(), nullable=True),
        sa.Column("paused_at", sa.BigInteger(), nullable=True),
        sa.Column("paused_why", sa.Text(), server_default="", nullable=False),
        sa.Column("question", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("as_is", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("cancelling", sa.Text(), nullable=True),
        sa.Column("settings", sa.JSON(), nullable=True),
        sa.Column("plan_cursor", sa.Integer(), server_default="0", nullable=False),
        sa.Column("plan_owner", sa.Text(), nullable=True),
        sa.Column("plan_until", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("plan_fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("plan_done_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('draft', 'review', 'frozen', 'sending', 'sent', 'cancelled', 'skipped')",
            name=op.f("ck_editions_state"),
        ),
        sa.ForeignKeyConstraint(["digest_id"], ["digests.id"], name=op.f("fk_editions_digest_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_editions")),
        sa.UniqueConstraint("digest_id", "cadence", "number", name="uq_editions_number"),
        sa.UniqueConstraint("uid", name=op.f("uq_editions_uid")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_editions_open",
        "editions",
        ["digest_id", "cadence"],
        unique=True,
        sqlite_where=sa.text("plan_done_at IS NULL AND state NOT IN ('skipped', 'cancelled') AND cadence IS NOT NULL"),
        postgresql_where=sa.text(
            "plan_done_at IS NULL AND state NOT IN ('skipped', 'cancelled') AND cadence IS NOT NULL"
        ),
    )
    op.create_table(
        "item_authors",
        sa.Column("item_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), server_default="", nullable=False),
        sa.Column("organization", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_item_authors_item_id")),
        sa.PrimaryKeyConstraint("item_id", "position", name=op.f("pk_item_authors")),
    )
    op.create_table(
        "item_revisions",
        sa.Column("item_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_item_revisions_item_id")),
        sa.PrimaryKeyConstraint("item_id", "revision", name=op.f("pk_item_revisions")),
    )
    op.create_table(
        "item_topics",
        sa.Column("item_id", sa.Integer(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_item_topics_item_id")),
        sa.ForeignKeyConstraint(["topic"], ["topics.slug"], name=op.f("fk_item_topics_topic")),
        sa.PrimaryKeyConstraint("item_id", "topic", name=op.f("pk_item_topics")),
    )
    op.create_index("ix_item_topics_topic", "item_topics", ["topic"], unique=False)
    op.create_table(
        "publication_log",
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("item_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("topics", sa.JSON(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("what IN ('new', 'update', 'again')", name=op.f("ck_publication_log_what")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_publication_log_item_id")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_publication_log")),
    )
    op.create_index("ix_publication_log_item", "publication_log", ["item_id"], unique=False)
    op.create_table(
        "series",
        sa.Column("digest_id", sa.Integer(), nullable=False),
        sa.Column("cadence", sa.Text(), nullable=False),
        sa.Column("offered", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("mark", sa.Integer(), nullable=False),
        sa.Column("next_number", sa.Integer(), server_default="1", nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("weekday", sa.Integer(), nullable=True),
        sa.Column("month_day", sa.Integer(), nullable=True),
        sa.Column("fewest", sa.Integer(), server_default="1", nullable=False),
        sa.Column("most", sa.Integer(), server_default="12", nullable=False),
        sa.Column("late_hours", sa.Integer(), server_default="2", nullable=False),
        sa.Column("late_policy", sa.Text(), server_default="send", nullable=False),
        sa.Column("needs_approval", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("skipped_runs", sa.Integer(), server_default="0", nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("cadence IN ('instant', 'daily', 'weekly', 'monthly')", name=op.f("ck_series_cadence")),
        sa.CheckConstraint("late_policy IN ('send', 'skip', 'ask')", name=op.f("ck_series_late_policy")),
        sa.ForeignKeyConstraint(["digest_id"], ["digests.id"], name=op.f("fk_series_digest_id")),
        sa.PrimaryKeyConstraint("digest_id", "cadence", name=op.f("pk_series")),
    )
    op.create_table(
        "subscriptions",
        sa.Column("digest_id", sa.Integer(), nullable=False),
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("preference_set_id", sa.Integer(), nullable=False),
        sa.Column("slot_id", sa.Integer(), nullable=False),
        sa.Column("since", sa.Integer(), nullable=False),
        sa.Column("carry_instant", sa.Integer(), nullable=True),
        sa.Column("carry_daily", sa.Integer(), nullable=True),
        sa.Column("carry_weekly", sa.Integer(), nullable=True),
        sa.Column("carry_monthly", sa.Integer(), nullable=True),
        sa.Column("rev", sa.Integer(), server_default="0", nullable=False),
        sa.Column("paused_until", sa.Text(), nullable=True),
        sa.Column("joined_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("state IN ('pending', 'active', 'paused', 'left')", name=op.f("ck_subscriptions_state")),
        sa.ForeignKeyConstraint(["carry_daily"], ["carries.id"], name=op.f("fk_subscriptions_carry_daily")),
        sa.ForeignKeyConstraint(["carry_instant"], ["carries.id"], name=op.f("fk_subscriptions_carry_instant")),
        sa.ForeignKeyConstraint(["carry_monthly"], ["carries.id"], name=op.f("fk_subscriptions_carry_monthly")),
        sa.ForeignKeyConstraint(["carry_weekly"], ["carries.id"], name=op.f("fk_subscriptions_carry_weekly")),
        sa.ForeignKeyConstraint(["digest_id"], ["digests.id"], name=op.f("fk_subscriptions_digest_id")),
        sa.ForeignKeyConstraint(
            ["preference_set_id"], ["preference_sets.id"], name=op.f("fk_subscriptions_preference_set_id")
        ),
        sa.ForeignKeyConstraint(["slot_id"], ["slots.id"], name=op.f("fk_subscriptions_slot_id")),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscribers.id"], name=op.f("fk_subscriptions_subscriber_id")),
        sa.PrimaryKeyConstraint("digest_id", "subscriber_id", name=op.f("pk_subscriptions")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "batches",
        sa.Column("edition_id", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("transport", sa.Text(), nullable=True),
        sa.Column("repeatable", sa.Boolean(), nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.Integer(), server_default="0", nullable=False),
        sa.Column("skipped", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("unsure", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("accepted + skipped + failed + unsure <= size", name=op.f("ck_batches_sum")),
        sa.ForeignKeyConstraint(["edition_id"], ["editions.id"], name=op.f("fk_batches_edition_id")),
        sa.PrimaryKeyConstraint("edition_id", "n", name=op.f("pk_batches")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_index(
        "ix_batches_leasable",
        "batches",
        ["edition_id", "due_at", "n"],
        unique=False,
        sqlite_where=sa.text("state < 2"),
        postgresql_where=sa.text("state < 2"),
    )
    op.create_table(
        "edition_entries",
        sa.Column("edition_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["edition_id"], ["editions.id"], name=op.f("fk_edition_entries_edition_id")),
        sa.ForeignKeyConstraint(["sequence"], ["publication_log.sequence"], name=op.f("fk_edition_entries_sequence")),
        sa.PrimaryKeyConstraint("edition_id", "position", name=op.f("pk_edition_entries")),
        sa.UniqueConstraint("edition_id", "sequence", name="uq_edition_entries_sequence"),
    )
    op.create_table(
        "held_back",
        sa.Column("digest_id", sa.Integer(), nullable=False),
        sa.Column("cadence", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("held_by", sa.Text(), server_default="", nullable=False),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["digest_id"], ["digests.id"], name=op.f("fk_held_back_digest_id")),
        sa.ForeignKeyConstraint(["sequence"], ["publication_log.sequence"], name=op.f("fk_held_back_sequence")),
        sa.PrimaryKeyConstraint("digest_id", "cadence", "sequence", name=op.f("pk_held_back")),
    )
    op.create_table(
        "occurrences",
        sa.Column("digest_id", sa.Integer(), nullable=False),
        sa.Column("cadence", sa.Text(), nullable=False),
        sa.Column("moment", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("edition_id", sa.Integer(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["digest_id", "cadence"], ["series.digest_id", "series.cadence"], name="fk_occurrences_series"
        ),
        sa.ForeignKeyConstraint(["edition_id"], ["editions.id"], name=op.f("fk_occurrences_edition_id")),
        sa.PrimaryKeyConstraint("digest_id", "cadence", "moment", name=op.f("pk_occurrences")),
    )
    op.create_table(
        "variants",
        sa.Column("edition_id", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("entries", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["edition_id"], ["editions.id"], name=op.f("fk_variants_edition_id")),
        sa.PrimaryKeyConstraint("edition_id", "n", name=op.f("pk_variants")),
        sa.UniqueConstraint("edition_id", "entries", "language", name="uq_variants_entries"),
    )
    op.create_table(
        "deliveries",
        sa.Column("edition_id", sa.Integer(), nullable=False),
        sa.Column("batch_n", sa.Integer(), nullable=False),
        sa.Column("pos", sa.Integer(), nullable=False),
        sa.Column("subscriber_id", sa.Integer(), nullable=False),
        sa.Column("variant_n", sa.Integer(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("carried", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.CheckConstraint("state BETWEEN 0 AND 5", name=op.f("ck_deliveries_state")),
        sa.ForeignKeyConstraint(
            ["edition_id", "batch_n"], ["batches.edition_id", "batches.n"], name="fk_deliveries_batch"
        ),
        sa.PrimaryKeyConstraint("edition_id", "batch_n", "pos", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("edition_id", "subscriber_id", name="uq_deliveries_subscriber"),
        postgresql_with={"fillfactor": 40},
        sqlite_with_rowid=False,
    )
    op.create_table(
        "variant_entries",
        sa.Column("edition_id", sa.Integer(), nullable=False),
        sa.Column("variant_n", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["edition_id", "variant_n"], ["variants.edition_id", "variants.n"], name="fk_variant_entries_variant"
        ),
        sa.ForeignKeyConstraint(["sequence"], ["publication_log.sequence"], name=op.f("fk_variant_entries_sequence")),
        sa.PrimaryKeyConstraint("edition_id", "variant_n", "sequence", name=op.f("pk_variant_entries")),
    )
    op.create_index("ix_variant_entries_sequence", "variant_entries", ["sequence"], unique=False)

    op.bulk_insert(
        sa.table("news_counter", sa.column("id", sa.Integer), sa.column("value", sa.Integer)),
        [{"id": 1, "value": 0}],
    )
