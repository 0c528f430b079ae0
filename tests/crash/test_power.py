"""The power fails at 150 moments of a send: nothing that left is planned again. With less syncing it would be.

`python -m tests.crash.power` takes 1,000 moments of a send of some 400 commits.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.crash import power
from tests.crash.disk import Asked, Disk
from tests.crash.workshop import Workshop

READERS, STATES = 40, 150


@pytest.mark.crash
@pytest.mark.parametrize(("synchronous", "holds"), [("FULL", True), ("NORMAL", False)])
def test_what_left_before_a_power_loss_is_not_sent_again(
    synchronous: str, holds: bool, workshop: Workshop, traced: None, tmp_path: Path
) -> None:
    log = power.write_down(workshop.forks, tmp_path / "written", synchronous, READERS)
    assert len(log.left) == READERS
    found = power.replay(log, STATES, 1, resumed=3, forks=workshop.forks)
    assert found.unsound == []
    assert (found.forgotten == []) is holds
    assert found.twice == [] or not holds


def test_what_was_synced_survives_and_what_was_not_may_be_torn() -> None:
    disk = Disk()
    disk.begin("log", b"a" * 1024)
    disk.take(Asked("write", "log", b"b" * 1024))
    disk.take(Asked("sync", "log"))
    disk.take(Asked("write", "log", b"c" * 1024, 1024))
    left = {disk.after_power_loss(random.Random(seed))["log"] for seed in range(100)}
    assert {content[:1024] for content in left} == {b"b" * 1024}
    assert {content[1024:] for content in left} == {
        b"", b"c" * 1024, b"c" * 512, b"\0" * 512 + b"c" * 512,
    }  # fmt: skip


def test_a_file_that_was_removed_is_gone_and_one_that_was_cut_may_be_short() -> None:
    disk = Disk()
    disk.begin("journal", b"j")
    disk.begin("database", b"d" * 10)
    disk.take(Asked("unlink", "journal"))
    disk.take(Asked("truncate", "database", at=4))
    left = [disk.after_power_loss(random.Random(seed)) for seed in range(20)]
    assert all("journal" not in files for files in left)
    assert {files["database"] for files in left} == {b"d" * 10, b"d" * 4}
