"""PNG and JPEG files without what their makers left in them: place, camera, names, and whatever follows the picture.

Promises: the picture itself is untouched, byte for byte, with its colours, its transparency and the way it is to be
turned. Refuses (ValueError): a file whose parts do not follow each other as its format says.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"

# PNG, third edition, section 11: what decides how the picture looks; all else is text, dates and private matters.
_PNG_LOOKS = b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP sBIT bKGD pHYs cICP acTL fcTL fdAT"
_PNG_KEPT = frozenset(_PNG_LOOKS.split())
# JPEG (ITU-T T.81, B.1.1): APP1 (Exif, XMP), APP3 to APP13, APP15 and comments go; JFIF, colour profile, Adobe stay.
_JPEG_LEFT = frozenset([0xE1, *range(0xE3, 0xEE), 0xEF, 0xFE])
_ORIENTATION = 0x0112


def strip(data: bytes) -> bytes:
    """The picture without its metadata. Raises ValueError when it is no whole PNG or JPEG."""
    try:
        if data.startswith(PNG):
            return PNG + b"".join(part for name, part in _chunks(data) if name in _PNG_KEPT)
        if data.startswith(JPEG):
            return _jpeg(data)
    except (struct.error, IndexError) as error:
        raise ValueError("the picture ends too early") from error
    raise ValueError("this is no PNG and no JPEG")


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at, name = len(PNG), b""
    while name != b"IEND":
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise ValueError("the picture ends too early")
        yield name, data[at:end]
        at = end


def _jpeg(data: bytes) -> bytes:
    kept, turned = [data[:2]], b""
    for marker, part in _segments(data):
        if marker == 0xE1 and not turned:
            turned = _turn(part)
        if marker not in _JPEG_LEFT:
            kept.append(part)
    return b"".join([kept[0], turned, *kept[1:]])


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each segment after the first marker, a scan together with its coded data; the last is the end of the image."""
    at = 2
    while True:
        if data[at] != 0xFF:
            raise ValueError("a part of the picture does not begin where it should")
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker == 0xD9:
            yield marker, data[at : at + 2]
            return
        end = at + 2 + int(struct.unpack_from(">H", data, at + 2)[0])
        if marker == 0xDA:
            end = _scan_end(data, end)
        if end > len(data):
            raise ValueError("the picture ends too early")
        yield marker, data[at:end]
        at = end


def _scan_end(data: bytes, at: int) -> int:
    """Where coded data ends: at a marker that is neither a stuffed FF nor a restart."""
    while True:
        at = data.index(b"\xff", at)
        if data[at + 1] != 0 and not 0xD0 <= data[at + 1] <= 0xD7:
            return at
        at += 2


def _turn(exif: bytes) -> bytes:
    """An Exif segment that says nothing but how the picture is turned, or nothing when it is not."""
    tiff = exif[10:]
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if exif[4:10] != b"Exif\0\0" or order is None:
        return b""
    try:
        at = struct.unpack_from(f"{order}I", tiff, 4)[0]
        for n in range(struct.unpack_from(f"{order}H", tiff, at)[0]):
            tag, kind, count, value = struct.unpack_from(f"{order}HHIH", tiff, at + 2 + 12 * n)
            if (tag, kind, count) == (_ORIENTATION, 3, 1) and 2 <= value <= 8:
                said = b"Exif\0\0MM\0*" + struct.pack(">IHHHIHHI", 8, 1, _ORIENTATION, 3, 1, value, 0, 0)
                return b"\xff\xe1" + struct.pack(">H", len(said) + 2) + said
    except struct.error:
        pass
    return b""
