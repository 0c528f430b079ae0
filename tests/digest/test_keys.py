from __future__ import annotations

import stat
from pathlib import Path

import pytest

from digest import keys
from digest.errors import Refused


def contents(home: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (home / "keys").iterdir()}


def test_only_the_owner_can_read_the_keys(tmp_path: Path) -> None:
    keys.make(tmp_path)
    files = list((tmp_path / "keys").iterdir())
    assert {path.name for path in files} == {"fixed.key", "link-1.key"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_making_keys_again_changes_none(tmp_path: Path) -> None:
    first, before = keys.make(tmp_path), contents(tmp_path)
    assert keys.make(tmp_path) == first == keys.load(tmp_path)
    assert contents(tmp_path) == before


def test_two_homes_share_no_key(tmp_path: Path) -> None:
    one, two = keys.make(tmp_path / "one"), keys.make(tmp_path / "two")
    assert one.fixed != two.fixed
    assert one.rotating != two.rotating


@pytest.mark.parametrize("lost", ["fixed.key", "link-1.key"])
def test_a_lost_key_is_never_made_anew_on_loading(tmp_path: Path, lost: str) -> None:
    keys.make(tmp_path)
    (tmp_path / "keys" / lost).unlink()
    before = contents(tmp_path)
    with pytest.raises(Refused, match="Restore them from the backup"):
        keys.load(tmp_path)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("damage", ["", "not hexadecimal", "ab" * 31])
def test_a_damaged_key_is_refused_and_left_as_it_is(tmp_path: Path, damage: str) -> None:
    keys.make(tmp_path)
    (tmp_path / "keys" / "link-1.key").write_text(damage)
    with pytest.raises(Refused, match="missing or damaged"):
        keys.make(tmp_path)
    assert (tmp_path / "keys" / "link-1.key").read_text() == damage


def test_the_newest_key_signs_and_the_old_ones_stay_known(tmp_path: Path) -> None:
    first = keys.make(tmp_path)
    (tmp_path / "keys" / "link-10.key").write_text("cd" * 32)
    later = keys.load(tmp_path)
    assert later.current == 10
    assert later.derive("unsubscribe") == later.derive("unsubscribe", 10) != first.derive("unsubscribe")
    assert later.derive("unsubscribe", 1) == first.derive("unsubscribe")
    assert later.derive_fixed("suppression") == first.derive_fixed("suppression")
    with pytest.raises(KeyError):
        later.derive("unsubscribe", 2)


def test_each_purpose_has_a_key_of_its_own(tmp_path: Path) -> None:
    ring = keys.make(tmp_path)
    derived = {ring.derive("confirm"), ring.derive("leave"), ring.derive_fixed("confirm"), ring.derive_fixed("leave")}
    assert len(derived) == 4
    assert {len(key) for key in derived} == {32}


def test_a_keyring_shows_none_of_its_keys(tmp_path: Path) -> None:
    ring = keys.make(tmp_path)
    assert repr(ring) == f"{ring}" == "Keyring(1 keys)"


def test_a_mac_depends_on_the_key_and_on_where_each_part_ends() -> None:
    macs = {
        keys.mac(b"k" * 32, b"ab", b"c"),
        keys.mac(b"k" * 32, b"a", b"bc"),
        keys.mac(b"k" * 32, b"abc"),
        keys.mac(b"K" * 32, b"abc"),
    }
    assert len(macs) == 4
    assert {len(mac) for mac in macs} == {16}
    assert keys.mac(b"k" * 32, b"abc") in macs
