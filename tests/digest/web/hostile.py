"""What nobody ought to send, for every form and page of the site: values, fields and bodies that break careless code.

A form is taken as it stands on its page, so that what is sent gets past the first check, and one thing or two about it
are changed. `faults` says what is wrong with an answer: a fault of ours (5xx), none at all, half a page, or a form
that comes back without what was typed into it.
"""

from __future__ import annotations

import html
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote, quote_plus, urljoin

import httpx
import lxml.html

from tests.digest.web.hostile_values import BODIES, FILES, PATHS, PLAIN, VALUES

BOUNDARY = "-----------------------------4711"
PARTS = f"multipart/form-data; boundary={BOUNDARY}"
TYPED = ("text", "email", "search", "url", "tel", "textarea")  # a browser sends nothing but days from a field of days
# A trap that people do not see; what is typed anew each time; and what comes back as ticked boxes.
ANEW = ("website", "typed", "code", "new_topics")


@dataclass(frozen=True)
class Field:
    """A field as it stands on a page."""

    name: str
    value: str
    kind: str  # as HTML has it: text, hidden, checkbox, file, textarea, select ...

    @property
    def is_typed(self) -> bool:
        """Whether somebody types it, and would have to type it again."""
        return self.kind in TYPED and self.name not in ANEW


@dataclass(frozen=True)
class Sheet:
    """A form as it stands on the page at `page`."""

    page: str
    action: str
    fields: tuple[Field, ...]
    in_parts: bool


@dataclass(frozen=True)
class Attempt:
    """One request, in words, and as it is sent; `kept` is what must stand on the page that refuses it."""

    what: str
    address: str
    body: bytes = b""
    kind: str = ""
    kept: tuple[str, ...] = ()
    method: str = "POST"

    def told(self) -> str:
        """Enough to send it again."""
        return f"{self.method} {self.address[:150]} ({self.what})"


# --- what stands on a page -------------------------------------------------------------------------------------


def sheets(page: str, address: str) -> Iterator[Sheet]:
    """The forms of a page that change something, once for each button."""
    for form in lxml.html.fromstring(page).forms:
        if form.method.upper() != "POST":
            continue
        fields = [one for one in map(_field, form.xpath(".//input | .//textarea | .//select")) if one]
        in_parts = form.get("enctype") == "multipart/form-data"
        outside = form.xpath("//button[@form=$id]", id=form.get("id")) if form.get("id") else []
        for button in (*form.xpath(".//button"), *outside):
            if button.get("type") == "button":
                continue
            pressed = [Field(button.get("name"), button.get("value", ""), "button")] if button.get("name") else []
            action = button.get("formaction") or form.get("action") or address
            yield Sheet(address, urljoin(address, action).partition("#")[0], (*fields, *pressed), in_parts)


def _field(element: lxml.html.HtmlElement) -> Field | None:
    kind = element.get("type", "text").lower() if element.tag == "input" else element.tag
    name = element.get("name")
    if not name or kind in ("submit", "button"):
        return None
    if kind in ("checkbox", "radio"):
        return Field(name, element.get("value", "on") if element.checked else "", kind)
    return Field(name, str(element.value or "").removeprefix("\n"), kind)


# --- what is sent ----------------------------------------------------------------------------------------------


def attempts(sheet: Sheet, dice: random.Random) -> Iterator[Attempt]:
    """Without end: the form with one thing or two about it changed."""
    ways = (*([_values] * 4), _missing, _doubled, _many, _swapped, _garbage, *([_files] * 3 * sheet.in_parts))
    filled = _filled(sheet)
    while True:
        yield dice.choice(ways)(sheet, filled, dice)


def _filled(sheet: Sheet) -> list[Field]:
    """Its fields, and words in those that were empty: they must not get lost when another one is wrong."""
    found = []
    for one in sheet.fields:
        words = f"kept {one.name} words"
        empty = one.kind in ("text", "textarea") and one.is_typed and not one.value
        found.append(Field(one.name, words, one.kind) if empty else one)
    return found


def _sent(sheet: Sheet, fields: Sequence[Field], what: str, more: Sequence[tuple[str, str | bytes]] = (), *,
          kept: Sequence[str] = ()) -> Attempt:  # fmt: skip
    pairs: list[tuple[str, str | bytes]] = [(one.name, one.value) for one in fields if _goes(one)]
    body = (_parts if sheet.in_parts else plain)([*pairs, *more])
    return Attempt(what, sheet.action, body, PARTS if sheet.in_parts else PLAIN, tuple(kept))


def _goes(field: Field) -> bool:
    return field.kind != "file" and (field.kind not in ("checkbox", "radio") or bool(field.value))


def _others(fields: Sequence[Field], *changed: str) -> list[str]:
    return [one.value for one in fields if one.is_typed and one.name not in changed and one.value.strip()]


def _values(sheet: Sheet, filled: Sequence[Field], dice: random.Random) -> Attempt:
    """Hostile values in one field, or in two."""
    own = [one for one in filled if one.name != "form_token" and one.kind != "file"]
    if not own:
        return _garbage(sheet, filled, dice)
    fields = filled if dice.random() < 0.5 else sheet.fields
    changed = dice.sample(own, min(len(own), dice.choice((1, 1, 1, 2))))
    values = [(one, dice.choice(VALUES)) for one in changed]
    names = {one.name for one in changed}
    rest = [one for one in fields if one.name not in names]
    kept = []
    if all(one.is_typed for one in changed):
        kept = _others(fields, *names)
        kept += [value for _, value in values if isinstance(value, str) and _is_plain(value)]
    what = ", ".join(f"{one.name} = {value[:60]!r}{'...' if len(value) > 60 else ''}" for one, value in values)
    return _sent(sheet, rest, what, [(one.name, value) for one, value in values], kept=kept)


def _is_plain(value: str) -> bool:
    """Whether it is shown again just as it came."""
    return value.isascii() and value.isalnum() and len(value) < 5_000


def _missing(sheet: Sheet, filled: Sequence[Field], dice: random.Random) -> Attempt:
    own = sorted({one.name for one in filled} - {"form_token"})
    gone = set(dice.sample(own, dice.randint(0, len(own))))
    return _sent(sheet, [one for one in filled if one.name not in gone], f"without {sorted(gone)}")


def _doubled(sheet: Sheet, filled: Sequence[Field], dice: random.Random) -> Attempt:
    twice = dice.choice([*filled, Field("nothing", "", "hidden")])
    value = dice.choice((twice.value, "", "1", dice.choice(VALUES)))
    return _sent(sheet, filled, f"{twice.name} twice: {value[:40]!r}", [(twice.name, value)])


def _many(sheet: Sheet, filled: Sequence[Field], dice: random.Random) -> Attempt:
    n = dice.choice((1, 80, 101, 1_500))
    names = dice.choice(("field{}", "author-{}-name", "topics", "topic", "\x00{}", "{}[]", "x" * 2_000 + "{}"))
    return _sent(sheet, filled, f"{n} fields more: {names[:30]!r}", [(names.format(k), "x") for k in range(n)])


def _swapped(sheet: Sheet, filled: Sequence[Field], dice: random.Random) -> Attempt:
    """Each value under the name of another."""
    own = [one for one in filled if one.name != "form_token"]
    values = [one.value for one in own]
    dice.shuffle(values)
    token = [one for one in filled if one.name == "form_token"]
    mixed = [Field(one.name, value, "hidden") for one, value in zip(own, values, strict=True)]
    return _sent(sheet, [*token, *mixed], f"swapped: {[(one.name, one.value[:20]) for one in mixed]}")


def _garbage(sheet: Sheet, filled: Sequence[Field], dice: random.Random) -> Attempt:
    """Another body altogether, or a good one that is cut off or says that it is another kind."""
    kind, body = dice.choice(BODIES)
    good = _sent(sheet, filled, "")
    how = dice.randrange(4)
    if how == 0:
        return Attempt(f"cut off at {len(good.body) // 2}", sheet.action, good.body[: len(good.body) // 2], good.kind)
    if how == 1:
        return Attempt(f"as {kind[:60]!r}", sheet.action, good.body, kind)
    if how == 2:
        body = _parts([(one.name, one.value) for one in filled if _goes(one)])
        return Attempt("in parts", sheet.action, body, PARTS)
    return Attempt(f"{kind[:60]!r}: {body[:40]!r}", sheet.action, body, kind)


def _files(sheet: Sheet, filled: Sequence[Field], dice: random.Random) -> Attempt:
    """Files that are not what they say."""
    names = [one.name for one in filled if one.kind == "file"]
    chosen = [(name, dice.choice(FILES)) for name in dice.choices(names, k=dice.choice((1, 1, 2)))]
    head = _parts([(one.name, one.value) for one in filled if _goes(one)]).removesuffix(_end())
    body = head + b"".join(_file(name, *file) for name, file in chosen) + _end()
    what = ", ".join(f"{name} = {file[0][:40]!r} {file[1][:30]!r} {file[2][:30]!r}" for name, file in chosen)
    return Attempt(what, sheet.action, body, PARTS, tuple(_others(filled)))


def plain(pairs: Sequence[tuple[str, str | bytes]]) -> bytes:
    """A body as browsers send it; bytes stand in it as they are when they begin with a percent sign."""
    return b"&".join(_quoted(name) + b"=" + _quoted(value) for name, value in pairs)


def _quoted(value: str | bytes) -> bytes:
    if isinstance(value, bytes) and value.startswith(b"%"):
        return value
    data = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
    return quote_plus(data).encode()


def _end() -> bytes:
    return f"--{BOUNDARY}--\r\n".encode()


def _parts(pairs: Sequence[tuple[str, str | bytes]]) -> bytes:
    made = []
    for name, value in pairs:
        data = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
        named = re.sub(r'[\r\n"\x00]', "?", name)
        made.append(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{named}"\r\n\r\n'.encode() + data + b"\r\n")
    return b"".join(made) + _end()


def _file(field: str, name: bytes, kind: bytes, data: bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="'.encode()
    return head + name + b'"\r\nContent-Type: ' + kind + b"\r\n\r\n" + data + b"\r\n"


# --- pages -----------------------------------------------------------------------------------------------------


def looks(address: str, parameters: Sequence[int], names: Sequence[str], dice: random.Random) -> Iterator[Attempt]:
    """Without end: a page with hostile parts in its address (at `parameters`), or hostile questions."""
    while True:
        parts = address.split("/")
        if parameters and dice.random() < 0.4:
            parts[dice.choice(parameters)] = dice.choice(PATHS)
        asked = [(dice.choice(names), dice.choice(VALUES)) for _ in range(dice.choice((0, 1, 1, 2)))]
        query = plain([(name, value[:2_000]) for name, value in asked]).decode("ascii")
        path = quote("/".join(parts), safe="/%'*<>")
        what = ", ".join(f"{name} = {value[:60]!r}" for name, value in asked)
        yield Attempt(what or "as it is", f"{path}?{query}" if query else path, method="GET")


# --- what is wrong with an answer ------------------------------------------------------------------------------


def faults(attempt: Attempt, answer: httpx.Response) -> Iterator[str]:
    """What is wrong with it."""
    if answer.status_code >= 500:
        yield f"answered {answer.status_code}"
    if not answer.headers.get("content-type", "").startswith("text/html") or not answer.text:
        if answer.status_code >= 400:
            yield f"answered {answer.status_code} without a page"
        return
    if "</html>" not in answer.text[-200:] and "x-frame" not in answer.headers:
        yield "half a page"
    if answer.status_code < 400:
        return
    page = lxml.html.fromstring(answer.text)
    if len(page.xpath("//h1")) != 1:
        yield f"{answer.status_code} with {len(page.xpath('//h1'))} headings"
    if not page.xpath("//main//a[@href] | //main//button"):
        yield f"{answer.status_code} without a way on"
    if answer.status_code in (400, 409):
        shown = html.unescape(answer.text)
        yield from (f"{answer.status_code}, and lost {one[:60]!r}" for one in attempt.kept if one not in shown)
