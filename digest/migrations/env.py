"""Alembic's environment: runs the versions on the connection and against the metadata that `digest.schema` passes in.

Promises: it opens no connection, reads no settings and configures no logging. The transaction belongs to the caller.
"""

from __future__ import annotations

from alembic import context

given = context.config.attributes
context.configure(
    connection=given["connection"],
    target_metadata=given["metadata"],
    render_item=given.get("render_item"),
    render_as_batch=given.get("render_as_batch", True),
)
context.run_migrations()
