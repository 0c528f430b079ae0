"""The documentation is held to the product: commands, settings, fields, links, and the tour that is really walked."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from digest import rules
from digest.config import Settings
from digest.intake import markdown
from subscribers import offers, sheets

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "examples").glob("*.md")])
RUN = re.compile(r"^<!-- run -->\n```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def commands() -> Iterator[tuple[str, Any]]:
    """Every command of the command line with its whole name; groups are walked and not named."""
    import typer

    from digest.cli import app

    def walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        if hasattr(command, "commands"):
            for word, inner in command.commands.items():
                yield from walk(f"{name} {word}", inner)
        else:
            yield name, command

    yield from walk("digest", typer.main.get_command(app))


def keys(model: type[BaseModel], within: str = "") -> Iterator[tuple[str, str]]:
    """Every section and key of the settings file."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from keys(field.annotation, f"{within}.{name}" if within else name)
        else:
            yield within, name


def rows_of(text: str, heading: str) -> set[str]:
    """The names in the first column of the tables below a heading, up to the next heading of that rank."""
    rank = heading.split(" ")[0]
    part = re.split(rf"^{re.escape(rank)} ", text.split(f"\n{heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    cells = re.findall(r"^\| (`[^|]*) \|", part, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def anchors(text: str) -> set[str]:
    """The anchors that headings get: small letters, hyphens for spaces, other signs left out."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_command_has_help_and_stands_in_the_reference() -> None:
    text = page("reference/commands.md")
    walked = dict(commands())
    assert walked
    assert [name for name, command in walked.items() if not (command.help or "").strip()] == []
    assert [name for name in walked if not re.search(rf"^\| `{name}[ `]", text, re.MULTILINE)] == []


def test_the_reference_names_no_command_that_is_not_there() -> None:
    named = re.findall(r"^\| `(digest [a-z-]+(?: [a-z]+)?)", page("reference/commands.md"), re.MULTILINE)
    known = {name for name, _ in commands()}
    assert [name for name in named if name not in known and " ".join(name.split()[:2]) not in known] == []


def test_every_setting_stands_in_the_reference_and_no_other() -> None:
    text = page("reference/settings.md")
    known = list(keys(Settings))
    for section in dict(known):
        assert rows_of(text, f"### `[{section}]`") == {key for one, key in known if one == section}, section


def test_every_setting_of_a_digest_stands_in_the_reference_and_no_other() -> None:
    assert rows_of(page("reference/settings.md"), "## Of a digest") == {*rules.OF_DIGEST, *rules.OF_SERIES, offers.KEY}


def test_every_field_of_an_item_and_every_column_of_people_is_explained() -> None:
    assert rows_of(page("reference/markdown.md"), "## Fields") == set(markdown.FIELDS)
    assert rows_of(page("how-to/bring-in-subscribers.md"), "## Columns") == set(sheets.COLUMNS)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_and_headings_that_are_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    broken = []
    for target in LINK.findall(FENCED.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists() or (anchor and anchor not in anchors(file.read_text(encoding="utf-8"))):
            broken.append(target)
    assert broken == []


def test_every_page_can_be_reached_from_the_index() -> None:
    seen: set[Path] = set()
    ahead = [DOCS / "README.md"]
    while ahead:
        path = ahead.pop()
        if path in seen:
            continue
        seen.add(path)
        targets = (target.partition("#")[0] for target in LINK.findall(path.read_text(encoding="utf-8")))
        ahead += [
            (path.parent / target).resolve() for target in targets if target.endswith(".md") and ":" not in target
        ]
    assert set(DOCS.rglob("*.md")) - seen == set()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", sorted((DOCS / "start").glob("*.md")), ids=lambda path: path.stem)
def test_the_tour_works_as_it_is_written(path: Path, tmp_path: Path) -> None:
    blocks = RUN.findall(path.read_text(encoding="utf-8"))
    assert blocks
    digest = tmp_path / "bin" / "digest"
    digest.parent.mkdir()
    digest.write_text(
        f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -c 'import sys; from digest.cli import main; sys.exit(main())' "
        '"$@"\n'
    )
    digest.chmod(0o755)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DIGEST_")} | {
        "DIGEST_HOME": str(tmp_path / "home of mine"),
        "PATH": f"{digest.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    script = "\n".join(["digest up --once", *blocks])
    done = subprocess.run(
        ["sh", "-eu", "-c", script], check=False, cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    again = subprocess.run(
        ["sh", "-c", "digest send weekly --yes --wait"], check=False, env=environment, capture_output=True, text=True
    )
    assert again.returncode == 1, "sent again, it should refuse: nothing is new"
