"""Sets up the checkout's own environment in `.venv`, then starts the product (`run`) or the checks (`test`).

Promises: with only Python 3.11 or newer and the standard library it makes what is missing, once: a stamp of the lock
file's hash and the Python version says that nothing is to be done, and then it needs neither network nor a second.
Packages come through pip, with hashes, by pip's ordinary configuration. Two that start at once wait for each other.
Refuses: to touch the system's Python. What it cannot do it says in one line; as root it asks apt-get first.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

LOCKS = {"run": "requirements.lock", "test": "requirements-test.lock"}  # the second holds all of the first
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SABOTEURS = ("strace", "faketime", "postfix")  # programs, named like their packages, of the tests of crashes and faults
ADMIN_PROGRAMS = "/usr/sbin"
SOMEBODYS_MAIL_SERVER = Path("/etc/postfix/main.cf")  # without it Debian's Postfix does not start
MOST_WORKERS = 8


class Stop(Exception):
    """It cannot go on; the message says why and what to do."""


@dataclass(frozen=True)
class Checkout:
    """A copy of the project on this machine."""

    root: Path

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        return self.venv / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"

    def stamp(self, kind: str) -> Path:
        return self.venv / f"stamp-{kind}"

    def wanted(self, kind: str) -> str:
        """What the stamp says when the environment is right: the Python, the place, and the hash of the lock."""
        lock = hashlib.sha256((self.root / LOCKS[kind]).read_bytes()).hexdigest()
        return f"Python {sys.version.split()[0]}\n{self.venv}\n{lock}\n"

    def is_ready(self, kind: str) -> bool:
        """Whether nothing is to be done."""
        return self.is_whole() and _read(self.stamp(kind)) == self.wanted(kind)

    def is_whole(self) -> bool:
        """Whether there is an environment of this Python at this place. Half-made ones have no pip."""
        whole = self.python.exists() and (self.venv / "bin" / "pip").exists() and self.site_packages.is_dir()
        return whole and _read(self.venv / "place") == f"{self.venv}\n"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def main(arguments: Sequence[str]) -> int:
    """Sets up for the first argument, `run` or `test`, and hands the others on."""
    checkout = Checkout(Path(__file__).resolve().parent.parent)
    kind, *others = arguments
    try:
        set_up(checkout, kind)
        if kind == "run":
            start(checkout, others)
        return check(checkout, others)
    except Stop as stop:
        print(stop, file=sys.stderr)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
    return 1


# --- setting up ------------------------------------------------------------------------------------------------


def set_up(checkout: Checkout, kind: str) -> None:
    """Makes the environment ready for `run` or `test`, unless it is."""
    with _alone(checkout):
        if not checkout.is_ready(kind):
            began = time.monotonic()
            if not checkout.is_whole():
                _make_venv(checkout)
            _install(checkout, kind)
            _say(f"Ready after {time.monotonic() - began:.0f} s. From now on no network is needed.")
        link(checkout)


@contextlib.contextmanager
def _alone(checkout: Checkout) -> Iterator[None]:
    with (checkout.root / ".setup.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("Another start is setting up this folder; waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make_venv(checkout: Checkout) -> None:
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        if not _apt_get(package):
            raise Stop(f"Python's venv module is missing. Install it (Debian: apt-get install {package}), then again.")
    _say(f"Making the environment {checkout.venv} ...")
    shutil.rmtree(checkout.venv, ignore_errors=True)
    if subprocess.run([sys.executable, "-m", "venv", str(checkout.venv)], check=False).returncode != 0:
        raise Stop(f"The environment {checkout.venv} could not be made; the lines above say why.")
    (checkout.venv / "place").write_text(f"{checkout.venv}\n", encoding="utf-8")


def _install(checkout: Checkout, kind: str) -> None:
    _say("Installing the packages, which takes a minute or two the first time ...")
    for each in LOCKS:
        checkout.stamp(each).unlink(missing_ok=True)
    wanted = {each: checkout.wanted(each) for each in (LOCKS if kind == "test" else (kind,))}
    options = ["-qq", "--no-input", "--require-hashes", "--root-user-action=ignore", "--progress-bar=off"]
    command = [str(checkout.python), "-m", "pip", "install", *options, "-r", str(checkout.root / LOCKS[kind])]
    # A user's settings for other projects must not send packages elsewhere.
    settings = {"PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_REQUIRE_VIRTUALENV": "0"}
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONHOME", "PIP_TARGET", "PIP_PREFIX")}
    if subprocess.run(command, check=False, env=kept | settings).returncode != 0:
        raise Stop(
            "The packages could not be installed; the lines above say why. Mend it (is there a network?), then again."
        )
    for each, text in wanted.items():
        checkout.stamp(each).write_text(text, encoding="utf-8")


def _apt_get(*packages: str) -> bool:
    """Whether the packages were installed: only root on a Debian-like system can. Nothing is removed for them."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    _say(f"Installing {', '.join(packages)} with apt-get ...")
    settings = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "--no-remove", *packages]
    return all(
        subprocess.run(command, check=False, env=settings, stdout=subprocess.DEVNULL).returncode == 0
        for command in (["apt-get", "update", "--quiet"], install)
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


# --- the project inside its environment ------------------------------------------------------------------------


def link(checkout: Checkout) -> None:
    """Makes the checkout importable in the environment, its entry points known, and its commands startable.

    This is what an editable install does, without a build tool that would have to be downloaded first.
    """
    project = tomllib.loads((checkout.root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    for old in checkout.site_packages.glob(f"{project['name'].replace('-', '_')}-*.dist-info"):
        if old.name != info:
            shutil.rmtree(old)
    files = {
        f"{project['name']}.pth": f"{checkout.root}\n",
        f"{info}/METADATA": metadata,
        f"{info}/INSTALLER": "tools/bootstrap.py\n",
        f"{info}/entry_points.txt": entry_points(project.get("scripts", {}), project.get("entry-points", {})),
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    for name, text in files.items():
        _keep(checkout.site_packages / name, text)
    for command, target in project.get("scripts", {}).items():
        _keep(checkout.venv / "bin" / command, launcher(checkout, target), mode=0o755)


def entry_points(scripts: dict[str, str], others: dict[str, dict[str, str]]) -> str:
    """The project's entry points as `importlib.metadata` reads them."""
    return "".join(
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in points.items())
        for group, points in {"console_scripts": scripts, **others}.items()
    )


def launcher(checkout: Checkout, target: str) -> str:
    """A command that is sh to the system and Python to Python: its path may be long and hold spaces."""
    module, _, function = target.partition(":")
    return (
        f"#!/bin/sh\n'''exec' {shlex.quote(str(checkout.python))} -P \"$0\" \"$@\"\n' '''\n"
        f"import sys\n\nfrom {module} import {function}\n\nsys.exit({function}())\n"
    )


def _keep(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Writes the file unless it says so already; whoever reads it meanwhile sees the old one or the new one."""
    if _read(path) == text:
        return
    path.parent.mkdir(exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.chmod(mode)
    fresh.replace(path)


# --- starting --------------------------------------------------------------------------------------------------


def start(checkout: Checkout, arguments: Sequence[str]) -> None:
    """Becomes `digest up`, with the home `var` in the checkout unless DIGEST_HOME names another."""
    os.environ.setdefault("DIGEST_HOME", str(checkout.root / "var"))
    command = str(checkout.venv / "bin" / "digest")
    os.execv(command, [command, "up", *arguments])  # noqa: S606 - no shell is wanted


def check(checkout: Checkout, arguments: Sequence[str]) -> int:
    """Runs every check, whatever the others say; 0 when all are content. The arguments are for pytest."""
    _want_servers()
    _want_saboteurs()
    results = [(name, *_timed(name, command, checkout)) for name, command in checks(checkout, arguments)]
    print(
        "\n" + "\n".join(f"{'ok    ' if code == 0 else 'FAILED'} {took:6.1f} s  {name}" for name, code, took in results)
    )
    return int(any(code for _, code, _ in results))


def checks(checkout: Checkout, arguments: Sequence[str]) -> list[tuple[str, list[str]]]:
    """The checks by name, in the order of what they cost."""
    python = [str(checkout.python), "-m"]
    workers = max(2, min(os.cpu_count() or 2, MOST_WORKERS))
    return [
        ("ruff check", [*python, "ruff", "check"]),
        ("ruff format", [*python, "ruff", "format", "--check"]),
        ("mypy", [*python, "mypy"]),
        ("import-linter", [str(checkout.venv / "bin" / "lint-imports")]),
        ("pytest", [*python, "pytest", "-n", str(workers), *arguments]),
    ]


def _timed(name: str, command: Sequence[str], checkout: Checkout) -> tuple[int, float]:
    print(f"\n== {name}", flush=True)
    began = time.monotonic()
    code = subprocess.run(command, check=False, cwd=checkout.root).returncode
    return code, time.monotonic() - began


def _want_servers() -> None:
    """Sees to Chromium and PostgreSQL, which the tests drive and pip does not bring."""
    if not any(shutil.which(name) for name in BROWSERS) and not _apt_get("chromium"):
        _say("There is no Chromium: the tests in a browser cannot run. Debian: apt-get install chromium")
    found = shutil.which("postgres") or list(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found and "DIGEST_TEST_POSTGRES" not in os.environ and not _apt_get("postgresql"):
        _say("There is no PostgreSQL: its tests cannot run. Debian: apt-get install postgresql")


def _want_saboteurs() -> None:
    """Sees to the programs that strike or deceive a running send, and to a real mail server that stays without work."""
    path = f"{os.environ.get('PATH', os.defpath)}:{ADMIN_PROGRAMS}"
    for name in SABOTEURS:
        if shutil.which(name, path=path) is None and not (_may_have(name) and _apt_get(name)):
            _say(f"There is no {name}: its tests are skipped. Debian: apt-get install {name}")


def _may_have(name: str) -> bool:
    """Whether a package can do no harm here: a mail server is told first that it gets no work, and never starts."""
    if name != "postfix":
        return True
    if os.geteuid() != 0 or not shutil.which("debconf-set-selections") or SOMEBODYS_MAIL_SERVER.exists():
        return False
    answer = "postfix postfix/main_mailer_type select No configuration\n"
    return subprocess.run(["debconf-set-selections"], input=answer, text=True, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
