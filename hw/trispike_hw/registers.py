"""Register bank: what the host may read while and after the machine runs. One table serves RTL, drivers and docs."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory, ReadPort
from amaranth.lib.wiring import In

from .architecture import Architecture
from .ports import BLOCK_RAM, RegisterBus

MAGIC_VALUE = 0x31535343
VERSION_VALUE = 2


@dataclass(frozen=True)
class Register:
    """One read-only 32-bit register; `offset` is its word address on the register bus."""

    name: str
    offset: int
    description: str


MAGIC = Register("MAGIC", 0, f'{MAGIC_VALUE:#010x}, "CSS1"')
VERSION = Register("VERSION", 1, "layout version of program and registers")
DIGEST_HIGH = Register("DIGEST_HIGH", 2, "bits 63..32 of the first 64 bits of the architecture's digest")
DIGEST_LOW = Register("DIGEST_LOW", 3, "bits 31..0 of the first 64 bits of the architecture's digest")
STATUS = Register(
    "STATUS",
    4,
    "bit 0 busy, bit 1 corrupt spike word seen since the last RUN was accepted, bit 2 unknown command seen since reset",
)
CYCLES_INPUT = Register(
    "CYCLES_INPUT",
    5,
    "cycles from the first word of the first SPIKES write after the last answer until RUN was accepted; "
    "0 if no spikes were written",
)
CYCLES_RUN = Register(
    "CYCLES_RUN", 6, "cycles from RUN until the end: the last word of the answer was taken, or the last layer was over"
)
EVENTS = Register("EVENTS", 7, "events of the last run, all lanes")
ADDITIONS = Register(
    "ADDITIONS",
    8,
    "additions of the last run: events times the real output channels of their tile; lanewise, bits set",
)

REGISTERS = (MAGIC, VERSION, DIGEST_HIGH, DIGEST_LOW, STATUS, CYCLES_INPUT, CYCLES_RUN, EVENTS, ADDITIONS)

STATUS_BUSY = 1 << 0
STATUS_CORRUPT = 1 << 1
STATUS_UNKNOWN_COMMAND = 1 << 2

LAYER_BASE = 64
LAYER_FIELDS = ("cycles", "events", "additions", "words")


def layer_register(layer: int, field: str) -> Register:
    """The register that holds `field` (one of LAYER_FIELDS) of layer `layer` of the last run.

    Raises:
        ValueError: if there is no such field, or the register bus does not reach the layer.
    """
    if field not in LAYER_FIELDS:
        raise ValueError(f"there is no layer counter {field!r}; choose one of {', '.join(LAYER_FIELDS)}")
    offset = LAYER_BASE + len(LAYER_FIELDS) * layer + LAYER_FIELDS.index(field)
    if not LAYER_BASE <= offset < 1 << RegisterBus.ADDRESS_BITS:
        last = ((1 << RegisterBus.ADDRESS_BITS) - LAYER_BASE) // len(LAYER_FIELDS) - 1
        raise ValueError(f"the register bus shows the counters of layers 0..{last}, not of layer {layer}")
    return Register(f"LAYER{layer}_{field.upper()}", offset, f"{field} of layer {layer} of the last run")


class RegisterBank(wiring.Component):
    """Counts what a run does and shows it on a read-only register bus.

    Latency: `bus.data` is the content of the register at the `bus.address` of the cycle before; counters lag the pulses
    that drive them by one cycle. Throughput: one read a cycle, at any time. Addresses without a register read zero.
    Cycle counters count clock edges from one pulse to the next. The increments of the cycle of `layer_done` belong
    to the layer that ends; the layer's four counters are then stored one a cycle, so layer ends must be at least
    four cycles apart. A layer counter that is read in the very cycle in which it is stored has no defined content.
    Counters keep their last values until the next `run`. Reset clears all but the layer statistics.

    Ports:
        bus: register bus.
        busy: shown in STATUS.
        corrupt, unknown_command: pulses, remembered in STATUS.
        spikes_started, run, done: pulses that delimit the input and the run; `done` is the last answer word taken.
        events, additions, words: increments of this cycle.
        layer_done: pulse, layer number `layer` ends.
    """

    bus: Any  # RegisterBus, whose members no type checker sees
    busy: Signal
    corrupt: Signal
    unknown_command: Signal
    spikes_started: Signal
    run: Signal
    done: Signal
    events: Signal
    additions: Signal
    words: Signal
    layer_done: Signal
    layer: Signal

    def __init__(self, arch: Architecture) -> None:
        self._arch = arch
        super().__init__(
            {
                "bus": In(RegisterBus()),
                "busy": In(1),
                "corrupt": In(1),
                "unknown_command": In(1),
                "spikes_started": In(1),
                "run": In(1),
                "done": In(1),
                "events": In(range(arch.lanes + 1)),
                "additions": In(range(arch.pes + 1)),
                "words": In(range(arch.clusters + 1)),
                "layer_done": In(1),
                "layer": In(range(arch.max_layers)),
            }
        )

    @property
    def arch(self) -> Architecture:
        """The architecture that this bank names and counts for."""
        return self._arch

    def elaborate(self, platform: object) -> Module:
        """See the class."""
        m = Module()
        contents = self._run_counters(m)
        statistics = self._layer_statistics(m)

        digest = int(self.arch.digest[:16], 16)
        contents |= {
            MAGIC: MAGIC_VALUE,
            VERSION: VERSION_VALUE,
            DIGEST_HIGH: digest >> 32,
            DIGEST_LOW: digest & 0xFFFF_FFFF,
            STATUS: self._status(m),
        }
        fixed = Signal(RegisterBus.DATA_BITS)
        from_statistics = Signal()
        layer_words = len(LAYER_FIELDS) * self.arch.max_layers
        m.d.sync += fixed.eq(0)
        with m.Switch(self.bus.address):
            for register, content in contents.items():
                with m.Case(register.offset):
                    m.d.sync += fixed.eq(content)
        m.d.sync += from_statistics.eq((self.bus.address >= LAYER_BASE) & (self.bus.address < LAYER_BASE + layer_words))
        m.d.comb += [
            statistics.en.eq(1),
            statistics.addr.eq(self.bus.address - LAYER_BASE),
            self.bus.data.eq(fixed),
        ]
        with m.If(from_statistics):
            m.d.comb += self.bus.data.eq(statistics.data)
        return m

    def _status(self, m: Module) -> Signal:
        """STATUS: the busy flag and two memories of pulses."""
        status = Signal(3)
        m.d.comb += status[0].eq(self.busy)
        with m.If(self.run):
            m.d.sync += status[1].eq(0)
        with m.If(self.corrupt):
            m.d.sync += status[1].eq(1)
        with m.If(self.unknown_command):
            m.d.sync += status[2].eq(1)
        return status

    def _run_counters(self, m: Module) -> dict[Register, Signal]:
        """Counters of the whole run."""
        cycles_input, cycles_run, events, additions = (Signal(RegisterBus.DATA_BITS) for _ in range(4))
        receiving, running = Signal(), Signal()

        with m.If(receiving):
            m.d.sync += cycles_input.eq(cycles_input + 1)
        with m.If(running):
            m.d.sync += cycles_run.eq(cycles_run + 1)
        m.d.sync += [events.eq(events + self.events), additions.eq(additions + self.additions)]

        with m.If(self.spikes_started):
            m.d.sync += [receiving.eq(1), cycles_input.eq(0)]
        with m.If(self.done):
            m.d.sync += running.eq(0)
        with m.If(self.run):
            m.d.sync += [receiving.eq(0), running.eq(1), cycles_run.eq(0), events.eq(0), additions.eq(0)]
            with m.If(~receiving):
                m.d.sync += cycles_input.eq(0)
        return {CYCLES_INPUT: cycles_input, CYCLES_RUN: cycles_run, EVENTS: events, ADDITIONS: additions}

    def _layer_statistics(self, m: Module) -> ReadPort:
        """Counters of one layer at a time and the memory that keeps them; returns its read port."""
        m.submodules.statistics = memory = Memory(
            shape=RegisterBus.DATA_BITS, depth=len(LAYER_FIELDS) * self.arch.max_layers, init=[], attrs=BLOCK_RAM
        )
        write = memory.write_port()

        increments = {"cycles": 1, "events": self.events, "additions": self.additions, "words": self.words}
        counters = [Signal(RegisterBus.DATA_BITS, name=f"layer_{name}") for name in LAYER_FIELDS]
        snapshot = [Signal(RegisterBus.DATA_BITS, name=f"stored_{name}") for name in LAYER_FIELDS]
        layer = Signal(range(self.arch.max_layers))
        field = Signal(range(len(LAYER_FIELDS)))
        storing = Signal()

        for counter, name in zip(counters, LAYER_FIELDS, strict=True):
            m.d.sync += counter.eq(counter + increments[name])
        with m.If(self.run | self.layer_done):
            m.d.sync += [counter.eq(0) for counter in counters]

        with m.If(storing):
            m.d.sync += [stored.eq(later) for stored, later in pairwise(snapshot)]
            m.d.sync += field.eq(field + 1)
            with m.If(field == len(LAYER_FIELDS) - 1):
                m.d.sync += storing.eq(0)
        with m.If(self.layer_done):
            m.d.sync += [
                stored.eq(counter + increments[name])
                for stored, counter, name in zip(snapshot, counters, LAYER_FIELDS, strict=True)
            ]
            m.d.sync += [layer.eq(self.layer), field.eq(0), storing.eq(1)]
        m.d.comb += [
            write.en.eq(storing),
            write.addr.eq(Cat(field, layer)),
            write.data.eq(snapshot[0]),
        ]
        return memory.read_port()
