"""In whose name a command sends or approves: `--by`, with the address or the name of one of the staff.

Promises: only who works here and may do it. Whoever runs commands has the whole machine, so this is their word and no
proof. Refuses: names that nobody or several have.
"""

from __future__ import annotations

from typing import Annotated

import typer
from sqlalchemy import Connection

from digest.cli import desk
from digest.second_person import Colleague
from digest.staff import accounts, approvals
from digest.staff.accounts import Account

By = Annotated[str, typer.Option("--by", metavar="ADDRESS", help="In whose name: the address of one of the staff.")]


def sender(conn: Connection, by: str) -> Colleague | None:
    """Who sends, when somebody is named. Raises NotFound, or Refused when it is not for them."""
    return approvals.colleague(accounts.called(conn, by)) if by else None


def approver(conn: Connection, by: str) -> Account | str:
    """Who approves: one of the staff, or else the name of whoever runs the command. Raises NotFound."""
    return accounts.called(conn, by) if by else desk.user()
