"""How a transport is found by the kind that the settings name."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest

from digest.delivery.transports import base, local
from digest.errors import Refused
from digest.home import Home

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def outbox(home: Home) -> local.Outbox:
    return local.Outbox()


def test_maildir_fills_the_mailbox_of_the_home(home: Home) -> None:
    transport = base.open_transport("maildir", home)
    assert isinstance(transport, local.Maildir)
    assert isinstance(transport, base.Transport)


def test_an_unknown_kind_is_refused_with_the_known_ones(home: Home) -> None:
    with pytest.raises(Refused, match=r'no transport "pigeon".*: .*maildir'):
        base.open_transport("pigeon", home)


def test_a_transport_of_a_package_that_is_not_installed_is_named_by_module_and_function(home: Home) -> None:
    assert isinstance(base.open_transport(f"{__name__}:outbox", home), local.Outbox)


@pytest.mark.parametrize("kind", ["no.such.module:x", "json:no_such_function", ":", "json:", ":loads", "..:x"])
def test_a_reference_that_leads_nowhere_is_refused_with_the_known_kinds(home: Home, kind: str) -> None:
    with pytest.raises(Refused, match=f'"{re.escape(kind)}" cannot be loaded: .*maildir'):
        base.open_transport(kind, home)


def test_an_installed_package_brings_a_transport_by_its_entry_point(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "pigeon_post-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pigeon-post\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{base.ENTRY_POINTS}]\npigeon = pigeon_post:outbox\n")
    (tmp_path / "pigeon_post.py").write_text(
        "from digest.delivery.transports.local import Outbox\ndef outbox(home): return Outbox()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert isinstance(base.open_transport("pigeon", home), local.Outbox)
    with pytest.raises(Refused, match="maildir, pigeon"):
        base.open_transport("owl", home)


def test_the_project_declares_the_transports_that_are_known_without_installation() -> None:
    declared = tomllib.loads(PROJECT.read_text())["project"]["entry-points"][base.ENTRY_POINTS]
    assert declared == base.OURS
    for name, reference in base.OURS.items():
        assert callable(importlib.metadata.EntryPoint(name, reference, base.ENTRY_POINTS).load())
