"""The command line as its user meets it: a home of the example, and a way to run one command in this process."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from digest import cli


@dataclass(frozen=True)
class Told:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as the one JSON document that it must be."""
        assert self.code == 0, self.err
        assert self.err == ""
        return json.loads(self.out)

    @property
    def line(self) -> str:
        """The one line of a refusal, when nothing else was said anywhere."""
        assert self.out == ""
        assert self.err.count("\n") == 1, self.err
        assert "Traceback" not in self.err
        return self.err.rstrip("\n")


Digest = Callable[..., Told]


@pytest.fixture(scope="session")
def example_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the example, made once and copied for each test."""
    path = tmp_path_factory.mktemp("example") / "home"
    result = CliRunner().invoke(cli.app, ["--home", str(path), "setup", "--example"])
    assert result.exit_code == 0, result.output
    structlog.reset_defaults()
    return path


@pytest.fixture
def example(tmp_path: Path, example_template: Path) -> Path:
    """A home with the example's ten items and six people; nothing was sent."""
    return Path(shutil.copytree(example_template, tmp_path / "home"))


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Digest]:
    """Runs the entry point with these arguments, as a shell would."""
    monkeypatch.delenv("DIGEST_HOME", raising=False)
    monkeypatch.delenv("DIGEST_SITE__URL", raising=False)

    def run(*arguments: object) -> Told:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["digest", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        assert ended.value.code is not None
        return Told(int(ended.value.code), out, err)

    yield run
    os.environ.pop("DIGEST_SITE__URL", None)  # `up` sets it for the processes that it starts
    structlog.reset_defaults()


@pytest.fixture
def digest(main: Digest, example: Path) -> Digest:
    """Runs a command in the example's home."""

    def run(*arguments: object) -> Told:
        return main("--home", example, *arguments)

    return run
