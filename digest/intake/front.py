"""Front matter: the YAML block on top of a Markdown file, read as plain text with the line of every field.

Promises: nothing is constructed from YAML but text, lists and maps of text, so a file cannot make objects; every
fault names its line. Refuses: files that are no text in UTF-8, links, aliases (a few lines of them can fill the
memory), deep nesting, a field given twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from digest import markup, media
from digest.errors import BadInput

LARGEST = 16_000  # characters
LARGEST_FILE = 2_000_000  # bytes
DEEPEST = 5


@dataclass(frozen=True)
class Front:
    """The fields by name, the line that each stands on, and the text below them."""

    fields: dict[str, Any]  # text, None, lists and maps of these
    body: str
    lines: dict[str, int] = field(default_factory=dict)
    begins: int = 1  # the line on which the body begins

    def text(self, name: str) -> str:
        """The field as one text, empty when it is not given. Raises BadInput for a list or a map."""
        return scalar(name, self.fields.get(name))

    def at(self, name: str) -> str:
        """The place of a field, as "line N (field)"."""
        return f"line {self.lines.get(name, 1)} ({markup.line(name)})"


def read(folder: Path, name: str) -> str:
    """The text of a file inside `folder`, its lines ending in LF. Raises BadInput, its place being "line N"."""
    data = media.read(folder, name, LARGEST_FILE, "line 1")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadInput(f"line {line}", "It is not UTF-8.", "Save the file in the encoding UTF-8.") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise BadInput(f"line {line}", "It holds a NUL character.", "Save it as a text file.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def scalar(name: str, value: Any) -> str:
    """A value as one text. Raises BadInput, naming the field, for a list or a map."""
    if isinstance(value, list | dict):
        raise BadInput(name, "It is a list or a map, and must be one text.", f"Write {name}: and the text, quoted.")
    return (value or "").strip()


def split(text: str, begin: str = "Begin with --- and title:, kind: and date:.") -> Front:
    """A file's front matter and body. Raises BadInput, its place being "line N" or "line N (field)".

    `begin` is the remedy for a file without front matter.
    """
    lines = text.split("\n")
    if lines[0].rstrip() != "---":
        raise BadInput("line 1", "It does not begin with front matter.", begin)
    end = next((n for n, one in enumerate(lines[1:], start=1) if one.rstrip() in ("---", "...")), None)
    if end is None:
        raise BadInput("line 1", "The front matter does not end.", "Close it with a line of ---.")
    block = "\n".join(lines[1:end])
    if len(block) > LARGEST:
        raise BadInput("line 1", f"The front matter is longer than {LARGEST} characters.", "Move text to the body.")
    fields, at = _fields(block)
    rest = "\n".join(lines[end + 1 :])
    body = rest.lstrip("\n")
    return Front(fields, body.rstrip("\n"), at, end + 2 + len(rest) - len(body))


def _fields(block: str) -> tuple[dict[str, Any], dict[str, int]]:
    try:
        _forbid(block)
        node = yaml.compose(block, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 2}" if mark else "line 2"
        raise BadInput(where, f"This is no YAML: {error.problem}.", "Quote values that hold : or #.") from error
    except yaml.YAMLError as error:
        raise BadInput("line 2", "This is no YAML: it holds a character that may not stand there.", "") from error
    if not isinstance(node, yaml.MappingNode):
        raise BadInput("line 2", "The front matter holds no fields.", "Write lines such as title: A title.")
    return _map(node), {key.value: key.start_mark.line + 2 for key, _ in node.value}


def _forbid(block: str) -> None:
    depth = 0
    for event in yaml.parse(block, Loader=yaml.SafeLoader):
        where = f"line {event.start_mark.line + 2}" if event.start_mark else "line 2"
        if isinstance(event, yaml.AliasEvent):
            raise BadInput(where, "It uses a YAML alias (*).", "Write the value out, or quote it.")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise BadInput(where, "It is nested too deep.", "Fields hold text, or lists of text.")


def _map(node: yaml.MappingNode) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, value in node.value:
        where = f"line {key.start_mark.line + 2}"
        if not isinstance(key, yaml.ScalarNode):
            raise BadInput(where, "The name of a field is no text.", "Write lines such as title: A title.")
        if key.value in fields:
            raise BadInput(f"{where} ({key.value[:40]})", "It is given twice.", "Keep one of the two.")
        fields[key.value] = _value(value)
    return fields


def _value(node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _map(node)
    if isinstance(node, yaml.SequenceNode):
        return [_value(one) for one in node.value]
    return None if node.tag == "tag:yaml.org,2002:null" else node.value
