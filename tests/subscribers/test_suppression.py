from __future__ import annotations

import email_validator
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from digest import publications
from digest.db import Database
from digest.errors import BadInput, Refused
from digest.keys import Keyring
from subscribers import suppression
from subscribers.tables import suppressions
from tests.conftest import NOW
from tests.subscribers import world
from tests.subscribers.world import KEYS


@pytest.mark.parametrize(
    ("typed", "email", "key"),
    [
        ("Ann.Lee@Example.ORG", "Ann.Lee@example.org", "ann.lee@example.org"),
        ("  ann@example.org ", "ann@example.org", "ann@example.org"),
        ("ann@exämple.org", "ann@xn--exmple-cua.org", "ann@xn--exmple-cua.org"),
        ("ann@faß.de", "ann@xn--fa-hia.de", "ann@xn--fa-hia.de"),
        ("ann@list.test", "ann@list.test", "ann@list.test"),
    ],
)
def test_an_address_is_kept_as_typed_and_compared_lower_cased_with_an_ascii_domain(
    typed: str, email: str, key: str
) -> None:
    assert suppression.address(typed) == suppression.Address(email, key)


@pytest.mark.parametrize(
    "typed",
    ["", "ann", "ann@", "@example.org", "ann@example", "a" * 65 + "@example.org", "ann@example.org\nBcc: x@example.org",
     "ann\0@example.org", "änn@example.org", "ann@[127.0.0.1]", '"ann lee"@example.org', "Ann <ann@example.org>"],
)  # fmt: skip
def test_what_no_mail_can_be_sent_to_is_refused(typed: str) -> None:
    with pytest.raises(BadInput):
        suppression.address(typed)


def test_a_suppressed_address_is_known_by_its_hash_alone(either_db: Database) -> None:
    with either_db.transaction() as conn:
        assert suppression.add(conn, KEYS, "Ann@Example.org", reason="by-staff", now=NOW, by="Dana")
        assert suppression.reason(conn, suppression.address_hash(KEYS, "ann@example.ORG")) == "by-staff"
        assert suppression.reason(conn, suppression.address_hash(KEYS, "bob@example.org")) is None
        row = conn.execute(sa.select(suppressions)).one()
    assert len(row.email_hash) == 16
    assert b"ann" not in row.email_hash.lower()
    assert (row.said_by, row.at) == ("Dana", NOW)


def test_the_hash_stays_the_same_when_keys_are_rotated_and_differs_in_another_home() -> None:
    rotated = Keyring({**KEYS.rotating, 3: b"3" * 32}, KEYS.fixed)
    elsewhere = Keyring(KEYS.rotating, b"e" * 32)
    here = suppression.address_hash(KEYS, "ann@example.org")
    assert suppression.address_hash(rotated, "ann@example.org") == here
    assert suppression.address_hash(elsewhere, "ann@example.org") != here


def test_a_graver_reason_replaces_a_lighter_one_and_never_the_other_way_round(either_db: Database) -> None:
    with either_db.transaction() as conn:
        email_hash = suppression.address_hash(KEYS, "ann@example.org")
        steps = [("imported", True, "imported"), ("complaint", True, "complaint"), ("hard", False, "complaint")]
        for reason, changed, stands in steps:
            assert suppression.add(conn, KEYS, "ann@example.org", reason=reason, now=NOW) is changed
            assert suppression.reason(conn, email_hash) == stands


def test_lifting_needs_a_name_and_tells_editions_that_are_being_planned(either_db: Database) -> None:
    with either_db.transaction() as conn:
        digest_id = world.digest(conn)
        world.add(conn, digest_id)
        suppression.add(conn, KEYS, "ann@example.org", reason="hard", now=NOW)
        before = publications.by_id(conn, digest_id).people_rev
        with pytest.raises(Refused, match="--by"):
            suppression.lift(conn, KEYS, "ann@example.org", by=" ", now=NOW)
        assert suppression.lift(conn, KEYS, "ANN@example.org", by="Dana", now=NOW)
        assert publications.by_id(conn, digest_id).people_rev > before
        assert not suppression.lift(conn, KEYS, "ann@example.org", by="Dana", now=NOW)
        assert suppression.reason(conn, suppression.address_hash(KEYS, "ann@example.org")) is None


def test_an_unknown_reason_is_refused(db: Database) -> None:
    with db.transaction() as conn, pytest.raises(BadInput, match="complaint"):
        suppression.add(conn, KEYS, "ann@example.org", reason="whim", now=NOW)


word = st.text("abcAZ019._+-", min_size=1, max_size=70)
label = st.text("abz019-", min_size=1, max_size=65)
tails = st.sampled_from(["org", "com", "test", "local", "invalid", "localhost", "example", "museum", "c", "0"])


@settings(max_examples=400, deadline=None)
@given(word, st.lists(label, min_size=0, max_size=3), tails)
def test_a_plain_address_is_taken_at_a_look_as_the_validator_would(local: str, labels: list[str], tail: str) -> None:
    email = f"{local}@{'.'.join([*labels, tail])}"
    try:
        parts = email_validator.validate_email(
            email, check_deliverability=False, strict=True, allow_smtputf8=False, test_environment=True
        )
        expected: str | None = f"{parts.local_part}@{parts.ascii_domain}"
    except email_validator.EmailNotValidError:
        expected = None
    try:
        assert suppression.address(email).email == expected
    except BadInput:
        assert expected is None
