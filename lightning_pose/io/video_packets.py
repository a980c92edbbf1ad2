"""Whether a packet looks like a picture of its codec from outside: cheap, and shows cut or zeroed blocks.

Only how a picture begins, and where its pieces end, is looked at; what lies within a piece is not.

References
----------
H.264 and HEVC in MP4, as NAL units behind their lengths: ISO/IEC 14496-15, 5.3.2 and 8.3.2; their headers:
ITU-T H.264 and H.265, 7.3.1. JPEG markers: ITU-T T.81, B.1.1. MPEG-4 start codes: ISO/IEC 14496-2, 6.2.1.
VP9's frame marker: VP9 Bitstream Specification, 6.2. AV1's OBU header: AV1 Bitstream Specification, 5.3.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Check = Callable[[Any], bool]
FORBIDDEN = 0x80  # the first bit of a header, always 0
VOP = b"\0\0\1\xb6"  # begins a picture of MPEG-4


def outer_check(context: Any) -> Check:
    """Return what tells whether a packet looks like a picture, for the codec of an open stream."""
    codec = context.codec.canonical_name
    extra = bytes(context.extradata or b"")
    if codec in ("h264", "hevc"):
        place = 4 if codec == "h264" else 21
        if len(extra) > place and extra[0] == 1:  # the configuration record of MP4 and Matroska
            size = (extra[place] & 3) + 1
            return lambda packet: _has_nal_units(memoryview(packet), size)
        return lambda packet: bytes(memoryview(packet)[:8]).lstrip(b"\0")[:1] == b"\1"
    return _OTHERS.get(codec, lambda packet: True)


def packed_check(context: Any) -> Check:
    """Return what tells whether a packet holds a later picture too, as DivX and XviD pack them into AVI.

    The decoder gives such pictures times of each other's packets.
    """
    if context.codec.canonical_name != "mpeg4":
        return lambda packet: False
    return lambda packet: bytes(packet).count(VOP) > 1


def _has_nal_units(data: memoryview, size: int) -> bool:
    """Say whether NAL units, each behind its length of `size` bytes, fit into the packet."""
    place = 0
    while place + size < len(data):
        length = int.from_bytes(data[place : place + size], "big")
        if (place == 0 and length == 0) or (length and data[place + size] & FORBIDDEN):
            return False
        place += size + length
    return place <= len(data)


def _is_jpeg(packet: Any) -> bool:
    return bytes(memoryview(packet)[:2]) == b"\xff\xd8"


def _is_mpeg4(packet: Any) -> bool:
    return bytes(memoryview(packet)[:3]) == b"\0\0\1"


def _is_vp9(packet: Any) -> bool:
    return memoryview(packet)[0] >> 6 == 0b10


def _is_av1(packet: Any) -> bool:
    first = memoryview(packet)[0]
    return first != 0 and not first & FORBIDDEN


_OTHERS: dict[str, Check] = {"mjpeg": _is_jpeg, "mpeg4": _is_mpeg4, "vp9": _is_vp9, "av1": _is_av1}
