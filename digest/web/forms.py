"""What a form sends: fields by name, as plain text. The border between strangers' bodies and the services.

Promises: at most a hundred fields, each one line or text without control characters and no longer than was asked
for; a field that should come once and comes twice counts as wrong, and is never guessed. Refuses: every other kind
of body than a plain form's (that is a form without fields).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from digest import markup
from digest.errors import BadInput
from digest.web.look import WebRequest

PLAIN = "application/x-www-form-urlencoded"
MOST = 100  # fields
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


@dataclass(frozen=True)
class Form:
    """The fields of one form."""

    fields: Mapping[str, tuple[str, ...]]

    def one(self, name: str, *, most: int = 200) -> str:
        """A field on one line, empty when it did not come. Raises BadInput when it came twice or is too long."""
        return markup.line(self._one(name, most))

    def text(self, name: str, *, most: int) -> str:
        """The same, with its lines."""
        return _UNFIT.sub("", self._one(name, most).replace("\r\n", "\n")).strip()

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
