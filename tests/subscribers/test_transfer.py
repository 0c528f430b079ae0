from __future__ import annotations

import csv
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digest.db import Database
from digest.errors import BadInput, NotFound
from subscribers import consent, imports, members, sheets, suppression, transfer
from subscribers.newcomers import Newcomer
from subscribers.sheets import COLUMNS, Row
from subscribers.tables import consent_events, import_problems, preference_sets, slots, subscribers, subscriptions
from subscribers.transfer import Report
from tests.conftest import NOW
from tests.subscribers import world
from tests.subscribers.world import KEYS


def _file(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "people.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def _import(db: Database, path: Path, *, dry_run: bool = False, name: str = "") -> Report:
    rows, text = transfer.read(path), "asked on paper"
    return transfer.import_people(db, KEYS, rows, digest="weekly", consent=text, now=NOW, dry_run=dry_run, name=name)


def _counts(report: Report) -> tuple[int, int, int, int, int]:
    return report.created, report.changed, report.unchanged, report.refused, report.suppressed


@pytest.fixture(autouse=True)
def weekly(request: pytest.FixtureRequest) -> None:
    """Every database here has two digests."""
    for name in ("db", "either_db"):
        if name in request.fixturenames:
            with request.getfixturevalue(name).transaction() as conn:
                world.digest(conn)
                world.digest(conn, "law", ["monthly"])
            return


# --- reading ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_commas_semicolons_and_tabs_are_told_apart(tmp_path: Path, delimiter: str, mark: bytes) -> None:
    text = f'Email,Name,cadence\r\nann@example.org,"Lee{delimiter} Ann",weekly\r\n\r\nbob@example.org,,\r\n'
    rows = list(transfer.read(_file(tmp_path, mark + text.replace(",", delimiter).encode())))
    assert [(row.line, dict(row.cells)) for row in rows] == [
        (2, {"email": "ann@example.org", "name": f"Lee{delimiter} Ann", "cadence": "weekly"}),
        (4, {"email": "bob@example.org"}),
    ]


def test_a_row_is_named_by_the_line_where_it_begins(tmp_path: Path) -> None:
    text = 'email,name\nann@example.org,"Ann\nLee"\nbob@example.org,Bob\n'
    assert [row.line for row in transfer.read(_file(tmp_path, text))] == [2, 4]


def test_columns_that_are_not_known_are_left_out_with_a_warning(tmp_path: Path) -> None:
    reading = transfer.read(_file(tmp_path, "email,shoe size\nann@example.org,44\n"))
    assert [dict(row.cells) for row in reading] == [{"email": "ann@example.org"}]
    assert len(reading.warnings) == 1
    assert "shoe size" in reading.warnings[0]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"email\nann\0@example.org\n", "zero bytes"),
        (b"email\0\nann@example.org\n", "zero bytes"),
        (b"", "no column email"),
        (b"ann@example.org,Ann\nbob@example.org,Bob\n", "no column email"),
        (b"email,name,email\n", "twice"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(tmp_path: Path, text: bytes, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        transfer.read(_file(tmp_path, text))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encodings_are_told_apart(tmp_path: Path, encoding: str, delimiter: str) -> None:
    text = "email,name\nann@example.org,André Muñoz\n".replace(",", delimiter)
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    reading = transfer.read(_file(tmp_path, (mark + text).encode(encoding)))
    assert [dict(row.cells) for row in reading] == [{"email": "ann@example.org", "name": "André Muñoz"}]
    assert bool(reading.warnings) == (encoding == "latin-1")


MAILCHIMP = """\
"Email Address","First Name","Last Name",MEMBER_RATING,OPTIN_TIME,CONFIRM_TIME,UNSUB_TIME,CLEAN_TIME,LEID,EUID,TAGS
ann@example.org,Ann,Lee,2,"2016-04-18 13:50:00","2016-04-18 13:51:14",,,1,a,
bob@example.org,,,2,,"2016-04-18 13:51:14","2020-01-01 00:00:00",,2,b,
cy@example.org,,,2,,"2016-04-18 13:51:14",,"2020-01-01 00:00:00",3,c,
"""
LISTMONK = """\
uuid,email,name,attributes,status,created_at,updated_at
1,ann@example.org,Ann Lee,{},enabled,2016-04-18T13:50:00Z,2020-01-01T00:00:00Z
2,bob@example.org,,{},disabled,2016-04-18T13:50:00Z,2020-01-01T00:00:00Z
3,cy@example.org,,{},blocklisted,2016-04-18T13:50:00Z,2020-01-01T00:00:00Z
"""
SUBSTACK = """\
email,active_subscription,expiry,plan,email_disabled,created_at,first_payment_at
ann@example.org,false,,other,false,2016-04-18T13:50:00.000Z,
bob@example.org,true,2027-01-01T00:00:00.000Z,yearly,true,2016-04-18T13:50:00.000Z,
"""
MAILPOET = """\
"Email","First name","Last name","List status","Global status","IP address","List"
"ann@example.org","Ann","Lee","subscribed","subscribed","192.0.2.1","News"
"bob@example.org","","","subscribed","unsubscribed","","News"
"cy@example.org","","","subscribed","bounced","","News"
"dan@example.org","","","unconfirmed","unconfirmed","","News"
"""


@pytest.mark.parametrize(
    ("name", "text", "states"),
    [
        ("Mailchimp", MAILCHIMP, ["active", "left", "suppressed"]),
        ("listmonk", LISTMONK, ["active", "left", "suppressed"]),
        ("Substack", SUBSTACK, ["active", "left"]),
        ("MailPoet", MAILPOET, ["active", "left", "suppressed", "pending"]),
    ],
)
def test_exports_of_others_are_read_by_their_own_names(
    db: Database, tmp_path: Path, name: str, text: str, states: list[str]
) -> None:
    path = _file(tmp_path, text)
    reading = transfer.read(path)
    assert [warning for warning in reading.warnings if name not in warning] == []
    assert [row.cells.get("state", "active") for row in reading] == states
    report = _import(db, path)
    assert report.refused == 0
    with db.reading() as conn:
        ann = members.find(conn, "ann@example.org")
        assert ann.state == "active"
        if name != "Substack":
            assert ann.name == "Ann Lee"
        if name != "MailPoet":
            assert ann.subscriptions[0].joined_at.date().isoformat() == "2016-04-18"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        transfer.read(tmp_path / "none.csv")


def test_a_cell_without_end_is_refused_with_its_line(tmp_path: Path) -> None:
    text = "email,name\nann@example.org,Ann\nbob@example.org," + "x" * 200_000 + "\n"
    with pytest.raises(BadInput, match="line 3"):
        list(transfer.read(_file(tmp_path, text)))


# --- importing -------------------------------------------------------------------------------------------------

PEOPLE = """\
email,name,language,topics,cadence,hour,zone,digest,state,paused_until,subscribed_at,consented_at,source
ann@example.org,Ann Lee,es,hiring;detainers,daily,18,Europe/Madrid,,,,2025-03-01,2025-02-28T10:00:00+01:00,old system
bob@example.org,,,hiring=daily;detainers=off;*=weekly,,,,,,,,,
cleo@example.org,,,,monthly,,,law,paused,2026-12-01,,,
dan@example.org,,,,,,,,left,,,,
eve@example.org,,,,,,,,suppressed,,,,
"""


def test_people_come_in_with_everything_that_stands_in_their_row(either_db: Database, tmp_path: Path) -> None:
    report = _import(either_db, _file(tmp_path, PEOPLE))
    assert _counts(report) == (4, 0, 0, 0, 1)
    assert report.problems == ()
    with either_db.reading() as conn:
        ann = members.find(conn, "ann@example.org")
        (one,) = ann.subscriptions
        assert (one.name, one.language, one.hour, one.zone) == ("Ann Lee", "es", 18, "Europe/Madrid")
        assert one.preferences == {"*": "off", "hiring": "daily", "detainers": "daily"}
        assert one.joined_at.isoformat() == "2025-03-01T00:00:00+00:00"
        (event,) = consent.of_subscriber(conn, ann.subscriber_id)
        told = ("asked on paper", "old system", "2025-02-28T09:00:00+00:00")
        assert (event.what, event.origin) == ("imported", consent.Origin(*told))
        (one,) = members.find(conn, "bob@example.org").subscriptions
        assert one.preferences == {"hiring": "daily", "detainers": "off", "*": "weekly"}
        (one,) = members.find(conn, "cleo@example.org").subscriptions
        assert (one.digest, one.preferences, one.paused_until) == ("law", {"*": "monthly"}, "2026-12-01")
        states = [members.find(conn, f"{name}@example.org").state for name in ("ann", "bob", "cleo", "dan")]
        assert states == ["active", "active", "paused", "left"]
        assert suppression.reason(conn, suppression.address_hash(KEYS, "eve@example.org")) == "imported"
        with pytest.raises(NotFound):
            members.find(conn, "eve@example.org")


def test_importing_again_changes_nothing(either_db: Database, tmp_path: Path) -> None:
    path = _file(tmp_path, PEOPLE)
    _import(either_db, path)
    with either_db.reading() as conn:
        before = [conn.execute(sa.select(table)).all() for table in (subscribers, subscriptions, consent_events)]
    assert _counts(_import(either_db, path)) == (0, 0, 4, 0, 1)
    with either_db.reading() as conn:
        after = [conn.execute(sa.select(table)).all() for table in (subscribers, subscriptions, consent_events)]
    strip = [[tuple(row)[:11] for row in rows] for rows in (before[1], after[1])]
    assert (before[0], strip[0], before[2]) == (after[0], strip[1], after[2])


def test_a_row_changes_who_is_here_and_empty_cells_leave_things_as_they_are(db: Database, tmp_path: Path) -> None:
    _import(db, _file(tmp_path, "email,name,hour\nann@example.org,Ann,9\n"))
    report = _import(db, _file(tmp_path, "email,name,hour,cadence\nANN@example.org,,,daily\n"))
    assert _counts(report) == (0, 1, 0, 0, 0)
    with db.reading() as conn:
        (one,) = members.find(conn, "ann@example.org").subscriptions
    assert (one.name, one.hour, one.preferences) == ("Ann", 9, {"*": "daily"})


def test_one_bad_row_never_stops_the_rest_and_its_line_is_named(db: Database, tmp_path: Path) -> None:
    rows = [
        "ann@example.org,,,,,",
        "no address,,,,,",
        ",,7,,,",
        "bob@example.org,,25,,,",
        f"cleo@example.org,,{'9' * 5000},,,",
        "dan@example.org,,,Mars/Olympus,,",
        "eve@example.org,hourly,,,,",
        "fay@example.org,,,,nowhere,",
        "gil@example.org,,,,,asleep",
        "hal@example.org,monthly,,,,active,more,cells",
        "ANN@Example.org,,,,,",
        "daily@example.org,daily,,,law,",
        "ida@example.org,,,,,",
    ]
    report = _import(db, _file(tmp_path, "email,cadence,hour,zone,digest,state\n" + "\n".join(rows) + "\n"))
    assert _counts(report) == (2, 0, 0, 11, 0)
    assert [problem.where for problem in report.problems] == [
        "line 3, email", "line 4, email", "line 5, hour", "line 6, hour", "line 7, zone", "line 8, how often",
        "line 9, digest", "line 10, state", "line 11, columns", "line 12, email", "line 13, how often",
    ]  # fmt: skip
    assert "on a line before" in report.problems[9].why
    assert all(problem.why and problem.remedy for problem in report.problems)


def test_an_unknown_digest_stops_the_import_before_anything_is_written(db: Database, tmp_path: Path) -> None:
    rows = transfer.read(_file(tmp_path, "email\nann@example.org\n"))
    with pytest.raises(NotFound):
        transfer.import_people(db, KEYS, rows, digest="wekly", consent="", now=NOW)


def test_nobody_who_left_or_must_not_be_mailed_is_brought_back(either_db: Database, tmp_path: Path) -> None:
    with either_db.transaction() as conn:
        digest_id = 1
        ann = world.add(conn, digest_id, "ann@example.org")
        members.leave(conn, digest_id, ann, now=NOW, how="link")
        bob = world.add(conn, digest_id, "bob@example.org")
        suppression.add(conn, KEYS, "bob@example.org", reason="complaint", now=NOW)
        cleo = world.add(conn, digest_id, "cleo@example.org")
        members.pause(conn, digest_id, cleo, now=NOW)
    text = "email,state,cadence\nann@example.org,active,daily\nbob@example.org,active,daily\ncleo@example.org,active,\n"
    report = _import(either_db, _file(tmp_path, text))
    assert _counts(report) == (0, 0, 1, 1, 1)
    assert [problem.where for problem in report.problems] == ["line 2, email", "line 3, email"]
    assert "left" in report.problems[0].why
    assert "do-not-mail" in report.problems[1].why
    with either_db.reading() as conn:
        states = {one: world.subscription(conn, digest_id, one) for one in (ann, bob, cleo)}
    assert [one.state for one in states.values()] == ["left", "active", "paused"]
    assert states[bob].preferences == {"*": "weekly"}


def test_a_list_can_say_that_somebody_left_or_paused(db: Database, tmp_path: Path) -> None:
    _import(db, _file(tmp_path, "email\nann@example.org\nbob@example.org\n"))
    text = "email,state,paused_until\nann@example.org,left,\nbob@example.org,paused,2026-12-01\n"
    assert _counts(_import(db, _file(tmp_path, text))) == (0, 2, 0, 0, 0)
    with db.reading() as conn:
        states = [members.find(conn, f"{name}@example.org").state for name in ("ann", "bob")]
    assert states == ["left", "paused"]


def test_a_trial_reports_the_same_and_keeps_nothing(either_db: Database, tmp_path: Path) -> None:
    path = _file(tmp_path, PEOPLE + "no address,,,,,,,,,,,,\n" + "ann@example.org,,,,,,,,,,,,\n")
    trial = _import(either_db, path, dry_run=True)
    with either_db.reading() as conn:
        for table in (subscribers, subscriptions, preference_sets, slots, consent_events):
            assert conn.scalar(sa.select(sa.func.count()).select_from(table)) == 0
        assert suppression.reason(conn, suppression.address_hash(KEYS, "eve@example.org")) is None
    assert _import(either_db, path) == trial


def test_a_list_longer_than_one_transaction_shares_sets_and_slots(db: Database, tmp_path: Path) -> None:
    rows = "".join(f"r{n}@example.org,{n % 24}\n" for n in range(1201))
    report = _import(db, _file(tmp_path, "email,hour\n" + rows + "r0@example.org,1\n"))
    assert _counts(report) == (1201, 0, 0, 1, 0)
    with db.reading() as conn:
        assert conn.scalar(sa.select(sa.func.count()).select_from(subscriptions)) == 1201
        assert conn.scalar(sa.select(sa.func.count()).select_from(slots)) == 24
        assert conn.scalar(sa.select(sa.func.count()).select_from(preference_sets)) == 1


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30)
likely = st.sampled_from(
    ["ann@example.org", "weekly", "daily", "off", "a;b", "*=weekly", "a=off", "7", "99", "UTC", "law", "paused", "left",
     "2026-13-45", "2026-12-01", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00+14:00", "en", "zz", "١٢"]
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.sampled_from(COLUMNS), cells | likely), max_size=6))
def test_whatever_stands_in_a_row_it_is_taken_or_refused(db: Database, table: list[dict[str, str]]) -> None:
    rows = [Row(line, {"email": f"r{line}@example.org"} | given) for line, given in enumerate(table, 2)]
    report = transfer.import_people(db, KEYS, rows, digest="weekly", consent="", now=NOW, dry_run=True)
    assert sum(_counts(report)) == len(rows)
    with db.transaction() as conn:
        for problem in report.problems:
            assert problem.where.startswith("line ")
        assert len(list(transfer.export(conn))) == 1


class Cut(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_import_that_was_cut_off_goes_on_and_ends_the_same(
    either_db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setattr(transfer, "BATCH", 3)
    names = [f"r{n}@example.org" if n % 4 else "no address" for n in range(9)]
    path = _file(tmp_path, "email\n" + "\n".join([*names, "r1@example.org"]) + "\n")
    whole = _import(either_db, path, dry_run=True)
    steps = iter(range(at))
    note = imports.note

    def cut(*args: Any, **kwargs: Any) -> None:
        if next(steps, None) is None:
            raise Cut
        note(*args, **kwargs)

    monkeypatch.setattr(imports, "note", cut)
    with pytest.raises(Cut):
        _import(either_db, path, name="the same")
    with either_db.reading() as conn:
        assert conn.scalars(sa.select(subscriptions.c.state)).all() == ["pending"] * [0, 2, 4, 6][at]
    monkeypatch.setattr(imports, "note", note)
    assert _import(either_db, path, name="the same") == whole
    with either_db.reading() as conn:
        assert conn.scalars(sa.select(subscriptions.c.state)).all() == ["active"] * 6
        assert conn.execute(sa.select(import_problems)).all() == []
    assert _counts(_import(either_db, path, name="the same"))[:3] == (0, 0, 6)


def test_who_is_coming_in_gets_no_mail_before_all_are_in_and_nothing_from_before(either_db: Database) -> None:
    with either_db.transaction() as conn:
        one = imports.begin(conn, "name", now=NOW)
        ann = Newcomer(suppression.address("ann@example.org"), import_id=one.id)
        members.add_all(conn, KEYS, [ann], digest_id=1, now=NOW)
        sequence = world.publish(conn, "hiring")
        assert members.forget_unconfirmed(conn, before=NOW + timedelta(days=99)) == 0
        assert members.find(conn, "ann@example.org").state == "pending"
        imports.finish(conn, one)
        (subscription,) = members.find(conn, "ann@example.org").subscriptions
    assert (subscription.state, subscription.since) == ("active", sequence)


# --- exporting -------------------------------------------------------------------------------------------------


def test_what_goes_out_comes_in_again_as_it_was(either_db: Database, tmp_path: Path) -> None:
    _import(either_db, _file(tmp_path, PEOPLE.replace("Ann Lee", "=1+2")))
    with either_db.transaction() as conn:
        suppression.add(conn, KEYS, "bob@example.org", reason="hard", now=NOW)
        out = io.StringIO()
        assert sheets.write(transfer.export(conn), out) == 4
    rows = sorted(csv.DictReader(io.StringIO(out.getvalue())), key=lambda row: row["email"])
    assert [(row["email"], row["state"]) for row in rows] == [
        ("ann@example.org", "active"),
        ("bob@example.org", "suppressed"),
        ("cleo@example.org", "paused"),
        ("dan@example.org", "left"),
    ]
    assert rows[0]["name"] == "'=1+2"
    assert _counts(_import(either_db, _file(tmp_path, out.getvalue()))) == (0, 0, 3, 0, 1)


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)"])
def test_no_cell_runs_in_a_spreadsheet(db: Database, name: str) -> None:
    with db.transaction() as conn:
        world.add(conn, 1, "+ann@example.org", name=name)
        out = io.StringIO()
        sheets.write(transfer.export(conn), out)
        header, row = csv.reader(io.StringIO(out.getvalue()))
    cells = dict(zip(header, row, strict=True))
    assert (cells["name"], cells["email"]) == (f"'{name}", "'+ann@example.org")
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)
