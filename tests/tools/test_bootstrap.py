from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from tools import bootstrap
from tools.bootstrap import Checkout

ROOT = Path(__file__).resolve().parents[2]
PROJECT = """
[project]
name = "digest-mailer"
version = "0.1.0"
[project.scripts]
digest = "digest.cli:main"
[project.entry-points."digest.transports"]
maildir = "digest.delivery.transports.local:maildir"
"""
CLI = """
import os, sys
def main():
    print(os.path.basename(sys.argv[0]), sys.argv[1:], os.environ["DIGEST_HOME"], sys.executable)
    return 3
"""


def wheel(folder: Path, name: str) -> str:
    """The line of a lock file for a wheel made here, so that nothing is downloaded."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", "")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return f"{name} @ {path.as_uri()} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A small checkout in a folder with a space, whose locks name one wheel and two."""
    root = tmp_path / "a copy"
    (root / "tools").mkdir(parents=True)
    (root / "digest").mkdir()
    shutil.copy(ROOT / "run", root)
    shutil.copy(ROOT / "tools" / "bootstrap.py", root / "tools")
    (root / "pyproject.toml").write_text(PROJECT)
    (root / "digest" / "__init__.py").touch()
    (root / "digest" / "cli.py").write_text(CLI)
    one, two = wheel(tmp_path, "one"), wheel(tmp_path, "two")
    (root / "requirements.lock").write_text(one)
    (root / "requirements-test.lock").write_text(one + two)
    return Checkout(root)


def pretend_made(checkout: Checkout, kind: str) -> None:
    """The traces that a finished set-up leaves."""
    checkout.site_packages.mkdir(parents=True)
    (checkout.venv / "bin").mkdir()
    checkout.python.touch()
    (checkout.venv / "bin" / "pip").touch()
    (checkout.venv / "place").write_text(f"{checkout.venv}\n")
    checkout.stamp(kind).write_text(checkout.wanted(kind))


def run(checkout: Checkout, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """`./run` as a person types it, on a machine without a network, a home folder or an index of packages."""
    return subprocess.run(
        [str(checkout.root / "run"), *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=checkout.root.parent,
        env={"PATH": os.environ["PATH"], "PIP_NO_INDEX": "1"} | settings,
    )


def test_nothing_is_to_be_done_after_a_finished_set_up(checkout: Checkout) -> None:
    assert not checkout.is_ready("run")
    pretend_made(checkout, "run")
    assert checkout.is_ready("run")
    assert not checkout.is_ready("test")


def test_a_changed_lock_asks_for_the_packages_again_but_keeps_the_environment(checkout: Checkout) -> None:
    pretend_made(checkout, "run")
    with (checkout.root / "requirements.lock").open("a") as lock:
        lock.write("# changed\n")
    assert not checkout.is_ready("run")
    assert checkout.is_whole()


def test_another_python_asks_for_the_packages_again(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_made(checkout, "run")
    monkeypatch.setattr(sys, "version", "3.99.0 (another)")
    assert not checkout.is_ready("run")


@pytest.mark.parametrize("lost", ["bin/pip", "bin/python", "place"])
def test_a_half_made_environment_is_made_anew(checkout: Checkout, lost: str) -> None:
    pretend_made(checkout, "run")
    (checkout.venv / lost).unlink()
    assert not checkout.is_whole()
    assert not checkout.is_ready("run")


def test_an_environment_that_was_moved_is_made_anew(checkout: Checkout) -> None:
    pretend_made(checkout, "run")
    moved = checkout.root.parent / "elsewhere"
    checkout.root.rename(moved)
    assert not Checkout(moved).is_whole()


def test_without_the_venv_module_it_says_so_in_one_line(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(bootstrap.Stop, match=r"^Python's venv module is missing\. .*apt-get install python3\.\d+-venv"):
        bootstrap.set_up(checkout, "run")
    assert not checkout.venv.exists()


def test_the_entry_points_of_the_project_are_found(checkout: Checkout) -> None:
    pretend_made(checkout, "run")
    bootstrap.link(checkout)
    (found,) = importlib.metadata.distributions(path=[str(checkout.site_packages)])
    assert found.version == "0.1.0"
    assert {(point.group, point.name, point.value) for point in found.entry_points} == {
        ("console_scripts", "digest", "digest.cli:main"),
        ("digest.transports", "maildir", "digest.delivery.transports.local:maildir"),
    }


def test_a_new_version_replaces_the_old_one(checkout: Checkout) -> None:
    pretend_made(checkout, "run")
    bootstrap.link(checkout)
    (checkout.root / "pyproject.toml").write_text(PROJECT.replace("0.1.0", "0.2.0"))
    bootstrap.link(checkout)
    (found,) = importlib.metadata.distributions(path=[str(checkout.site_packages)])
    assert found.version == "0.2.0"


def test_two_first_starts_at_once_make_one_environment_and_a_later_one_is_quick(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = [sys.executable, str(checkout.root / "tools" / "bootstrap.py"), "run", "--once"]
    settings = {"PATH": os.environ["PATH"], "PIP_NO_INDEX": "1"}
    pair = [subprocess.Popen(program, text=True, stdout=-1, stderr=-1, env=settings) for _ in range(2)]
    said = [process.communicate(timeout=100) for process in pair]
    assert [process.returncode for process in pair] == [3, 3]
    assert sum("Making the environment" in errors for _, errors in said) == 1
    assert sum("waiting for it" in errors for _, errors in said) == 1
    expected = f"digest ['up', '--once'] {checkout.root / 'var'} {checkout.python}\n"
    assert [output for output, _ in said] == [expected, expected]

    began = time.monotonic()
    again = run(checkout, "--once", DIGEST_HOME="/elsewhere")
    assert time.monotonic() - began < 3
    assert (again.returncode, again.stderr) == (3, "")
    assert again.stdout == expected.replace(str(checkout.root / "var"), "/elsewhere")

    monkeypatch.setenv("PIP_NO_INDEX", "1")
    # The packages of the tests hold those of the product: after them there is nothing to do for `run`.
    bootstrap.set_up(checkout, "test")
    assert checkout.is_ready("run")
    assert (checkout.site_packages / "two.py").exists()


def test_a_package_with_another_hash_is_refused(checkout: Checkout) -> None:
    lock = checkout.root / "requirements.lock"
    lock.write_text(re.sub(r"sha256:\w{4}", "sha256:0000", lock.read_text()))
    refused = run(checkout)
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert refused.stderr.splitlines()[-1].startswith("The packages could not be installed")
    assert not checkout.is_ready("run")


def test_every_check_runs_though_one_fails(checkout: Checkout, capfd: pytest.CaptureFixture[str]) -> None:
    pretend_made(checkout, "test")
    checkout.python.unlink()
    checkout.python.write_text('#!/bin/sh\necho "$@"\ntest "$2" != mypy\n')
    checkout.python.chmod(0o755)
    shutil.copy(checkout.python, checkout.venv / "bin" / "lint-imports")
    assert bootstrap.check(checkout, ["-k", "feeds"]) == 1
    output = capfd.readouterr().out
    assert re.findall(r"^(ok|FAILED) +[\d.]+ s  (.*)$", output, re.MULTILINE) == [
        ("ok", "ruff check"),
        ("ok", "ruff format"),
        ("FAILED", "mypy"),
        ("ok", "import-linter"),
        ("ok", "pytest"),
    ]
    assert re.search(r"^-m pytest -n \d+ -k feeds$", output, re.MULTILINE)


@pytest.mark.parametrize("somebodys", [False, True], ids=["no mail server", "somebody's mail server"])
def test_what_tests_of_faults_need_is_installed_and_no_mail_server_is_started_or_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, somebodys: bool
) -> None:
    log, settings = tmp_path / "log", tmp_path / "main.cf"
    for name in ("apt-get", "debconf-set-selections"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\nread -r line\necho "{name} $* $line" >>"{log}"\n')
        program.chmod(0o755)
    if somebodys:
        settings.touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(bootstrap, "ADMIN_PROGRAMS", str(tmp_path))
    monkeypatch.setattr(bootstrap, "SOMEBODYS_MAIL_SERVER", settings)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    bootstrap._want_saboteurs()
    lines = [line.strip() for line in log.read_text().splitlines() if "apt-get update" not in line]
    install = "apt-get install --yes --quiet --no-install-recommends --no-remove"
    postfix = ["debconf-set-selections  postfix postfix/main_mailer_type select No configuration", f"{install} postfix"]
    assert lines == [f"{install} strace", f"{install} faketime", *([] if somebodys else postfix)]


def test_the_lock_of_the_tests_pins_everything_that_the_product_pins() -> None:
    pins = [
        {line.split(" ")[0] for line in (ROOT / name).read_text().splitlines() if re.match(r"[\w.-]+(\[.*\])?==", line)}
        for name in bootstrap.LOCKS.values()
    ]
    assert pins[0]
    assert pins[0] <= pins[1]
