"""Requests that are executed exactly once, however bad the line."""

import secrets
import time
from collections.abc import Sequence

import numpy as np

from trispike_hw.link.frames import LINK_VERSION, Kind
from trispike_hw.memory.port import ExternalMemory

from ..errors import DeviceError
from .framing import Deframer, Frame
from .line import Line

#: Seconds until a request is repeated for the first time; each time after that they are half as many again, up to the
#: longest. A request and its reply take 22 ms at a million bits a second; a simulated device takes longer.
FIRST_WAIT = 0.15
LONGEST_WAIT = 2.0
ATTEMPTS = 12

#: Fewer for the first request: whether there is a device at all should soon be known.
HELLO_ATTEMPTS = 5

_HELLO_WORDS = 4
_SEQUENCES = 1 << 16
_SESSIONS = 1 << 12


class Session:
    """One host's conversation with a device over `line`: a request at a time, repeated until its reply comes.

    `payload_words` go into a request or reply, `external` is the memory outside the device's chip, None if it has none;
    `repetitions` counts the requests that were sent again.
    """

    def __init__(self, line: Line) -> None:
        """Begins the session.

        Raises:
            DeviceError: if the device does not answer, or speaks another version of the link.
        """
        self._line = line
        self._deframer = Deframer()
        self.repetitions = 0
        self._session, self._sequence = 1 + secrets.randbelow(_SESSIONS - 1), secrets.randbelow(_SEQUENCES)
        version, self.payload_words, *memory = self._hello()
        if version != LINK_VERSION:
            raise DeviceError(
                f"the device on {line.name} speaks version {version} of the host link, not {LINK_VERSION}; build its "
                f"bitstream with this version of trispike"
            )
        words, writable = memory
        self.external = ExternalMemory(words, bool(writable)) if words else None

    def exchange(self, kind: Kind, payload: Sequence[int] | np.ndarray = (), attempts: int = ATTEMPTS) -> np.ndarray:
        """The payload, uint32 [words], of the reply to a request, which is made so many times at most.

        Raises:
            DeviceError: if no reply comes, the device refuses the request, or the line is cut.
        """
        self._sequence = (self._sequence + 1) % _SEQUENCES
        request = Frame(kind, self._session, self._sequence, np.array(payload, np.uint32))
        encoded, wait, waited = request.encoded(), FIRST_WAIT, 0.0
        for attempt in range(attempts):
            self.repetitions += attempt > 0
            self._line.write(encoded)
            reply = self._reply(wait)
            if reply is not None:
                return self._accepted(request, reply)
            waited += wait
            wait = min(1.5 * wait, LONGEST_WAIT)
        raise DeviceError(
            f"the device on {self._line.name} did not answer {kind.name} in {attempts} attempts over "
            f"{waited:.1f} s; check that it runs a trispike bitstream, and that the line and its rate are right"
        )

    def _hello(self) -> list[int]:
        """Link version, most words of a payload, words of the external memory, whether the host can write them.

        A device that happens to be in the session that was drawn takes HELLO for a stray repetition and says nothing,
        so another one is tried.
        """
        try:
            answer = self.exchange(Kind.HELLO, attempts=HELLO_ATTEMPTS)
        except DeviceError:
            self._session = self._session % (_SESSIONS - 1) + 1
            answer = self.exchange(Kind.HELLO, attempts=HELLO_ATTEMPTS)
        if len(answer) != _HELLO_WORDS and (len(answer) < 1 or answer[0] == LINK_VERSION):
            raise DeviceError(
                f"the device on {self._line.name} answers HELLO with {len(answer)} words, not {_HELLO_WORDS}; build "
                f"its bitstream with this version of trispike"
            )
        return [*answer.tolist(), 0, 0, 0][:_HELLO_WORDS]

    def _reply(self, seconds: float) -> Frame | None:
        """The reply to the request at hand, or None if it does not come in so many seconds."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for frame in self._deframer.feed(self._line.read(left)):
                if (frame.session, frame.sequence) == (self._session, self._sequence):
                    return frame
        return None

    def _accepted(self, request: Frame, reply: Frame) -> np.ndarray:
        if reply.kind != request.kind:
            raise DeviceError(
                f"the device on {self._line.name} answers {request.kind.name} with {reply.kind.name}; build its "
                f"bitstream with this version of trispike"
            )
        return reply.payload
