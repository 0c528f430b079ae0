"""People and the do-not-mail list through the command line."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.digest.cli.conftest import Digest

ANN, BEN = "ann@example.org", "ben@example.org"
ROWS = """email,name,hour,favourite
bad,Bad,7,blue
good@example.org,Good,25,red
ok@example.org,Ok,7,green
OK@example.org,Ok,7,green
"""


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    """A file with one good row, three bad ones, and a column that nobody knows."""
    path = tmp_path / "people.csv"
    path.write_text(ROWS, encoding="utf-8")
    return path


# --- one person ------------------------------------------------------------------------------------------------


def test_a_person_is_added_once(digest: Digest) -> None:
    assert digest("people", "add", ANN, "--hour", 8).out == f"{ANN} is added.\n"
    assert digest("people", "add", ANN, "--hour", 8).out == f"{ANN} was here already; nothing was changed.\n"
    assert digest("people", "add", ANN.upper(), "--hour", 9).out.endswith("what they chose is changed.\n")
    assert digest("people", "add", ANN, "--json").document == {"email": ANN, "what": "unchanged", "welcome": False}


def test_a_person_as_json_has_the_keys_that_others_rely_on(digest: Digest) -> None:
    digest("people", "add", ANN, "--topics", "hiring=weekly;*=off", "--zone", "Europe/Berlin", "--consent", "On paper")
    digest("send", "weekly", "--wait")
    shown = digest("people", "show", ANN, "--json").document
    assert (shown["email"], shown["state"]) == (ANN, "active")
    (subscription,) = shown["subscriptions"]
    assert {key: subscription[key] for key in ("digest", "preferences", "hour", "zone", "state")} == {
        "digest": "weekly",
        "preferences": {"hiring": "weekly", "*": "off"},
        "hour": 7,
        "zone": "Europe/Berlin",
        "state": "active",
    }
    assert [(one["edition"], one["state"]) for one in shown["deliveries"]] == [(1, "skipped")]
    maria = digest("people", "show", "maria.alvarez@example.org", "--json").document
    assert [(one["edition"], one["state"]) for one in maria["deliveries"]] == [(1, "accepted")]


def test_a_person_is_shown_with_the_proof_that_they_asked(digest: Digest) -> None:
    digest("people", "add", ANN, "--name", "Ann", "--consent", "On paper, in May")
    told = digest("people", "show", ANN).out
    assert told.startswith(f"{ANN} Ann\nState: active\nweekly: active; everything: weekly; at 7:00 in ")
    assert "No edition was sent to them yet." in told
    assert "On paper, in May" in told


def test_a_topic_that_is_not_there_yet_is_noted(digest: Digest) -> None:
    told = digest("people", "add", ANN, "--topics", "hirring=weekly;*=off")
    assert told.code == 0
    assert "There is no topic hirring yet" in told.out
    assert "no topic" not in digest("people", "set", ANN, "--topics", "hiring=weekly;*=off").out


def test_choices_are_changed(digest: Digest) -> None:
    digest("people", "add", ANN)
    assert digest("people", "set", ANN, "--hour", 8).out == f"{ANN} is changed.\n"
    assert digest("people", "set", ANN, "--hour", 8).out == f"{ANN} is as it was; there was nothing to change.\n"
    assert digest("people", "set", ANN, "--pause-until", "2099-01-01", "--json").document["changed"]
    assert "paused until 2099-01-01" in digest("people", "show", ANN).out
    assert digest("people", "set", ANN, "--wake").code == 0
    assert digest("people", "set", ANN, "--leave").code == 0
    assert digest("people", "set", ANN, "--leave").out.endswith("nothing to change.\n")
    assert digest("people", "set", ANN, "--pause-until", "always").code == 1


def test_a_pause_ends_with_what_came_meanwhile_or_afresh(digest: Digest, tmp_path: Path) -> None:
    for address in (ANN, BEN):
        digest("people", "add", address)
        digest("people", "set", address, "--pause-until", "always")
    (tmp_path / "news.md").write_text("---\ntitle: News\nkind: profile\ndate: 2026-08-01\n---\nA text.\n")
    assert digest("import", tmp_path / "news.md").code == 0
    assert digest("people", "set", ANN, "--wake").code == 0
    assert digest("people", "set", BEN, "--wake", "--afresh").code == 0
    assert "News (news)" in digest("people", "show", ANN).out
    assert "Nothing waits for them from weekly." in digest("people", "show", BEN).out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("add", "nobody"), 2, "must have an @-sign"),
        (("add", ANN, "--hour", "25"), 2, "25 is no hour of the day."),
        (("add", ANN, "--hour", "x"), 2, "it is no whole number"),
        (("add", ANN, "--zone", "Mars/Phobos"), 2, "'Mars/Phobos' is no time zone."),
        (("add", ANN, "--topics", "hiring"), 2, "Write each choice as topic=weekly."),
        (("add", ANN, "--topics", "hiring=hourly"), 2, "'hourly' is not offered."),
        (("add", ANN, "--language", "xx-yy"), 2, "'xx-yy' is no language."),
        (("add", ANN, "--digest", "nosuch"), 1, "There is no digest 'nosuch'."),
        (("add",), 2, "The argument 'ADDRESS' is missing."),
        (("set", "nobody@example.org", "--wake"), 1, "Nobody is here with the address"),
        (("set", "asha.rai@example.org", "--pause-until", "soon"), 2, "'soon' is no day."),
        (("set", "asha.rai@example.org", "--pause-until", "2020-01-01"), 2, "2020-01-01 is over."),
        (("set", "asha.rai@example.org", "--wake", "--leave"), 2, "Choose one of them."),
        (("set", "asha.rai@example.org", "--afresh"), 2, "Write it together with --wake."),
        (("show", "nobody@example.org"), 1, "Nobody is here with the address"),
        (("show", "nobody"), 2, "must have an @-sign"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    digest: Digest, arguments: tuple[str, ...], code: int, words: str
) -> None:
    told = digest("people", *arguments, "--json")
    assert told.code == code
    assert words in told.line
    assert ANN not in digest("people", "export").out


# --- the do-not-mail list --------------------------------------------------------------------------------------


def test_an_address_is_put_on_the_list_and_taken_off(digest: Digest) -> None:
    assert digest("suppress", ANN).out == f"{ANN} is on the do-not-mail list.\n"
    assert digest("suppress", ANN).out == f"{ANN} was on the do-not-mail list already.\n"
    assert "was not added" in digest("people", "add", ANN).out
    assert "Add --by NAME." in digest("suppress", ANN, "--lift").line
    assert digest("suppress", ANN, "--lift", "--by", "Ann").out == f"{ANN} is off the do-not-mail list.\n"
    lifted = digest("suppress", ANN, "--lift", "--by", "Ann", "--json").document
    assert lifted == {"email": ANN, "listed": False, "changed": False}
    assert digest("suppress", "nobody").code == 2


def test_who_is_on_the_list_is_shown_so(digest: Digest) -> None:
    digest("suppress", "asha.rai@example.org")
    assert (
        "State: suppressed (on the do-not-mail list: by-staff)" in digest("people", "show", "asha.rai@example.org").out
    )


# --- many ------------------------------------------------------------------------------------------------------


def test_bad_rows_are_named_and_the_good_ones_come_in(digest: Digest, sheet: Path) -> None:
    told = digest("people", "import", sheet, "--consent", "Asked at the conference")
    assert told.code == 0
    assert told.out == "1 created, 0 changed, 0 unchanged, 0 on the do-not-mail list, 3 refused.\n"
    lines = [line.strip() for line in told.err.splitlines()]
    assert lines[0].endswith("the column 'favourite' is not known and was left out.")
    assert [line.partition(":")[0] for line in lines[1:]] == ["line 2, email", "line 3, hour", "line 5, email"]
    assert digest("people", "show", "ok@example.org").code == 0


def test_an_import_of_people_as_json_is_one_document(digest: Digest, sheet: Path) -> None:
    report = digest("people", "import", sheet, "--consent", "Asked", "--json").document
    assert (report["created"], report["refused"], len(report["problems"]), len(report["warnings"])) == (1, 3, 3, 1)


def test_a_rehearsed_import_keeps_nothing(digest: Digest, sheet: Path) -> None:
    assert digest("people", "import", sheet, "--consent", "Asked", "--dry-run").out.startswith("Would be: 1 created, ")
    assert digest("people", "show", "ok@example.org").code == 1


def test_a_file_of_people_must_be_one(digest: Digest, sheet: Path, tmp_path: Path) -> None:
    assert digest("people", "import", sheet).line.startswith("The option '--consent' is missing.")
    assert "It is empty." in digest("people", "import", sheet, "--consent", " ").line
    assert digest("people", "import", sheet, "--consent", "Asked", "--digest", "nosuch").code == 1
    for wrong in (tmp_path, tmp_path / "none.csv", Path(__file__)):
        assert digest("people", "import", wrong, "--consent", "Asked").line.startswith(f"{wrong}")


def test_everyone_goes_out_and_comes_in_again(digest: Digest, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    assert digest("people", "export", "--out", path).out == f"6 rows written to {path}.\n"
    printed = list(csv.reader(digest("people", "export").out.splitlines()))
    assert printed == list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    assert digest("people", "import", path, "--consent", "Asked", "--json").document["unchanged"] == 6
    told = digest("people", "export", "--out", tmp_path / "no" / "out.csv")
    assert told.code == 1
    assert "does not exist" in told.line


def test_who_is_added_to_a_digest_that_welcomes_gets_the_latest_edition(main: Digest, example: Path) -> None:
    assert main("--home", example, "publications", "set", "weekly", "welcome=last").code == 0
    assert main("--home", example, "send", "weekly").code == 0
    assert main("--home", example, "run", "--until-idle").code == 0
    told = main("--home", example, "people", "add", "zoe@example.org")
    assert told.out == "zoe@example.org is added.\nThe latest edition goes to them as a welcome.\n"
    assert main("--home", example, "people", "add", "zoe@example.org", "--json").document["welcome"] is False
    before = {*(example / "mail" / "new").iterdir()}
    assert main("--home", example, "run", "--until-idle").code == 0
    (mail,) = {*(example / "mail" / "new").iterdir()} - before
    assert b"Subject: Welcome to" in mail.read_bytes()


def test_the_evidence_of_everyone_goes_out_as_csv(digest: Digest, tmp_path: Path) -> None:
    digest("people", "add", ANN, "--consent", "=Asked on paper")
    assert digest("people", "export", "--evidence", "--out", tmp_path / "proof.csv").out.startswith("7 rows written")
    *_, row = csv.DictReader((tmp_path / "proof.csv").read_text(encoding="utf-8").splitlines())
    assert (row["email"], row["what"], row["text"], row["source"]) == (ANN, "added", "'=Asked on paper", "command line")


def test_the_do_not_mail_list_goes_out_and_comes_in(digest: Digest, tmp_path: Path) -> None:
    digest("suppress", ANN)
    assert digest("do-not-mail", "export", "--out", tmp_path / "list.csv").out.startswith("1 row written")
    assert ANN not in (tmp_path / "list.csv").read_text(encoding="utf-8")
    digest("suppress", ANN, "--lift", "--by", "Dana")
    assert digest("do-not-mail", "import", tmp_path / "list.csv").out == "1 added to the list.\n"
    assert digest("people", "add", ANN, "--json").document["what"] == "suppressed"
    (tmp_path / "theirs.csv").write_text("Email;Reason\nbob@example.org;complaint\nnobody;\nx@example.org;dislike\n")
    told = digest("do-not-mail", "import", tmp_path / "theirs.csv")
    assert told.out == "1 added to the list.\n"
    assert told.err.count("line 3, email") == told.err.count("line 4, reason") == 1


def test_a_person_is_erased_for_good(digest: Digest) -> None:
    digest("people", "add", ANN)
    assert digest("people", "erase", ANN, "--yes").out == f"{ANN} is erased.\n"
    assert digest("people", "show", ANN).code == 1
    assert digest("people", "add", ANN, "--json").document["what"] == "suppressed"


def test_new_keys_are_made_and_the_old_ones_kept(digest: Digest) -> None:
    assert digest("keys", "rotate", "--yes").out.startswith("Key 2 signs from now on")
    assert digest("keys", "rotate", "--json").document == {"key": 3}
