"""A bad line: damages frames at random, by a seed."""

import random
from collections import Counter
from collections.abc import Callable


class FaultInjector:
    """Passes bytes on, frame by frame (a zero byte ends one).

    Each frame is flipped (one bit), dropped, repeated, truncated and held back until the next one has passed, each with
    probability `rate`. `counts` says how often that was.
    """

    def __init__(self, rate: float, seed: int = 0) -> None:
        self._rate = rate
        self._random = random.Random(seed)
        self._frame = bytearray()
        self._held = b""
        self.counts: Counter[str] = Counter()

    def pass_on(self, data: bytes) -> bytes:
        """What comes out of the line when `data` goes in."""
        if not self._rate:
            return data
        out = bytearray()
        for byte in data:
            self._frame.append(byte)
            if byte == 0:
                out += self._suffer(bytes(self._frame))
                self._frame.clear()
        return bytes(out)

    def _suffer(self, frame: bytes) -> bytes:
        """What becomes of one frame, its zero byte included."""
        if frame == b"\0":  # nothing between two zero bytes
            return frame
        for name, fault in self._faults().items():
            if self._random.random() < self._rate:
                self.counts[name] += 1
                frame = fault(frame)
        released, self._held = self._held, b""
        if frame and self._random.random() < self._rate:
            self.counts["hold"] += 1
            self._held, frame = frame, b""
        return frame + released

    def _faults(self) -> dict[str, Callable[[bytes], bytes]]:
        return {"flip": self._flip, "drop": lambda _: b"", "repeat": lambda frame: 2 * frame, "truncate": self._cut}

    def _flip(self, frame: bytes) -> bytes:
        position = self._random.randrange(len(frame))
        return frame[:position] + bytes([frame[position] ^ 1 << self._random.randrange(8)]) + frame[position + 1 :]

    def _cut(self, frame: bytes) -> bytes:
        """Some of the end is lost, often with the zero byte."""
        return frame[: self._random.randrange(len(frame) + 1)]
