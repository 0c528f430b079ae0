from __future__ import annotations

import os
import stat
import threading
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest import config, settings_file
from digest.errors import BadInput, ConfigError, Refused
from digest.settings_file import File

WRITTEN = """\
# Of the task force. Ask Dana before you change the address.

[site]                      # who we are
url = 'http://127.0.0.1:8080'   # links begin with it
name = "News"

# Our invitations
[[site.calls_to_action]]
title = "Ask"               # of everybody
link = "/ask"
label = "Ask us"

[[site.calls_to_action]]
title = "Join"
link = "/join"
label = "Join us"

# How mail goes out
[transport]
kind = "maildir"            # into mail/
[transport.smtp]
host = "mail.example.org"   # ours

[pace]
per_domain = { "gmail.com" = 20.0 }
# The end
"""
COMMENTS = [line[line.index("#") :].strip() for line in WRITTEN.splitlines() if "#" in line and "{" not in line]


def file(text: str = WRITTEN) -> File:
    return File(Path("digest.toml"), text)


lines = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=30)
rows = st.lists(st.fixed_dictionaries({"title": lines, "text": lines, "link": lines, "label": lines}), max_size=4)
CHANGES: dict[str, st.SearchStrategy[Any]] = {
    "site.name": lines,
    "site.lead": lines,
    "site.languages": st.lists(st.sampled_from(["en", "es", "fr"]), min_size=1, max_size=3),
    "site.calls_to_action": rows,
    "transport.only_to": st.lists(lines, max_size=3),
    "transport.smtp.host": lines,
    "transport.smtp.port": st.integers(0, 65535),
    "transport.sendgrid.region": st.sampled_from(["global", "eu"]),
    "pace.per_second": st.floats(0, 1000, allow_nan=False),
    "pace.per_domain": st.dictionaries(lines, st.floats(0.1, 100), max_size=3),
    "pace.warm_up": st.just([[1, 200], [2, 500]]),
    "sign_up.role_addresses": st.booleans(),
    "staff.undo_minutes": st.integers(0, 60),
}
changes = st.fixed_dictionaries({}, optional=CHANGES)


@given(st.lists(changes, min_size=1, max_size=3), st.sampled_from([WRITTEN, "", "[site]\nname = 'x'\r\n"]))
@settings(max_examples=30, deadline=None)
def test_any_change_reads_back_as_it_was_meant_and_nothing_else_moves(steps: list[dict[str, Any]], text: str) -> None:
    wanted = tomllib.loads(text)
    for step in steps:
        text, _ = file(text).changed(step)
        for key, value in step.items():
            section = wanted
            *sections, name = key.split(".")
            for one in sections:
                section = section.setdefault(one, {})
            section[name] = value
        assert tomllib.loads(text) == wanted


def test_a_file_that_would_say_something_else_afterwards_is_left_alone() -> None:
    row = {"title": "One", "link": "/", "label": "One"}
    text, _ = file("site.name = 'x'\n").changed({"site.lead": "One"})
    with pytest.raises(Refused, match="by hand"):
        file(text).changed({"pace.hours": "8-20", "site.name": "", "site.calls_to_action": [row]})


@given(changes.filter(lambda one: len(one.get("site.calls_to_action", [1, 2])) > 1))
@settings(max_examples=20, deadline=None)
def test_every_comment_stays_and_so_does_the_order_of_the_sections(step: dict[str, Any]) -> None:
    text, _ = file().changed(step)
    places = [text.index(comment) for comment in COMMENTS]
    assert places == sorted(places)


def test_a_comment_before_the_next_section_outlives_the_last_of_a_list() -> None:
    for left in ([], [{"title": "One", "link": "/", "label": "One"}]):
        text, _ = file().changed({"site.calls_to_action": left})
        assert text.index("# How mail goes out") < text.index("[transport]")


def test_a_change_that_does_not_fit_is_told_by_its_key() -> None:
    with pytest.raises(ConfigError) as caught:
        file().changed({"site.time_zone": "Mars", "staff.undo_minutes": 61})
    assert set(caught.value.by_key) == {"site.time_zone", "staff.undo_minutes"}
    assert "'Mars' is no time zone" in caught.value.by_key["site.time_zone"]


def test_what_the_environment_sets_cannot_be_changed_in_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_SITE__NAME", "Outside")
    assert settings_file.is_outside("site.name")
    assert not settings_file.is_outside("site.url")
    with pytest.raises(BadInput, match="environment"):
        file().changed({"site.name": "Inside"})


def test_a_section_that_is_no_section_is_refused() -> None:
    with pytest.raises(Refused, match="by hand"):
        file("pace = 1\n").changed({"pace.per_second": 2.0})


def test_the_file_is_replaced_as_a_whole_and_keeps_its_mode(home_path: Path) -> None:
    target = home_path / config.FILE
    target.chmod(0o640)
    before = target.stat().st_ino
    with settings_file.held(home_path) as held:
        held.write(held.changed({"site.name": "Other"})[0])
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert target.stat().st_ino != before
    assert config.load(home_path).site.name == "Other"
    assert [one.name for one in home_path.iterdir() if one.name.endswith(".new")] == []


def test_a_link_to_the_file_goes_on_leading_to_it(home_path: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "etc.toml"
    (home_path / config.FILE).rename(elsewhere)
    (home_path / config.FILE).symlink_to(elsewhere)
    with settings_file.held(home_path) as held:
        held.write(held.changed({"site.name": "Other"})[0])
    assert (home_path / config.FILE).is_symlink()
    assert "Other" in elsewhere.read_text(encoding="utf-8")


def test_killed_before_the_new_file_takes_its_place_nothing_is_lost(
    home_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (home_path / config.FILE).read_bytes()

    def killed(*_: object) -> None:
        os._exit(9)

    monkeypatch.setattr(Path, "replace", killed)
    child = os.fork()
    if not child:
        with settings_file.held(home_path) as held:
            held.write(held.changed({"site.name": "Half"})[0])
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    monkeypatch.undo()
    assert (home_path / config.FILE).read_bytes() == before
    with settings_file.held(home_path) as held:  # neither the lock nor the half file is in the way
        held.write(held.changed({"site.name": "Whole"})[0])
    assert config.load(home_path).site.name == "Whole"


def test_of_two_who_write_the_second_sees_what_the_first_wrote(home_path: Path) -> None:
    def write(key: str) -> None:
        with settings_file.held(home_path) as held:
            held.write(held.changed({key: key})[0])

    with settings_file.held(home_path) as held:
        other = threading.Thread(target=write, args=("site.lead",))
        other.start()
        held.write(held.changed({"site.name": "First"})[0])
    other.join()
    found = config.load(home_path).site
    assert (found.name, found.lead) == ("First", "site.lead")


def test_a_folder_that_cannot_be_written_is_told(home_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with settings_file.held(home_path) as held, pytest.raises(Refused, match="No space left"):
        held.write("")
    monkeypatch.undo()
    assert config.load(home_path).site.name == "Path to Public Safety"
