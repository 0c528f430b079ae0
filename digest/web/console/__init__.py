"""The console: the pages of staff, one file per group as in its menu.

Promises: no page is shown and nothing is done but for whoever is signed in with a role that may (`door`); nothing
changes on GET; every form carries its token. The pages are in English, like the command line.
"""

from __future__ import annotations

from litestar import Router

from digest.web.console import (
    activity,
    do_not_mail,
    door,
    drafting,
    edition_record,
    editions,
    entering,
    importing,
    item,
    item_deeds,
    item_import,
    item_looks,
    items,
    letter_sending,
    letters,
    looking,
    mail_health,
    moving,
    own_account,
    people,
    person,
    rules,
    schedule,
    sending,
    setting_calls,
    setting_carrier,
    setting_consent,
    setting_looks,
    setting_saving,
    setting_senders,
    settings,
    today,
    withdrawing,
)

CONSOLE = Router(
    path="/staff",
    guards=[door.admit],
    route_handlers=[
        *entering.HANDLERS,
        *own_account.HANDLERS,
        *today.HANDLERS,
        *items.HANDLERS,
        *item.HANDLERS,
        *item_deeds.HANDLERS,
        *item_import.HANDLERS,
        *item_looks.HANDLERS,
        *withdrawing.HANDLERS,
        *editions.HANDLERS,
        *drafting.HANDLERS,
        *edition_record.HANDLERS,
        *sending.HANDLERS,
        *looking.HANDLERS,
        *letters.HANDLERS,
        *letter_sending.HANDLERS,
        *schedule.HANDLERS,
        *moving.HANDLERS,
        *rules.HANDLERS,
        *importing.HANDLERS,
        *people.HANDLERS,
        *person.HANDLERS,
        *do_not_mail.HANDLERS,
        *mail_health.HANDLERS,
        *activity.HANDLERS,
        *settings.HANDLERS,
        *setting_saving.HANDLERS,
        *setting_senders.HANDLERS,
        *setting_carrier.HANDLERS,
        *setting_looks.HANDLERS,
        *setting_calls.HANDLERS,
        *setting_consent.HANDLERS,
    ],
)
