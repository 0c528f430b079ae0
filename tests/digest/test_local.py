"""The Maildir as mail readers, full disks and dead processes meet it; what all transports promise is in contracts/."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import quote

import pytest

from digest.delivery import owners
from digest.delivery.message import Compiled, Recipient
from digest.delivery.transports import local
from digest.delivery.transports.base import Answer, Group, Receipt

UID = "00112233445566778899aabbccddeeff"


@dataclass(frozen=True)
class Mail:
    """A variant whose joining may do something beside."""

    uid: str = UID
    sender: str = "digest@example.org"
    body: bytes = b"Subject: x\r\n\r\nHello\r\n"
    beside: Callable[[], object] = lambda: None

    def join(self, recipient: Recipient) -> bytes:
        self.beside()
        return self.body


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A mailbox that a mail reader made before us."""
    for name in ("tmp", "new", "cur"):
        (tmp_path / "mail" / name).mkdir(parents=True)
    return tmp_path / "mail"


def deliver(mailbox: local.Maildir, *subscribers: int, mail: Mail | None = None) -> list[Receipt]:
    people = [Recipient(one, f"reader{one}@example.org", "", {}) for one in subscribers]
    mailbox.begin(Group(range(len(people)), cast("Compiled", mail or Mail()), people))
    return [receipt for _, receipt in sorted(mailbox.outcomes(10), key=lambda outcome: outcome[0])]


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def is_refused(receipts: list[Receipt]) -> bool:
    return {receipt.answer for receipt in receipts} == {Answer.RELAY} and all(
        receipt.text.startswith("The mailbox cannot be written: ") for receipt in receipts
    )


def test_a_mail_lies_in_new_under_its_name_with_unix_line_ends_for_its_owner_alone(folder: Path) -> None:
    assert deliver(local.Maildir(folder), 7) == [Receipt(Answer.ACCEPTED)]
    assert files(folder) == [f"new/{UID}-7.digest"]
    path = local.find(folder, UID, 7)
    assert path == folder / "new" / f"{UID}-7.digest"
    assert path.read_bytes() == b"Subject: x\n\nHello\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_nlink == 1


@pytest.mark.parametrize("place", ["new/{}", "new/{}:2,F", "cur/{}", "cur/{}:2,", "cur/{}:2,RS"])
def test_a_mail_that_was_read_moved_or_flagged_is_delivered_and_found(folder: Path, place: str) -> None:
    moved = folder / place.format(f"{UID}-7.digest")
    moved.write_bytes(b"as it came\n")
    assert deliver(local.Maildir(folder), 7) == [Receipt(Answer.ACCEPTED)]
    assert files(folder) == [str(moved.relative_to(folder))]
    assert moved.read_bytes() == b"as it came\n"
    assert local.find(folder, UID, 7) == moved


def test_a_name_that_only_begins_alike_is_another_delivery(folder: Path) -> None:
    (folder / "new" / f"{UID}-7.digest~").write_bytes(b"a backup\n")
    assert local.find(folder, UID, 7) is None
    deliver(local.Maildir(folder), 7)
    assert len(files(folder)) == 2


def test_a_reader_that_moves_mails_while_we_deliver_is_noticed(folder: Path) -> None:
    mailbox = local.Maildir(folder)
    deliver(mailbox, 1, 2)
    (folder / "new" / f"{UID}-1.digest").rename(folder / "cur" / f"{UID}-1.digest:2,S")
    deliver(mailbox, 1, 2, 3)
    assert files(folder) == [f"cur/{UID}-1.digest:2,S", f"new/{UID}-2.digest", f"new/{UID}-3.digest"]


def test_a_move_that_leaves_no_new_time_stamp_behind_is_noticed(folder: Path) -> None:
    mailbox = local.Maildir(folder)
    deliver(mailbox, 1)
    before = (folder / "cur").stat()
    (folder / "cur" / f"{UID}-2.digest:2,S").write_bytes(b"read\n")
    os.utime(folder / "cur", ns=(before.st_atime_ns, before.st_mtime_ns))
    deliver(mailbox, 2)
    assert files(folder) == [f"cur/{UID}-2.digest:2,S", f"new/{UID}-1.digest"]


def test_a_move_after_a_long_rest_is_noticed(folder: Path) -> None:
    os.utime(folder / "cur", (1_000_000_000, 1_000_000_000))
    mailbox = local.Maildir(folder)
    deliver(mailbox, 1)
    (folder / "cur" / f"{UID}-2.digest:2,S").write_bytes(b"read\n")
    deliver(mailbox, 2)
    assert files(folder) == [f"cur/{UID}-2.digest:2,S", f"new/{UID}-1.digest"]


def test_a_receipt_is_told_only_when_the_file_and_then_the_folder_are_on_disk(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    sync = os.fsync

    def watched(descriptor: int) -> None:
        sync(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append(f"{path.relative_to(folder)} {len(list((folder / 'new').iterdir()))}")

    mailbox = local.Maildir(folder)
    deliver(mailbox, 1)
    monkeypatch.setattr(os, "fsync", watched)
    mailbox.begin(Group([0], cast("Compiled", Mail()), [Recipient(2, "reader2@example.org", "", {})]))
    next(iter(mailbox.outcomes(1)))
    assert [line.partition(",")[0] for line in synced] == [f"tmp/{UID}-2.digest", "new 2"]


def test_a_copy_that_reaches_cur_between_look_and_link_stays_the_only_one(folder: Path) -> None:
    elsewhere = folder / "cur" / f"{UID}-1.digest:2,S"
    mail = Mail(beside=lambda: elsewhere.write_bytes(b"from another process\n"))
    assert deliver(local.Maildir(folder), 1, mail=mail) == [Receipt(Answer.ACCEPTED)]
    assert files(folder) == [f"cur/{UID}-1.digest:2,S"]


def test_a_copy_that_reaches_new_between_look_and_link_stays_the_only_one(folder: Path) -> None:
    elsewhere = folder / "new" / f"{UID}-1.digest"
    mail = Mail(beside=lambda: elsewhere.write_bytes(b"from another process\n"))
    assert deliver(local.Maildir(folder), 1, mail=mail) == [Receipt(Answer.ACCEPTED)]
    assert files(folder) == [f"new/{UID}-1.digest"]
    assert elsewhere.read_bytes() == b"from another process\n"


def test_a_mail_its_reader_deleted_is_not_delivered_again_by_the_same_process(folder: Path) -> None:
    (folder / "cur" / f"{UID}-1.digest:2,S").write_bytes(b"read\n")
    mailbox = local.Maildir(folder)
    deliver(mailbox, 1)
    (folder / "cur" / f"{UID}-1.digest:2,S").unlink()
    assert deliver(mailbox, 1) == [Receipt(Answer.ACCEPTED)]
    assert files(folder) == []


def test_a_missing_mailbox_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "new home" / "mail"
    deliver(local.Maildir(folder), 1)
    assert files(folder) == [f"new/{UID}-1.digest"]
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_mailbox_that_cannot_be_made_stops_the_run(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("a file, not a folder")
    receipts = deliver(local.Maildir(tmp_path / "mail"), 1, 2, 3)
    assert len(receipts) == 3
    assert is_refused(receipts)


def test_a_full_disk_stops_the_run_and_leaves_nothing_half_written(folder: Path) -> None:
    mailbox = local.Maildir(folder)
    deliver(mailbox, 1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        receipts = deliver(mailbox, 1, 2, 3, mail=Mail(body=b"x" * 10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert receipts[0] == Receipt(Answer.ACCEPTED)
    assert is_refused(receipts[1:])
    assert files(folder) == [f"new/{UID}-1.digest"]
    assert deliver(mailbox, 2, 3) == [Receipt(Answer.ACCEPTED)] * 2


def test_when_the_links_cannot_be_made_durable_they_are_taken_back(folder: Path) -> None:
    mail = Mail(beside=lambda: shutil.rmtree(folder / "cur", ignore_errors=True))
    assert is_refused(deliver(local.Maildir(folder), 1, 2, mail=mail))
    assert files(folder) == []


def test_a_uid_cannot_lead_out_of_the_mailbox(folder: Path) -> None:
    with pytest.raises(ValueError, match="letters and digits"):
        deliver(local.Maildir(folder), 1, mail=Mail(uid="../../x"))


def test_leftovers_of_dead_processes_go_and_those_of_the_living_and_of_others_stay(folder: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    dead.wait()
    here, pid, started = owners.me().split("|")
    names = {
        "dead": _tmp_name(1, f"{here}|{dead.pid}|123"),
        "pid given again": _tmp_name(2, f"{here}|{pid}|1"),
        "alive": _tmp_name(3, f"{here}|{pid}|{started}"),
        "another machine's": _tmp_name(4, f"elsewhere|{dead.pid}|123"),
        "another machine's and old": _tmp_name(5, f"elsewhere|{dead.pid}|123"),
        "another program's and old": "1790000000.1234.elsewhere",
    }
    for what, name in names.items():
        (folder / "tmp" / name).write_bytes(b"half")
        if what.endswith("old"):
            os.utime(folder / "tmp" / name, (1_000_000_000, 1_000_000_000))
    deliver(local.Maildir(folder), 9)
    left = {what for what, name in names.items() if (folder / "tmp" / name).exists()}
    assert left == {"alive", "another machine's", "another program's and old"}


def _tmp_name(subscriber_id: int, owner: str) -> str:
    return f"{UID}-{subscriber_id}.digest,0,{quote(owner, safe='')}"


def test_an_outbox_without_bodies_keeps_their_sha256() -> None:
    outbox = local.Outbox(keep=False)
    outbox.begin(Group([0], cast("Compiled", Mail(body=b"abc")), [Recipient(5, "a@example.org", "", {})]))
    assert len(list(outbox.outcomes(1))) == 1
    kept = outbox.get(UID, 5)
    assert kept is not None
    assert kept.hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert list(outbox) == [(UID, 5)]
    assert len(outbox) == 1
    assert outbox.get(UID, 6) is None
