"""Files over HTTP: the style sheet and script. Feeds go by `feed_path`, what items carry by `media`.

Promises: what is named by its content may be kept for ever. Refuses: any name that is not one plain file name, so
nothing outside the folder can be reached.
"""

from __future__ import annotations

from pathlib import Path

from litestar import MediaType, Response, get
from litestar.params import FromPath, FromQuery

from digest import accents
from digest.errors import NotFound
from digest.web import look
from digest.web.look import WebRequest

STATIC_TYPES = {".css": MediaType.CSS, ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
FOR_EVER = "public, max-age=31536000, immutable"


@get(f"/static/{look.ACCENTS}")
async def accent_sheet(request: WebRequest, v: FromQuery[str] = "") -> Response[str]:
    """The site's own colors, made of the settings."""
    looks = look.of(request).home.settings.looks
    fresh = FOR_EVER if look.accent_sheet(looks).endswith(f"?v={v}") else "no-cache"
    sheet = accents.style_sheet(accents.of(looks))
    return Response(sheet, media_type=MediaType.CSS, headers={"cache-control": fresh})


@get("/static/{name:str}", sync_to_thread=True)
def static(name: FromPath[str], v: FromQuery[str] = "") -> Response[bytes]:
    """The style sheet, and a small script; kept for ever under the address that holds its hash."""
    path: Path = look.TEMPLATES / "static" / name
    if not look.STATIC_NAME.fullmatch(name) or not path.is_file():
        raise NotFound("There is no such file.")
    fresh = FOR_EVER if v == look.static_hash(name) else "no-cache"
    return Response(path.read_bytes(), media_type=STATIC_TYPES[path.suffix], headers={"cache-control": fresh})


HANDLERS = [static, accent_sheet]
