"""Register bank: what the host may read while and after the machine runs. One table serves RTL, drivers and docs."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from . import layer_counters
from .architecture import Architecture
from .layer_counters import PLACES, STALLS, LayerCounters
from .ports import RegisterBus

MAGIC_VALUE = 0x31535343
VERSION_VALUE = 4


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
    "bit 0 busy, bit 1 corrupt spike word written since the input began, bit 2 unknown command seen since reset",
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
REGISTERS = (MAGIC, VERSION, DIGEST_HIGH, DIGEST_LOW, STATUS, CYCLES_INPUT, CYCLES_RUN, EVENTS)

STATUS_BUSY = 1 << 0
STATUS_CORRUPT = 1 << 1
STATUS_UNKNOWN_COMMAND = 1 << 2

LAYER_BASE = 64
LAYER_TEXTS = {
    "cycles": "cycles from the end of the layer before (or RUN) to its own end",
    "events": "events with a spike, all lanes",
    "words": "spike words written or sent",
} | {name: f"cycles, summed over all lanes, in which a lane issued no event: {why}" for name, why in STALLS.items()}
"""What is counted of every layer."""

LAYER_FIELDS = layer_counters.FIELDS


def layer_register(layer: int, field: str) -> Register:
    """The register that holds `field` (one of LAYER_FIELDS) of layer `layer` of the last run.

    Raises:
        ValueError: if there is no such field, or the register bus does not reach the layer.
    """
    if field not in LAYER_FIELDS:
        raise ValueError(f"there is no layer counter {field!r}; choose one of {', '.join(LAYER_FIELDS)}")
    offset = LAYER_BASE + PLACES * layer + LAYER_FIELDS.index(field)
    if not LAYER_BASE <= offset < 1 << RegisterBus.ADDRESS_BITS:
        last = ((1 << RegisterBus.ADDRESS_BITS) - LAYER_BASE) // PLACES - 1
        raise ValueError(f"the register bus shows the counters of layers 0..{last}, not of layer {layer}")
    return Register(f"LAYER{layer}_{field.upper()}", offset, f"layer {layer} of the last run: {LAYER_TEXTS[field]}")


class RegisterBank(wiring.Component):
    """Counts what a run does and shows it on a read-only register bus.

    Latency: `bus.data` is the content of the register at the `bus.address` of the cycle before; counters lag the pulses
    that drive them by one cycle. Throughput: one read a cycle, at any time. Addresses without a register read zero.
    Cycle counters count clock edges from one pulse to the next. The increments of the cycle of `layer_done` belong
    to the layer that ends; its counters are complete a little later (`LayerCounters`). A layer counter that is read in
    the very cycle in which it is stored has no defined content. Counters keep their last values until the next `run`.
    Reset clears all but the counters of layers.

    Ports:
        bus: register bus.
        busy: shown in STATUS.
        corrupt, unknown_command: pulses, remembered in STATUS.
        spikes_started, run, done: pulses that delimit the input and the run; `done` is the last answer word taken.
        events, words, no_event, no_word, drain, weights: increments of this cycle.
        layer_done: pulse, a layer ends.
        complete: the counters of all layers that have ended can be read; a machine with one lane shows them then alone,
            and not while it is busy.
    """

    bus: Any  # RegisterBus, whose members no type checker sees
    busy: Signal
    corrupt: Signal
    unknown_command: Signal
    spikes_started: Signal
    run: Signal
    done: Signal
    events: Signal
    words: Signal
    no_event: Signal
    no_word: Signal
    drain: Signal
    weights: Signal
    layer_done: Signal
    complete: Signal

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
                "words": In(range(arch.clusters + 1)),
                **{name: In(range(arch.lanes + 1)) for name in STALLS},
                "layer_done": In(1),
                "complete": Out(1),
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
        m.submodules.layers = layers = LayerCounters(self.arch)
        # The ends of layers clear more than a hundred registers; they may come a cycle late, but not with a lane alone,
        # whose sequencer waits for the counters.
        pulses = m.d.comb if self.arch.lone_lane else m.d.sync
        pulses += [getattr(layers, name).eq(getattr(self, name)) for name in ("run", "layer_done")]
        m.d.comb += [
            *(getattr(layers, name).eq(getattr(self, name)) for name in ("busy", *LAYER_FIELDS[1:])),
            layers.address.eq(self.bus.address - LAYER_BASE),
            self.complete.eq(layers.complete),
        ]

        digest = int(self.arch.digest[:16], 16)
        contents |= {
            MAGIC: MAGIC_VALUE,
            VERSION: VERSION_VALUE,
            DIGEST_HIGH: digest >> 32,
            DIGEST_LOW: digest & 0xFFFF_FFFF,
            STATUS: self._status(m),
        }
        fixed = Signal(RegisterBus.DATA_BITS)
        from_layers = Signal()
        layer_words = PLACES * self.arch.max_layers
        m.d.sync += fixed.eq(0)
        with m.Switch(self.bus.address):
            for register, content in contents.items():
                with m.Case(register.offset):
                    m.d.sync += fixed.eq(content)
        m.d.sync += from_layers.eq((self.bus.address >= LAYER_BASE) & (self.bus.address < LAYER_BASE + layer_words))
        m.d.comb += self.bus.data.eq(fixed)
        with m.If(from_layers):
            m.d.comb += self.bus.data.eq(layers.data)
        return m

    def _status(self, m: Module) -> Signal:
        """STATUS: the busy flag and two memories of pulses."""
        status = Signal(3)
        m.d.comb += status[0].eq(self.busy)
        with m.If(self.spikes_started):
            m.d.sync += status[1].eq(0)
        with m.If(self.corrupt):
            m.d.sync += status[1].eq(1)
        with m.If(self.unknown_command):
            m.d.sync += status[2].eq(1)
        return status

    def _run_counters(self, m: Module) -> dict[Register, Signal]:
        """Counters of the whole run."""
        cycles_input, cycles_run, events = (Signal(RegisterBus.DATA_BITS) for _ in range(3))
        receiving, running = Signal(), Signal()

        with m.If(receiving):
            m.d.sync += cycles_input.eq(cycles_input + 1)
        with m.If(running):
            m.d.sync += cycles_run.eq(cycles_run + 1)
        m.d.sync += events.eq(events + self.events)

        with m.If(self.spikes_started):
            m.d.sync += [receiving.eq(1), cycles_input.eq(0)]
        with m.If(self.done):
            m.d.sync += running.eq(0)
        with m.If(self.run):
            m.d.sync += [receiving.eq(0), running.eq(1), cycles_run.eq(0), events.eq(0)]
            with m.If(~receiving):
                m.d.sync += cycles_input.eq(0)
        return {CYCLES_INPUT: cycles_input, CYCLES_RUN: cycles_run, EVENTS: events}
