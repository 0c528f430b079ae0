"""A small disk of its own for one test: it can be filled, and it can become read-only, and nobody else sees it.

The disk is mounted in a mount namespace (mount_namespaces(7)) that a process holds open. Promises: disk and namespace
are gone with the block, and even when the tests are killed. What lies on it is reached from outside through /proc.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.runs import until

_HOLD = """
set -e
{mount}
echo mounted
read -r end || true
umount "{place}" 2>/dev/null || umount -l "{place}"
"""
_ERROR = Path("/sys/fs/ext4")


@dataclass(frozen=True)
class Den:
    """The disk at `place`, as the processes see it that are started `inside`."""

    place: Path
    pid: int

    @property
    def inside(self) -> list[str]:
        """What a command begins with that is to see the disk."""
        return ["nsenter", f"--mount=/proc/{self.pid}/ns/mnt", "--"]

    def outside(self, path: Path) -> Path:
        """Where this process finds what is `path` inside."""
        return Path(f"/proc/{self.pid}/root") / path.relative_to("/")

    def fill(self) -> Path:
        """Writes a file until nothing more fits; the file, as this process finds it."""
        file = self.outside(self.place / "filling")
        with contextlib.suppress(OSError), file.open("wb", buffering=0) as out:
            while out.write(bytes(4096)):
                pass
        assert shutil.disk_usage(file.parent).free == 0
        return file

    def break_down(self) -> None:
        """Lets an ext4 disk meet an error, on which it becomes read-only as disks do in real life."""
        (_ERROR / self._device() / "trigger_fs_error").write_text("a test", encoding="ascii")
        until(self._is_readonly, "the disk is read-only")

    def mend(self) -> None:
        """Unmounts the disk, has it checked, and mounts it again: what an administrator does."""
        device = f"/dev/{self._device()}"
        script = f'img=$(losetup -nO BACK-FILE {device}); umount "{self.place}"; e2fsck -fy "$img" || test $? -lt 4; '
        script += f'mount -o loop,errors=remount-ro "$img" "{self.place}"'
        done = subprocess.run([*self.inside, "sh", "-c", script], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def _device(self) -> str:
        lines = Path(f"/proc/{self.pid}/mounts").read_text(encoding="utf-8").splitlines()
        return next(line.split()[0] for line in lines if line.split()[1] == str(self.place)).rpartition("/")[2]

    def _is_readonly(self) -> bool:
        try:
            self.outside(self.place / "looking").touch()
        except OSError:
            return True
        return False


@contextmanager
def small(place: Path, *, megabytes: int) -> Iterator[Den]:
    """A disk in memory."""
    with _holding(place, f'mount -t tmpfs -o size={megabytes}m,mode=0700 none "{place}"') as den:
        yield den


@contextmanager
def breakable(place: Path, *, megabytes: int) -> Iterator[Den]:
    """A disk with a journal, in a file beside its place."""
    image = place.with_suffix(".img")
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    made = subprocess.run(["mkfs.ext4", "-q", str(image)], check=False, capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"no ext4 disk can be made: {made.stderr.strip()[-200:]}")
    with _holding(place, f'mount -o loop,errors=remount-ro "{image}" "{place}"') as den:
        yield den


@contextmanager
def _holding(place: Path, mount: str) -> Iterator[Den]:
    _want_rights()
    place.mkdir()
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _HOLD.format(mount=mount, place=place)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stderr is not None
        if holder.stdout.readline() != b"mounted\n":
            pytest.skip(f"no disk can be mounted here: {holder.stderr.read().decode().strip()[-200:]}")
        yield Den(place, holder.pid)


def _want_rights() -> None:
    """Skips where a mount namespace cannot be had."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root: run the tests as root to try full and broken disks")
    for program, package in (("unshare", "util-linux"), ("nsenter", "util-linux"), ("mkfs.ext4", "e2fsprogs")):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is missing. Debian: apt-get install {package}")
