"""Editions through the command line: sent, looked at, stopped, settled."""

from __future__ import annotations

import io
import json
import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from digest.config import PaceSection
from digest.db import Database
from digest.delivery.pace import Pace
from tests.digest.cli.conftest import Digest

SLUG = "fact-sheet-immigrants-and-crime"
FACTS = [
    "edition", "digest", "kind", "cadence", "number", "state", "reason", "planned", "accepted", "skipped", "failed",
    "unsure", "remaining",
]  # fmt: skip


@pytest.fixture
def sent(digest: Digest) -> Digest:
    """The digest's first edition is sent."""
    assert digest("send", "weekly", "--wait").code == 0
    return digest


def make_unsure(example: Path, age: str) -> None:
    """As a transport leaves it whose connection broke after the handing over."""
    with sqlite3.connect(example / "digest.db") as conn:
        conn.execute(f"UPDATE deliveries SET state = 5, updated_at = updated_at - {age} WHERE subscriber_id = 1")
        conn.execute("UPDATE batches SET accepted = accepted - 1, unsure = unsure + 1 WHERE n = 1")
    conn.close()


# --- sending ---------------------------------------------------------------------------------------------------


def test_what_is_sent_is_told_as_a_sum(digest: Digest, example: Path) -> None:
    told = digest("send", "weekly", "--yes", "--wait")
    assert told.out == "Edition 1 (Weekly digest) is sent: 6 planned = 6 accepted.\n"
    assert len(list((example / "mail" / "new").iterdir())) == 6


def test_an_edition_as_json_has_the_keys_that_others_rely_on(sent: Digest) -> None:
    shown = sent("editions", "show", 1, "--json").document
    assert list(shown)[: len(FACTS)] == FACTS
    assert [shown[key] for key in FACTS] == [1, "weekly", "digest", "weekly", 1, "sent", "", 6, 6, 0, 0, 0, 0]
    (listed,) = sent("editions", "list", "--json").document
    assert {key: listed[key] for key in FACTS} == {key: shown[key] for key in FACTS}


def test_without_waiting_the_next_pass_sends(digest: Digest) -> None:
    assert "is locked; the clock plans and sends it" in digest("send", "weekly").out
    assert digest("run").out.startswith("Next due: Mon, ")
    assert digest("editions", "show", 1, "--json").document["accepted"] == 6


def test_running_until_idle_tells_the_next_moment_as_json(digest: Digest) -> None:
    assert digest("run", "--until-idle", "--json").document["next"].endswith("Z")


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_nothing_new_is_refused(sent: Digest, more: tuple[str, ...]) -> None:
    told = sent("send", "weekly", *more)
    assert told.code == 1
    assert told.line == "Nothing is new for weekly and nothing is owed. Publish an item first."
    assert sent("send", "weekly", "--owed", *more).code == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("send", "nosuch"), 1, "There is no digest 'nosuch'. There is: weekly."),
        (("send", "weekly", "--cadence", "daily"), 1, "weekly has no daily edition; it has weekly."),
        (("editions", "show", "99"), 1, "There is no edition 99."),
        (("editions", "show", "abc"), 2, "it is no whole number"),
        (("editions", "show", "0"), 2, "it must be 1 or more"),
        (("editions", "show", "99999999999999999999"), 2, "or less"),
        (("editions", "settle", "1"), 2, "One of them must be said"),
        (("editions", "settle", "99", "--arrived"), 1, "There is no edition 99."),
        (("editions", "resume", "1", "--without", "--as-is"), 2, "Choose one of them."),
        (("editions", "cancel", "99"), 1, "There is no edition 99."),
        (("run", "--at", "noon"), 2, "'noon' is no moment."),
    ],
)
def test_wrong_commands_are_refused_in_one_line(
    digest: Digest, arguments: tuple[str, ...], code: int, words: str
) -> None:
    for more in ((), ("--json",)):
        told = digest(*arguments, *more)
        assert told.code == code
        assert words in told.line


class Terminal(io.StringIO):
    """Somebody at a keyboard."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("typed", "code"), [("n\n", 1), ("y\n", 0), ("", 1)])
def test_in_a_terminal_sending_is_asked_for(
    digest: Digest, monkeypatch: pytest.MonkeyPatch, typed: str, code: int
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    told = digest("send", "weekly", "--wait")
    assert told.code == code
    assert told.out.startswith("Send weekly now, to everyone it is for?")
    assert len(digest("editions", "list", "--json").document) == int(code == 0)


def test_without_a_postal_address_nothing_is_sent(digest: Digest, example: Path) -> None:
    (example / "digest.toml").write_text('[site]\nname = "News"\n', encoding="utf-8")
    told = digest("send", "weekly", "--json")
    assert told.code == 1
    assert told.line.startswith("[site] address is empty")


# --- before and while it goes out ------------------------------------------------------------------------------


@pytest.fixture
def proposed(digest: Digest) -> Digest:
    """An edition waits for approval."""
    digest("publications", "set", "weekly", "needs_approval=yes")
    assert "waits for approval." in digest("send", "weekly", "--wait").out
    return digest


def test_an_approved_edition_goes_out(proposed: Digest) -> None:
    assert proposed("editions", "show", 1, "--json").document["state"] == "review"
    assert proposed("editions", "approve", 1).out.startswith("Approved. Edition 1 (Weekly digest) is locked;")
    proposed("run")
    assert proposed("editions", "show", 1, "--json").document["state"] == "sent"
    assert proposed("editions", "approve", 1).line.startswith("Edition 1 is sent;")


def test_a_change_after_the_proposal_takes_the_approval_back(proposed: Digest) -> None:
    proposed("items", "revise", SLUG, "title=Another title")
    told = proposed("editions", "approve", 1)
    assert told.code == 1
    assert "changed after it was proposed, so it was not approved." in told.line
    assert proposed("editions", "approve", 1, "--json").document["state"] == "frozen"


@pytest.fixture
def pair(digest: Digest, monkeypatch: pytest.MonkeyPatch) -> Digest:
    """Two who work here, and the rule that a second person approves."""
    for name, role in (("Tom Okafor", "editor"), ("Dana Ruiz", "owner"), ("Ada Quist", "author")):
        digest("staff", "add", f"{name.split()[0].lower()}@example.org", "--name", name, "--role", role)
    monkeypatch.setenv("DIGEST_STAFF__SECOND_APPROVAL", "true")
    return digest


def test_a_send_on_the_command_line_waits_for_a_second_person_too(pair: Digest) -> None:
    assert "say who sends it: --by ADDRESS" in pair("send", "weekly", "--wait").line
    assert "Ada Quist is author here" in pair("send", "weekly", "--by", "ada@example.org").line
    assert "is not one of the staff" in pair("send", "weekly", "--by", "nobody@example.org").line
    assert "Sent by Tom Okafor; a second person approves it." in pair("send", "weekly", "--by", "Tom Okafor").out
    for by, said in (
        ([], "say who does: --by"),
        (["tom@example.org"], "cannot be"),
        (["ada@example.org"], "author here"),
    ):
        assert said in pair("editions", "approve", 1, *(["--by", *by] if by else [])).line
    assert pair("editions", "approve", 1, "--by", "dana@example.org").out.startswith("Approved. Edition 1")
    shown = pair("editions", "show", 1, "--json").document
    assert (shown["state"], shown["sent_by"], shown["approved_by"]) == ("frozen", "Tom Okafor", "Dana Ruiz")


def test_a_letter_on_the_command_line_waits_for_a_second_person_too(pair: Digest, tmp_path: Path) -> None:
    file = tmp_path / "letter.md"
    file.write_text("---\nsubject: Come\n---\nDear reader, come at nine.\n", encoding="utf-8")
    send = ("letter", file, "--digest", "weekly")
    assert "say who sends it: --by ADDRESS" in pair(*send).line
    assert "waits for approval. Sent by Tom Okafor" in pair(*send, "--by", "tom@example.org", "--wait").out
    assert "Approved." in pair("editions", "approve", 1, "--by", "Dana Ruiz").out


def test_an_edition_not_begun_can_be_undone(digest: Digest) -> None:
    digest("send", "weekly")
    assert digest("editions", "undo", 1).out.startswith("Edition 1 is a draft again.")
    assert digest("send", "weekly", "--wait", "--json").document["edition"] == 1
    assert digest("editions", "undo", 1).line.startswith("Edition 1 is sent and can no longer be undone.")


def test_a_letter_not_begun_is_undone_and_sent_again(digest: Digest, example: Path) -> None:
    (example / "letter.md").write_text("---\nsubject: An hour on hiring\n---\nCome at nine.\n")
    send = ("letter", example / "letter.md", "--digest", "weekly", "--yes")
    digest(*send)
    assert digest("editions", "undo", 1).out.startswith("Letter 1 was stopped before anybody had it.")
    assert digest(*send, "--received-item", "nosuch").line.startswith("There is no item")
    assert digest(*send, "--wait", "--json").document["accepted"] == 6


def test_a_paused_edition_says_how_it_goes_on(digest: Digest) -> None:
    digest("send", "weekly")
    told = digest("editions", "pause", 1, "--why", "A doubt.").out
    assert told == "Edition 1 (Weekly digest) is paused. A doubt. `digest editions resume 1` goes on.\n"
    digest("run")
    assert digest("editions", "show", 1, "--json").document["state"] == "paused"
    assert digest("editions", "resume", 1, "--json").document["state"] == "frozen"
    assert digest("editions", "resume", 1).line == "Edition 1 is frozen, not paused."


def test_a_mail_server_that_took_nobody_is_asked_again_on_request(digest: Digest, example: Path) -> None:
    db = Database(f"sqlite:///{example}/digest.db")
    pace = Pace(PaceSection(), zone="UTC", carrier="maildir")
    db.run(lambda conn: pace.failed(conn, "421 4.3.2 Closed for today", datetime.now(UTC), wait=300))
    db.close()
    digest("send", "weekly")
    ran = digest("run").out
    told = digest("editions", "show", 1).out
    assert ran.startswith(told[: told.index("\nStarted")])
    assert "6 planned = 0 accepted + 6 still to go." in told
    assert "The mail server takes nothing just now: 421 4.3.2 Closed for today\n" in told
    assert "`digest editions resume 1` asks it again at once.\n" in told
    assert digest("editions", "resume", 1).out.startswith("The mail server is asked again at once. Edition 1 ")
    digest("run")
    assert digest("editions", "show", 1, "--json").document["accepted"] == 6
    assert digest("editions", "resume", 1).line == "Edition 1 is sent, not paused."


def test_a_withdrawal_asks_what_to_do(digest: Digest) -> None:
    digest("send", "weekly")
    told = digest("items", "withdraw", SLUG, "--why", "A figure was wrong.")
    assert "Edition 1 holds it and has stopped." in told.out
    assert "Say what to do: `digest editions resume 1 --without`" in digest("editions", "list").out + told.out
    assert "was withdrawn. Say what to do" in digest("editions", "resume", 1).line
    assert digest("editions", "resume", 1, "--without").code == 0
    assert SLUG not in digest("editions", "show", 1).out


def test_of_many_who_were_not_reached_some_are_named_and_all_on_request(
    digest: Digest, example: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (example / "people.csv").write_text("email\n" + "".join(f"reader{n}@example.org\n" for n in range(25)))
    assert digest("people", "import", example / "people.csv", "--consent", "a form").code == 0
    (example / "letter.md").write_text("---\nsubject: An hour on hiring\n---\nCome at nine.\n")
    monkeypatch.setenv("DIGEST_TRANSPORT__ONLY_TO", '["reader1@example.org"]')
    digest("letter", example / "letter.md", "--digest", "weekly", "--yes", "--wait")
    shown = digest("editions", "show", 1).out
    assert shown.count(" only_to") == 20
    assert shown.endswith("10 more are skipped (only_to). `digest editions show 1 --all` names everyone.\n")
    assert digest("editions", "show", 1, "--all").out.count(" only_to") == 30


def test_after_a_jump_of_the_clock_no_letter_goes(digest: Digest, example: Path) -> None:
    (example / "letter.md").write_text("---\nsubject: An hour on hiring\n---\nCome at nine.\n")
    assert digest("run").code == 0, "from now on the clock is known"
    with sqlite3.connect(example / "digest.db") as conn:
        conn.execute("UPDATE clock_watch SET wall = wall - 400 * 86400 * 1000000")
    conn.close()
    refused = digest("letter", example / "letter.md", "--digest", "weekly", "--yes")
    assert refused.code == 1
    assert refused.err.endswith("say so with `digest run --accept-clock`.\n")
    assert digest("editions", "list", "--json").document == []


def test_a_canceled_edition_keeps_its_items(digest: Digest) -> None:
    digest("send", "weekly")
    assert digest("editions", "cancel", 1, "--yes", "--json").document["state"] in ("cancelled", "skipped")
    assert "nothing left to cancel" in digest("editions", "cancel", 1, "--yes").line
    assert digest("send", "weekly", "--wait", "--json").document["accepted"] == 6


# --- unsure ----------------------------------------------------------------------------------------------------


def test_settling_where_nothing_is_unsure_says_so(sent: Digest) -> None:
    assert sent("editions", "settle", 1, "--arrived").out == "Nothing of edition 1 is unsure, so nothing was settled.\n"


def test_settling_for_a_stranger_is_refused(sent: Digest) -> None:
    told = sent("editions", "settle", 1, "--owed", "nobody@example.org")
    assert told.code == 1
    assert told.line.endswith("so nothing was settled. `digest editions show 1` shows who is unsure.")


def test_what_is_unsure_can_be_owed(sent: Digest, example: Path) -> None:
    make_unsure(example, "3600000000")
    assert "maria.alvarez@example.org  unsure" in sent("editions", "show", 1).out
    told = sent("editions", "settle", 1, "--owed", "maria.alvarez@example.org")
    assert told.out.startswith("1 settled. ") or told.out.startswith("1 settled.\n")
    assert sent("send", "weekly", "--owed", "--wait", "--json").document["accepted"] == 1


def test_what_became_unsure_just_now_must_wait(sent: Digest, example: Path) -> None:
    make_unsure(example, "0")
    settled = sent("editions", "settle", 1, "--arrived", "--json").document
    assert settled == {"edition": 1, "settled": 0, "too_early": 1}
    assert sent("editions", "settle", 1, "--arrived").out.startswith("1 became unsure less than 15 minutes ago")


# --- measuring -------------------------------------------------------------------------------------------------


def test_a_measurement_has_the_keys_that_others_rely_on(main: Digest) -> None:
    told = main("bench", "plan", "--n", 20, "--json")
    measured = json.loads(told.out)
    keys = {"n", "wall_s", "rate", "cpu_us", "peak_mb"}
    assert measured["n"] == 20
    assert keys | {"beside"} <= measured.keys()
    assert all(keys - {"peak_mb"} <= peer.keys() for peer in measured["beside"].values())
    assert main("bench", "plan", "--n", 0).code == 2
