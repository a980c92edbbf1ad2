"""Scalars of TensorBoard's event files, for reading training curves without TensorBoard.

TensorBoard's own reader computes checksums of every picture in Python, which takes seconds a file. Here
pictures are stepped over.

References
----------
TensorFlow, ``tensorflow/core/util/event.proto`` and ``lib/io/record_writer.h``; Protocol Buffers, Encoding.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

RECORD_HEADER, RECORD_END = 12, 4  # bytes: length and its checksum; the content's checksum
LARGEST_RECORD = 1 << 30  # bytes; what says more is damaged
# numbers of fields
STEP, SUMMARY, SESSION_LOG = 2, 5, 7
VALUE, TAG, SIMPLE_VALUE = 1, 1, 2
STATUS, START = 1, 1
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
Points = dict[int, float]  # step -> value


def read_curves(folder: Path) -> dict[str, Points]:
    """Return the points of each scalar by its tag, in the order of their steps; nothing where there are none.

    A training that went on from an earlier step replaces the points behind it. A file that ends amid a
    record, as while it is written, counts up to there.
    """
    curves: dict[str, Points] = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for step, values, starts in _events(path.read_bytes()):
            if starts:
                curves = {tag: {at: own[at] for at in own if at < step} for tag, own in curves.items()}
            for tag, value in values:
                curves.setdefault(tag, {})[step] = value
    return {tag: dict(sorted(points.items())) for tag, points in curves.items() if points}


def _events(content: bytes) -> Iterator[tuple[int, list[tuple[str, float]], bool]]:
    """Yield step, scalars, and whether a training goes on from that step."""
    at = 0
    while at + RECORD_HEADER <= len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        start = at + RECORD_HEADER
        at = start + length + RECORD_END
        if length > LARGEST_RECORD or at > len(content):
            return
        try:
            yield _event(memoryview(content)[start : start + length])
        except (IndexError, struct.error, UnicodeDecodeError):
            return


def _event(message: memoryview) -> tuple[int, list[tuple[str, float]], bool]:
    step, values, starts = 0, [], False
    for number, value in _fields(message):
        if number == STEP and isinstance(value, int):
            step = value
        elif number == SUMMARY and isinstance(value, memoryview):
            values += [scalar for own, part in _fields(value) if own == VALUE for scalar in _scalar(part)]
        elif number == SESSION_LOG and isinstance(value, memoryview):
            starts = dict(_fields(value)).get(STATUS) == START
    return step, values, starts


def _scalar(message: int | memoryview) -> Iterator[tuple[str, float]]:
    if not isinstance(message, memoryview):
        return
    fields = dict(_fields(message))
    tag, value = fields.get(TAG), fields.get(SIMPLE_VALUE)
    if isinstance(tag, memoryview) and isinstance(value, memoryview) and len(value) == 4:
        yield bytes(tag).decode(), struct.unpack("<f", value)[0]


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield number and content of each field: a whole number, or bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire_type = key >> 3, key & 7
        if wire_type == VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire_type == BYTES:
            size, at = _varint(message, at)
        elif wire_type in (FIXED32, FIXED64):
            size = 4 if wire_type == FIXED32 else 8
        else:
            raise IndexError(at)
        if at + size > len(message):
            raise IndexError(at)
        yield number, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Return a whole number, and where the next field begins."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
