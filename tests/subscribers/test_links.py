from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.keys import Keyring
from subscribers import links
from tests.conftest import NOW

OLD = Keyring({1: b"1" * 32}, b"f" * 32)
ROTATED = Keyring({1: b"1" * 32, 2: b"2" * 32}, b"f" * 32)
LAST_DAY = links.expiry(NOW)
BIG = 2**31 - 1  # the largest number an id can have

ids = st.integers(1, BIG)


@given(ids, ids)
def test_a_link_grants_what_it_was_issued_for(digest_id: int, subscriber_id: int) -> None:
    issuer = links.Issuer(ROTATED, digest_id, expires_day=LAST_DAY)
    unsubscribe = links.issue(ROTATED, links.UNSUBSCRIBE, digest_id, subscriber_id)
    preferences = links.issue(ROTATED, links.PREFERENCES, digest_id, subscriber_id, expires=LAST_DAY)
    assert (issuer.unsubscribe(subscriber_id), issuer.preferences(subscriber_id)) == (unsubscribe, preferences)
    for token, scope in ((unsubscribe, links.UNSUBSCRIBE), (preferences, links.PREFERENCES)):
        assert links.read(ROTATED, token, scope, now=NOW) == links.Grant(scope, digest_id, subscriber_id)
        assert len(token) <= 44


def test_an_unsubscribe_link_works_for_ever_and_with_keys_of_long_ago() -> None:
    token = links.issue(OLD, links.UNSUBSCRIBE, 3, 5)
    assert links.read(ROTATED, token, links.UNSUBSCRIBE, now=NOW + timedelta(days=20_000)) is not None


def test_an_edition_goes_on_signing_with_the_key_it_was_frozen_under() -> None:
    issuer = links.Issuer(ROTATED, 3, expires_day=LAST_DAY, key=1)
    assert issuer.unsubscribe(5) == links.issue(OLD, links.UNSUBSCRIBE, 3, 5)


def test_a_preferences_link_holds_for_90_days_and_not_a_day_longer() -> None:
    token = links.issue(OLD, links.PREFERENCES, 3, 5, expires=LAST_DAY)
    assert links.read(OLD, token, links.PREFERENCES, now=NOW + timedelta(days=90)) is not None
    assert links.read(OLD, token, links.PREFERENCES, now=NOW + timedelta(days=91)) is None


def test_a_preferences_link_ends_with_its_key() -> None:
    token = links.issue(OLD, links.PREFERENCES, 3, 5, expires=LAST_DAY)
    assert links.read(ROTATED, token, links.PREFERENCES, now=NOW) is None


def test_a_link_does_not_work_in_another_scope_or_another_home() -> None:
    unsubscribe = links.issue(OLD, links.UNSUBSCRIBE, 3, 5)
    preferences = links.issue(OLD, links.PREFERENCES, 3, 5, expires=LAST_DAY)
    elsewhere = Keyring({1: b"x" * 32}, b"f" * 32)
    assert links.read(OLD, unsubscribe, links.PREFERENCES, now=NOW) is None
    assert links.read(OLD, preferences, links.UNSUBSCRIBE, now=NOW) is None
    assert links.read(elsewhere, unsubscribe, links.UNSUBSCRIBE, now=NOW) is None


@pytest.mark.parametrize("scope", [links.UNSUBSCRIBE, links.PREFERENCES])
def test_every_changed_missing_or_added_character_is_refused(scope: str) -> None:
    token = links.issue(OLD, scope, 3, 5, expires=LAST_DAY)
    others = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ \n\0é"
    changed = [token[:i] + other + token[i + 1 :] for i in range(len(token)) for other in others if other != token[i]]
    cut_or_grown = [token[:i] for i in range(len(token))] + [token + "=", token + "A", " " + token, token + "\n"]
    for forged in [*changed, *cut_or_grown]:
        assert links.read(OLD, forged, scope, now=NOW) is None, forged


@given(st.text() | st.text(alphabet=st.characters(codec="ascii")))
def test_garbage_is_refused_without_an_error(token: str) -> None:
    assert links.read(OLD, token, links.UNSUBSCRIBE, now=NOW) is None
    assert links.read(OLD, token, links.PREFERENCES, now=NOW) is None


@pytest.mark.parametrize("token", ["\ud800", "A" * 10_000, "", "=", "AAAA"])
def test_odd_texts_are_refused_without_an_error(token: str) -> None:
    assert links.read(OLD, token, links.UNSUBSCRIBE, now=NOW) is None


def test_a_preferences_link_without_a_last_day_is_never_issued() -> None:
    with pytest.raises(ValueError, match="last day"):
        links.issue(OLD, links.PREFERENCES, 3, 5)


@pytest.mark.parametrize(
    ("address", "masked"),
    [
        ("reader@example.org", "r•••••@example.org"),
        ("r@example.org", "r•••••@example.org"),
        ("a.very.long.name@example.org", "a•••••@example.org"),
        ("no address", "•••••"),
    ],
)
def test_a_masked_address_shows_one_letter_and_the_domain(address: str, masked: str) -> None:
    assert links.mask(address) == masked


def test_the_expiry_is_counted_in_utc_days() -> None:
    assert links.expiry(NOW) == date(2026, 12, 6)
