"""An owner changes settings of the installation: the file and the record of who did it, in one step.

Promises: a change and its line in the record come together or not at all, unless the machine dies in the moment
between the file and the commit: then the change has no line. All of what is asked for is written or nothing, and every
fault is told by its key; what somebody else changed meanwhile is not overwritten unseen (`Moved`). Secrets come into
neither the file nor the record: a file of their own is named. Refuses: what the environment sets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from digest import config, settable, settings_file
from digest.config import Settings
from digest.errors import BadInput, ConfigError
from digest.home import Home
from digest.settable import Texts
from digest.settings_file import File
from digest.staff import activity
from digest.staff.accounts import Account


class Moved(Exception):
    """What the page showed is not so any more: `now` is."""

    def __init__(self, now: Texts) -> None:
        super().__init__("Somebody changed this meanwhile.")
        self.now = now


@dataclass(frozen=True)
class Wish:
    """What is typed for some settings, `seen` being the mark of what the page had shown.

    `also` are settings that nobody types, in plain values, and `told` what the record says of them.
    """

    thing: str
    typed: Texts
    seen: str
    also: Mapping[str, Any] = field(default_factory=dict)
    told: Texts = field(default_factory=dict)


def fits(settings: Settings) -> None:
    """Settings that need no further look."""


def change(home: Home, by: Account, wish: Wish, *, now: datetime, check: Callable[[Settings], None] = fits) -> bool:
    """Keeps what is typed; whether anything changed by it. `check` may refuse the settings as they would be.

    Raises Moved; ConfigError with the faults by key; Refused when the file cannot be written.
    """
    with settings_file.held(home.path) as file:
        kept = settable.texts(config.understood(file.text, file.path), wish.typed)
        if settable.mark(kept) != wish.seen:
            raise Moved(kept)
        changed = {key: text for key, text in wish.typed.items() if text != kept[key]}
        if not changed and not wish.also:
            return False
        text, settings = file.changed({**_understood(file, changed), **wish.also})
        check(settings)
        after = settable.texts(settings, changed)
        _write(home, by, file, text, wish, now, {key: kept[key] for key in changed}, after)
    home.follow()
    return True


def as_if(home: Home, typed: Texts, also: Mapping[str, Any]) -> Settings:
    """The settings as they would be; nothing is written. Raises ConfigError with the faults by key."""
    with settings_file.held(home.path) as file:
        return file.changed({**_understood(file, typed), **also})[1]


def faults(typed: Texts) -> dict[str, str]:
    """What of this cannot be read, by key."""
    return _read(typed)[1]


def outside(keys: Iterable[str]) -> list[str]:
    """Those of the keys that the environment sets."""
    return settings_file.outside(keys)


def _understood(file: File, changed: Texts) -> dict[str, Any]:
    """The plain values. Raises ConfigError with everything that is wrong, what the models say included."""
    read, wrong = _read(changed)
    try:
        file.changed(read)
    except ConfigError as error:
        wrong = {**_by_field(error.by_key, changed), **wrong}
    except BadInput as error:
        wrong = {error.problem.where: error.problem.said, **wrong}
    if wrong:
        raise ConfigError([f"{key}: {why}" for key, why in wrong.items()], wrong)
    return read


def _read(typed: Texts) -> tuple[dict[str, Any], dict[str, str]]:
    read, wrong = {}, {}
    for key, text in typed.items():
        try:
            read[key] = settable.understand(key, text)
        except BadInput as error:
            wrong[key] = error.problem.said
    return read, wrong


def _by_field(by_key: Mapping[str, str], typed: Texts) -> dict[str, str]:
    """The faults of the models, those of a part at the whole that is typed."""
    found = {}
    for where, why in by_key.items():
        key = next((key for key in typed if where == key or where.startswith(f"{key}.")), where)
        found[key] = f"It {why}." if why.startswith(("must", "is ")) else f"{why}."
    return found


def _write(
    home: Home, by: Account, file: File, text: str, wish: Wish, now: datetime, before: Texts, after: Texts
) -> None:
    written = False
    try:
        with home.db.transaction() as conn:
            told = {**{_said(key): value for key, value in after.items()}, **wish.told}
            was = {_said(key): value for key, value in before.items()}
            activity.record(conn, by, "changed", f"the settings: {wish.thing}", now=now, before=was, after=told)
            file.write(text)
            written = True
    except BaseException:
        if written:  # the record did not come to stay
            file.write(file.text)
        raise


def _said(key: str) -> str:
    return key.partition(".")[2].replace("_", " ")
