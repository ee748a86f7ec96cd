"""The memory outside a device's chip, filled over the line, or found to be filled."""

import numpy as np

from trispike_hw.link.frames import Kind
from trispike_hw.memory.port import HEADER_WORDS

from ..errors import DeviceError
from .session import Session


def provide(session: Session, name: str, words: np.ndarray) -> None:
    """Make sure that the external memory of the device `name` holds `words`, uint32 [n], a header first.

    What is there already is not sent again. The header is written last, so that it never stands before other words.

    Raises:
        DeviceError: if there is no memory, it is too small, holds other words and cannot be written, or does not keep
            what is written.
    """
    memory = session.external
    if memory is None:
        raise DeviceError(
            f"the network streams weights in while it runs, but the device on {name} has no memory to stream from; "
            f"compile it for an architecture with more weight_rows"
        )
    if len(words) > memory.words:
        raise DeviceError(
            f"the network has {4 * len(words)} bytes of weights outside the chip, but the memory of the device on "
            f"{name} holds {4 * memory.words}; choose a smaller network or a device with more memory"
        )
    header = words[:HEADER_WORDS]
    if _holds(session, header):
        return
    if not memory.writable:
        raise DeviceError(
            f"the flash of the device on {name} does not hold the weights of this network; write the file that "
            f"`trispike flash` makes of its image to the flash, at the offset that the verb names"
        )
    _store(session, 0, np.zeros_like(header))
    _store(session, HEADER_WORDS, words[HEADER_WORDS:])
    _store(session, 0, header)
    if not _holds(session, header):
        raise DeviceError(
            f"the external memory of the device on {name} does not keep what is written to it; build the bitstream "
            f"with a slower --clock"
        )


def _holds(session: Session, header: np.ndarray) -> bool:
    return np.array_equal(session.exchange(Kind.FETCH, [HEADER_WORDS, 0]), header)


def _store(session: Session, address: int, words: np.ndarray) -> None:
    most = session.payload_words - 1  # beside the address
    for start in range(0, len(words), most):
        part = words[start : start + most]
        session.exchange(Kind.STORE, np.concatenate([np.array([address + start], np.uint32), part]))
