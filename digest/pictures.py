"""Foreign pictures made ready for pages: read apart, turned upright, no larger than needed, written anew.

Promises: what comes out holds nothing but the picture: no place, no camera, no names, nothing behind its end; its
colors are sRGB; it is a JPEG where it was a photograph (JPEG, or WebP without transparency), else a PNG; the same
picture gives the same bytes. Never enlarges. Of what moves, the first image stays. Refuses (ValueError): other formats
than PNG, JPEG, WebP and GIF, what is damaged, and more than 50 million pixels.
"""

from __future__ import annotations

import io
import json
import struct
import sys
import warnings
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageCms, ImageOps, ImageSequence

from digest import apart

RECIPE = 1  # to be raised whenever the same picture would come out otherwise
WIDE, NARROW = 1200, 600  # pixels: a column of 600 points, on fine screens and on others
TALL = 2400  # pixels
MOST = 50_000_000  # pixels of what comes in
LIMITS = apart.Limits(seconds=20, answer=40_000_000)
FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
MAGIC = {"PNG": b"\x89PNG\r\n\x1a\n", "JPEG": b"\xff\xd8\xff"}
ENDINGS = {"PNG": "png", "JPEG": "jpg"}
_SAVED: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 85, "optimize": True, "progressive": True},
    "PNG": {"optimize": True},
}
# What decoders raise over damaged bytes, beside ValueError.
BROKEN = (OSError, SyntaxError, EOFError, IndexError, TypeError, OverflowError, ValueError, struct.error)
_TOO_LARGE = f"It has more than {MOST // 1_000_000} million pixels."
_DAMAGED = "It is damaged, or takes too much time or memory to read."


@dataclass(frozen=True)
class Picture:
    """A picture ready for pages. `narrow` is the same one, 600 pixels wide, when it is wider itself."""

    format: str  # PNG, JPEG
    width: int  # pixels
    height: int
    data: bytes
    narrow: bytes = b""


class TooLarge(ValueError):
    """The picture has more pixels than anybody needs; says so in words for people."""


def ready(data: bytes) -> Picture:
    """The picture in these bytes, made ready in a process of its own. Raises ValueError, in words for people."""
    answer = apart.ask("digest.pictures", data=data, limits=LIMITS)
    head, _, rest = (answer or b"").partition(b"\n")
    try:
        told = json.loads(head)
        if "why" in told:
            raise ValueError(str(told["why"])[:200])
        kind, width, height, cut = str(told["format"]), int(told["width"]), int(told["height"]), int(told["cut"])
        found = Picture(kind, width, height, rest[:cut], rest[cut:])
        sound = found.data.startswith(MAGIC[kind]) and found.narrow.startswith((MAGIC[kind], b"")[not found.narrow])
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(_DAMAGED) from error
    if not sound or not (0 < width <= WIDE and 0 < height <= TALL):
        raise ValueError(_DAMAGED)
    return found


# --- in the process of its own ---------------------------------------------------------------------------------


def make(data: bytes) -> Picture:
    """The picture made ready. Trusts nothing, and limits nothing but pixels: see `ready`. Raises ValueError."""
    with warnings.catch_warnings(action="ignore"):  # of what is odd in it
        came, upright = _read(data)
    wide = _within(upright, WIDE, TALL)
    clear = wide.has_transparency_data
    kind = "JPEG" if came == "JPEG" or (came == "WEBP" and not clear) else "PNG"
    narrow = _written(_within(wide, NARROW, TALL), kind) if wide.width > NARROW else b""
    return Picture(kind, wide.width, wide.height, _written(wide, kind), narrow)


def _read(data: bytes) -> tuple[str | None, Image.Image]:
    """The format of the picture, and its first image, ready to be scaled."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            if opened.width * opened.height > MOST:
                raise TooLarge(_TOO_LARGE)
            opened.draft(None, (2 * WIDE, 2 * TALL))  # a JPEG need not be read finer than that
            first = next(iter(ImageSequence.Iterator(opened)))
            first.load()
            return opened.format, _plain(_upright(first))
    except Image.DecompressionBombError as error:
        raise TooLarge(_TOO_LARGE) from error


def _upright(image: Image.Image) -> Image.Image:
    """The picture turned as its Exif says, if that can be read."""
    try:
        return ImageOps.exif_transpose(image)
    except BROKEN:
        return image


def _plain(turned: Image.Image) -> Image.Image:
    """The same picture in sRGB, eight bits a channel, in a mode that every format here knows."""
    profile = turned.info.get("icc_profile")
    deep = turned.mode.startswith("I") or turned.mode == "F"
    if deep:  # sixteen bits a channel
        turned = turned.point(lambda value: value / 257).convert("L")
    elif profile and turned.mode in ("RGB", "RGBA", "CMYK", "L"):
        turned = _srgb(turned, profile)
    if turned.mode not in ("1", "L", "P", "RGB", "RGBA"):
        turned = turned.convert("RGBA" if turned.has_transparency_data else "RGB")
    return turned


def _srgb(image: Image.Image, profile: bytes) -> Image.Image:
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    try:
        theirs = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(image, theirs, ImageCms.createProfile("sRGB"), outputMode=mode) or image
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):  # a broken profile: the numbers as they are
        return image


def _within(image: Image.Image, width: int, height: int) -> Image.Image:
    """The picture scaled down to these bounds; as it is, when it lies within them."""
    scale = min(width / image.width, height / image.height)
    if scale >= 1:
        return image
    if image.mode not in ("L", "RGB", "RGBA"):  # colors of a palette cannot be mixed
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _written(image: Image.Image, kind: str) -> bytes:
    if kind == "JPEG" and image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    transparency = image.info.get("transparency")
    image.info = {} if transparency is None or kind == "JPEG" else {"transparency": transparency}
    out = io.BytesIO()
    image.save(out, kind, **_SAVED[kind])
    return out.getvalue()


def _alone() -> None:
    """Makes the picture of the standard input ready, within limits that end the process."""
    apart.confine(LIMITS)
    told: dict[str, object]
    try:
        made = make(sys.stdin.buffer.read())
    except TooLarge as error:
        told, pixels = {"why": str(error)}, b""
    except BROKEN:
        told, pixels = {"why": _DAMAGED}, b""
    else:
        told = {"format": made.format, "width": made.width, "height": made.height, "cut": len(made.data)}
        pixels = made.data + made.narrow
    sys.stdout.buffer.write(json.dumps(told).encode() + b"\n" + pixels)


if __name__ == "__main__":
    _alone()
