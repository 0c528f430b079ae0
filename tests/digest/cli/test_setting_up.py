"""A home is made, found, and told from a broken one; and what the command line says when something is wrong."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from digest import cli, db
from digest.cli import faults, setting_up
from tests.digest.cli.conftest import Digest


@pytest.fixture
def at(tmp_path: Path) -> Path:
    """Where a home may be made."""
    return tmp_path / "home"


def edit(home: Path, old: str, new: str) -> None:
    path = home / "digest.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


# --- making a home ---------------------------------------------------------------------------------------------


def test_a_home_is_made_once(main: Digest, at: Path) -> None:
    told = main("--home", at, "setup", "--url", "https://news.example.org/")
    assert told.code == 0
    assert told.out.startswith(f"Made the home {at}.\nBefore mail can be sent:\n  [site] address is empty")
    assert 'url = "https://news.example.org/"' in (at / "digest.toml").read_text(encoding="utf-8")
    assert main("--home", at, "setup", "--url", "https://news.example.org").out.startswith(
        f"Found the home {at}.\nBefore"
    )
    assert main("--home", at, "publications", "list", "--json").document[0]["slug"] == "weekly"


def test_another_address_for_a_home_that_exists_is_not_swallowed(main: Digest, example: Path) -> None:
    told = main("--home", example, "setup", "--url", "https://other.example.org")
    assert "The site's address stays http://127.0.0.1:8080. Change it in" in told.out


def test_the_example_is_loaded_once(main: Digest, at: Path) -> None:
    assert "Example items: 10 new" in main("--home", at, "setup", "--example").out
    assert "The example is loaded already: 6 people, 10 items." in main("--home", at, "setup", "--example").out


def test_a_home_as_json_is_one_document(main: Digest, at: Path) -> None:
    document = main("--home", at, "setup", "--example", "--json").document
    assert document.pop("link").startswith("http://127.0.0.1:8080/staff/in/")
    assert document == {"home": str(at), "made": True, "url": "http://127.0.0.1:8080", "before_sending": []}


def test_settings_that_were_there_first_are_kept(main: Digest, at: Path) -> None:
    at.mkdir()
    (at / "digest.toml").write_text('[site]\nname = "Mine"\n', encoding="utf-8")
    assert main("--home", at, "setup").out.startswith("Made the home")
    assert main("--home", at, "publications", "show", "weekly", "--json").document["from_name"] == "Mine"


def test_the_environment_names_the_home_and_else_it_is_var(
    main: Digest, example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main("items", "list").line.startswith(f"There is no {tmp_path}/var/digest.toml.")
    monkeypatch.setenv("DIGEST_HOME", str(example))
    assert main("items", "list").code == 0


@pytest.mark.parametrize("url", ["nonsense", "ftp://example.org", 'http://x/"y', "http://x/\\y", "http://x/\ny"])
def test_an_address_that_cannot_be_makes_nothing(main: Digest, at: Path, url: str) -> None:
    told = main("--home", at, "setup", "--url", url)
    assert told.code == 2
    assert told.line.startswith("--url: ")
    assert not at.exists()


# --- a home that is not whole ----------------------------------------------------------------------------------


def no_keys(home: Path) -> None:
    shutil.rmtree(home / "keys")


def no_database(home: Path) -> None:
    (home / "digest.db").unlink()


def broken_database(home: Path) -> None:
    (home / "digest.db").write_bytes(b"no database" * 999)


def newer_database(home: Path) -> None:
    with sqlite3.connect(home / "digest.db") as conn:
        conn.execute("UPDATE alembic_version SET version_num = '9999'")
    conn.close()


def broken_settings(home: Path) -> None:
    (home / "digest.toml").write_text("[site", encoding="utf-8")


def wrong_transport(home: Path) -> None:
    edit(home, 'kind = "maildir"', 'kind = "pigeon"')


def no_server(home: Path) -> None:
    with (home / "digest.toml").open("a", encoding="utf-8") as file:
        file.write('\n[database]\nurl = "postgresql://nobody@127.0.0.1:1/none"\n')


def no_url(home: Path) -> None:
    with (home / "digest.toml").open("a", encoding="utf-8") as file:
        file.write('\n[database]\nurl = "nonsense"\n')


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (shutil.rmtree, "Make the home first with"),
        (no_keys, "Restore them from the backup"),
        (no_database, "is empty or gone. Put back the last good copy"),
        (broken_database, "The database cannot be used: the file is no database"),
        (newer_database, "Start the newer version"),
        (broken_settings, "digest.toml: "),
        (wrong_transport, 'There is no transport "pigeon".'),
        (no_server, "The database does not answer: "),
        (no_url, "[database] url is no address of a database."),
    ],
)
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_home_that_is_not_whole_is_told_in_one_line(
    digest: Digest, example: Path, spoil: Any, words: str, more: tuple[str, ...]
) -> None:
    spoil(example)
    told = digest("run", *more)
    assert told.code == 1
    assert words in told.line


def test_all_faults_of_the_settings_are_told_at_once(digest: Digest, example: Path) -> None:
    edit(example, 'time_zone = "America/New_York"', 'time_zone = "Mars"\ncolor = "red"')
    told = digest("items", "list")
    assert (told.code, told.out) == (1, "")
    assert [line.partition(": ")[2] for line in told.err.splitlines()] == [
        "site.time_zone: 'Mars' is no time zone; write one such as America/New_York",
        "site.color: is no setting; docs/reference/settings.md lists those there are",
    ]


def test_lost_keys_are_never_replaced(digest: Digest, example: Path) -> None:
    no_keys(example)
    assert "Restore them from the backup" in digest("setup").line
    assert not (example / "keys").exists()


@pytest.mark.parametrize("command", ["setup", "up"])
def test_a_place_that_cannot_be_a_home_is_told(main: Digest, tmp_path: Path, command: str) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/none")):
        told = main("--home", place, command, *(["--once"] if command == "up" else []))
        assert told.code == 1
        assert told.err.startswith(f"{place}")
        assert told.err.count("\n") == 1


@pytest.fixture
def held(example: Path) -> Iterator[None]:
    """Another process writes to the database."""
    descriptor = os.open(example / "digest.db.turnstile", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield
    os.close(descriptor)


def test_a_database_held_by_another_is_told(digest: Digest, held: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "WAIT_SECONDS", 0.1)
    told = digest("people", "add", "ann@example.org")
    assert told.code == 1
    assert told.line.endswith("Nothing was changed; try again.")
    assert digest("items", "list").code == 0  # who only reads does not wait


# --- up --------------------------------------------------------------------------------------------------------


def test_up_makes_sends_and_says_where_to_look(main: Digest, at: Path) -> None:
    told = main("--home", at, "up", "--once", "--port", 18431)
    assert told.code == 0
    assert "Edition 1 (Weekly digest) is sent: 6 planned = 6 accepted." in told.out
    assert "/editions/1\n" in told.out
    assert b"Subject:" in (at / "example.eml").read_bytes()
    again = main("--home", at, "up", "--once", "--port", 18431)
    assert f"Using the home {at}.\nThe example is loaded already: 6 people, 10 items.\nNothing is new" in again.out
    assert len(list((at / "mail" / "new").iterdir())) == 6


def test_up_never_mails_the_example_to_somebodys_own_readers(digest: Digest, example: Path) -> None:
    edit(example, 'name = "Path to Public Safety"', 'name = "Mine"')
    told = digest("up", "--once", "--port", 18432)
    assert "It is not the example's, so the example was not loaded and nothing was sent by this command." in told.out
    assert digest("editions", "list", "--json").document == []


# --- use and faults --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("nosuch",), "There is no command 'nosuch'. `digest --help` shows how it is used."),
        (("items", "nosuch"), "There is no command 'nosuch'. `digest items --help` shows how it is used."),
        (("items", "list", "--al"), "There is no option --al. `digest items list --help` shows how it is used."),
        (("run", "now"), "There is one word too many: now. `digest run --help` shows how it is used."),
    ],
)
def test_wrong_use_is_told_in_one_line(main: Digest, arguments: tuple[str, ...], line: str) -> None:
    told = main(*arguments)
    assert (told.code, told.line) == (2, line)


def test_a_group_alone_shows_its_help(main: Digest) -> None:
    told = main("items")
    assert told.code == 2
    assert "withdraw" in told.out + told.err


def test_what_nobody_foresaw_stays_a_traceback() -> None:
    assert faults.told(KeyError("x")) is None
    assert faults.told(PermissionError(13, "Permission denied", "/etc/x")) == faults.Told(
        ["/etc/x may not be read or written by this account. Change its rights, or name another place."], 1
    )
    assert "The disk is full." in faults.told(OSError(28, "No space left")).lines[0]  # type: ignore[union-attr]


def commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield name, command
    for word, inner in getattr(command, "commands", {}).items():
        yield from commands(f"{name} {word}", inner)


def test_every_command_and_option_is_explained_in_plain_words() -> None:
    never = re.compile(
        r"\b(campaign|blast|audience|segment|cadence|suppress\w*|transport|queue|payload|token|dry run|preflight|opt-in"
        r"|engagement|series|frozen|freez\w*|compil\w*)\b",
        re.IGNORECASE,
    )
    for name, command in commands("digest", typer.main.get_command(cli.app)):
        texts = [command.help, *(getattr(one, "help", None) for one in command.params if not getattr(one, "hidden", 0))]
        for text in texts:
            assert text, f"{name} has something without help"
            assert not never.search(text), f"{name}: {text}"


def test_the_example_lies_where_the_command_looks_for_it() -> None:
    assert (setting_up.EXAMPLES / "people.csv").exists()
