"""What a form sends: fields by name, as plain text, and files. The border between strangers' bodies and the services.

Promises: so many fields and no more, each one line or text without control characters and no longer than was asked
for; a field that should come once and comes twice counts as wrong, and is never guessed. Files come only where the
route is made for them (`TAKES_FILES`), and how much may come at once is the route's to say. Refuses: every other kind
of body (that is a form without fields).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl

from litestar.datastructures import UploadFile
from litestar.exceptions import ClientException

from digest import markup, media
from digest.errors import BadInput
from digest.web import look
from digest.web.look import WebRequest
from digest.web.uploads import Coming, Unreadable

PLAIN = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data"  # RFC 7578
MOST = 100  # fields of a plain form; those of a form in parts are as many as the server allows
LARGEST = 64 * 1024  # bytes of a form without files
TAKES_FILES = "takes_files"  # the option of a route whose form may come in parts
WITH_FILES = 2 * media.LARGEST + 2_000_000  # bytes of such a form: a PDF, a picture and a long text
TAKES_LARGE = "takes_large"  # the option of a route whose form brings one file, that goes to the disk as it comes
_OPEN, _STREAMED = "open_files", "streamed_form"  # of a request
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


@dataclass(frozen=True)
class Upload:
    """A file as somebody chose it: what it is called there, and its bytes, of which nothing is known yet.

    A large one is at `half` instead, until somebody keeps it (see `parking`) or the form has been dealt with.
    """

    name: str
    data: bytes
    half: Path | None = None


@dataclass(frozen=True)
class Form:
    """The fields and the files of one form."""

    fields: Mapping[str, tuple[str, ...]]
    files: Mapping[str, tuple[Upload, ...]] = field(default_factory=dict)

    def one(self, name: str, *, most: int = 200) -> str:
        """A field on one line, empty when it did not come. Raises BadInput when it came twice or is too long."""
        return markup.line(self._one(name, most))

    def text(self, name: str, *, most: int) -> str:
        """The same, with its lines."""
        return _UNFIT.sub("", self._one(name, most).replace("\r\n", "\n")).strip()

    def prose(self, name: str, *, most: int) -> str:
        """A long text exactly as it was typed, its lines ending in LF: what may stay of it is for `markup` to say."""
        return self._one(name, most).replace("\r\n", "\n").replace("\r", "\n").strip()

    def typed(self, *names: str) -> dict[str, str]:
        """These fields as they came, whatever is wrong with them, so that nobody has to type them again."""
        first = {name: next(iter(self.fields.get(name, ())), "") for name in names}
        return {name: _UNFIT.sub("", value.replace("\r\n", "\n")) for name, value in first.items()}

    def faults(self, *names: str, most: int) -> dict[str, str]:
        """What is wrong with these fields, by name: those that came twice or are longer than `most`."""
        wrong = {}
        for name in names:
            try:
                self._one(name, most)
            except BadInput as error:
                wrong[name] = error.problem.said
        return wrong

    def file(self, name: str) -> Upload | None:
        """A file, when one was chosen. Raises BadInput when there are several."""
        found = self.files.get(name, ())
        if len(found) > 1:
            raise BadInput(name, "Several files came.", "Choose one.")
        return found[0] if found else None

    def secret(self, name: str, *, most: int) -> str:
        """A password, exactly as it was typed, in the one form that Unicode has for it (RFC 8265, section 4.2)."""
        return unicodedata.normalize("NFC", self._one(name, most))

    def every(self, name: str) -> tuple[str, ...]:
        """All values of a field that may come several times, each on one line."""
        return tuple(markup.line(value)[:200] for value in self.fields.get(name, ()))

    def _one(self, name: str, most: int) -> str:
        values = self.fields.get(name, ())
        if len(values) > 1:
            raise BadInput(name, "It came twice.", "Send the form once more.")
        value = values[0] if values else ""
        if len(value) > most:
            raise BadInput(name, f"It is longer than {most} characters.", "Shorten it.")
        return value


async def read(request: WebRequest) -> Form:
    """The form in the body of this request; without fields when the body is none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == PARTS and request.route_handler.opt.get(TAKES_FILES):
        return await _parts(request)
    if kind == PARTS and request.route_handler.opt.get(TAKES_LARGE):
        return await _streamed(request)
    if kind != PLAIN:
        return Form({})
    body = (await request.body()).decode("utf-8", "replace")
    try:
        pairs = parse_qsl(body, keep_blank_values=True, max_num_fields=MOST)
    except ValueError:
        return Form({})
    fields: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        fields[name] = (*fields.get(name, ()), value)
    return Form(fields)


async def discard(request: WebRequest) -> None:
    """Closes the files of a form that is refused after it was read: the server does so only behind the door.

    A large file that nobody has kept is deleted.
    """
    for file in request.state.get(_OPEN, ()):
        await file.close()
    streamed = request.state.get(_STREAMED)
    for upload in (one for those in streamed.files.values() for one in those) if streamed else ():
        upload.half.unlink(missing_ok=True)


async def _streamed(request: WebRequest) -> Form:
    """A form with one large file, read once; without fields when it is none."""
    found: Form | None = request.state.get(_STREAMED)
    if found is None:
        coming = Coming(look.of(request).home, str(request.content_type[1].get("boundary", "")), LARGEST)
        try:
            await coming.read(request.stream())
            files = {coming.field: (Upload(coming.name, b"", coming.half),)} if coming.half else {}
            found = Form(coming.fields, files)
        except Unreadable:
            found = Form({})
        request.state[_STREAMED] = found
    return found


async def _parts(request: WebRequest) -> Form:
    """A form in parts. Raises what the server answers to more than the route allows."""
    try:
        parts = await request.form()
    except ClientException as error:
        if error.status_code == 413:
            raise
        return Form({})
    except (UnicodeDecodeError, LookupError):  # text that is not in the encoding that it names
        return Form({})
    fields: dict[str, tuple[str, ...]] = {}
    files: dict[str, tuple[Upload, ...]] = {}
    request.state[_OPEN] = [value for _, value in parts.multi_items() if isinstance(value, UploadFile)]
    for name, value in parts.multi_items():
        if isinstance(value, UploadFile):
            await value.seek(0)  # whoever read the form before has read it to its end
            files[name] = (*files.get(name, ()), Upload(value.filename, await value.read(media.LARGEST + 1)))
        else:
            fields[name] = (*fields.get(name, ()), value)
    return Form(fields, files)
