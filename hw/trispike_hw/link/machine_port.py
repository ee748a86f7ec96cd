"""What the host link drives: a machine, and the memory beside it."""

from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..layout import STREAM_BITS
from ..memory.port import ExternalMemory, MemoryPort
from ..ports import RegisterBus


class MachinePort(wiring.Signature):
    """A machine, seen from the link.

    Members: words Out and answers In, streams of 32 bits that connect to `i` and `o` of the machine; registers
    Out(RegisterBus); reset Out(1), a pulse that resets the machine; with an `external` memory also memory
    Out(MemoryPort).
    """

    def __init__(self, external: ExternalMemory | None = None) -> None:
        super().__init__(
            {
                "words": Out(stream.Signature(STREAM_BITS)),
                "answers": In(stream.Signature(STREAM_BITS)),
                "registers": Out(RegisterBus()),
                "reset": Out(1),
            }
            | ({} if external is None else {"memory": Out(MemoryPort(writable=external.writable))})
        )
