"""Frames of the host link as bytes on a line."""

from binascii import crc32
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from cobs import cobs

from trispike_hw.layout import pack
from trispike_hw.link.frames import FRAME_WORDS, WORD_BYTES, Header, Kind

from ..fields import fields_of

_WORD = np.dtype("<u4")
_FEWEST_BYTES = 2 * WORD_BYTES
_MOST_BYTES = FRAME_WORDS * WORD_BYTES


@dataclass(frozen=True)
class Frame:
    """A request or a reply; `payload` uint32 [words]. Ranges are those of `trispike_hw.link.frames.Header`."""

    kind: Kind
    session: int
    sequence: int
    payload: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint32))

    def encoded(self) -> bytes:
        """The frame as it goes over the line; the zero byte before it ends whatever a fault may have left there."""
        header = pack(Header, {"sequence": self.sequence, "session": self.session, "kind": self.kind})
        body = np.concatenate([np.array([header], _WORD), self.payload.astype(_WORD)]).tobytes()
        return b"\0" + cobs.encode(body + crc32(body).to_bytes(WORD_BYTES, "little")) + b"\0"


class Deframer:
    """Finds whole frames among the bytes of a line, and drops everything else."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that `data`, behind all bytes before it, completes."""
        self._rest += data
        *complete, rest = self._rest.split(b"\0")
        # Noise without zeros must not grow for ever: what is longer than any frame is not one.
        self._rest = rest[: 2 * _MOST_BYTES]
        for encoded in complete:
            frame = _decoded(bytes(encoded))
            if frame is not None:
                yield frame


def _decoded(encoded: bytes) -> Frame | None:
    """The frame, or None if it is damaged."""
    try:
        content = cobs.decode(encoded)
    except cobs.DecodeError:
        return None
    if len(content) % WORD_BYTES or not _FEWEST_BYTES <= len(content) <= _MOST_BYTES:
        return None
    body, crc = content[:-WORD_BYTES], content[-WORD_BYTES:]
    if crc32(body) != int.from_bytes(crc, "little"):
        return None
    header, *payload = np.frombuffer(body, _WORD).tolist()
    try:
        fields = fields_of(Header, header)
    except ValueError:  # a kind of a later version
        return None
    return Frame(fields["kind"], fields["session"], fields["sequence"], np.array(payload, np.uint32))
