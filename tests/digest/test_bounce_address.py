"""Bounce addresses name their delivery, and nobody else can make one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.bounce_address import BounceAddresses
from digest.keys import Keyring

UID = "0123456789abcdef0123456789abcdef"
KEYRING = Keyring({1: bytes(32)}, bytes(range(32)))
ADDRESSES = BounceAddresses(KEYRING, "bounces.example.org")


@given(st.binary(min_size=16, max_size=16), st.integers(0, (1 << 48) - 1))
def test_what_is_made_can_be_read_in_either_case_and_is_short_enough(uid: bytes, person: int) -> None:
    address = ADDRESSES.address(uid.hex(), person)
    local, _, domain = address.partition("@")
    assert len(local) <= 64
    assert domain == "bounces.example.org"
    for form in (address, address.upper(), local, f"{local}@elsewhere.example.org"):
        assert ADDRESSES.read(form) == (uid.hex(), person)


@given(st.integers(0, 10**9), st.data())
def test_a_changed_character_is_refused(person: int, data: st.DataObject) -> None:
    local = ADDRESSES.address(UID, person).partition("@")[0]
    at = data.draw(st.integers(0, len(local) - 1))
    other = data.draw(st.sampled_from("0123456789abcdef-xyz").filter(lambda letter: letter != local[at]))
    assert ADDRESSES.read(local[:at] + other + local[at + 1 :]) is None


@given(st.text(max_size=80))
def test_whatever_an_address_holds_is_refused_quietly(text: str) -> None:
    assert ADDRESSES.read(text) is None
    assert ADDRESSES.read(f"b-{text}@bounces.example.org") is None


def test_another_home_cannot_make_them_and_rotation_does_not_matter() -> None:
    rotated = Keyring({1: bytes(32), 2: bytes(range(32))}, KEYRING.fixed)
    other = Keyring(KEYRING.rotating, bytes(32))
    address = ADDRESSES.address(UID, 7)
    assert BounceAddresses(rotated, "x").read(address) == (UID, 7)
    assert BounceAddresses(other, "x").read(address) is None


@pytest.mark.parametrize(("uid", "person"), [("short", 1), (UID, -1), (UID, 1 << 48), ("z" * 32, 1)])
def test_what_cannot_be_named_is_no_address(uid: str, person: int) -> None:
    with pytest.raises(ValueError, match=r"uid|hex"):
        ADDRESSES.address(uid, person)
