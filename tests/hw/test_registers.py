"""Register bank: every register shows what the table says, counted against a plain model of the pulses."""

import random
from dataclasses import dataclass, field

import pytest
from amaranth.sim import Simulator

from trispike_hw.architecture import preset
from trispike_hw.layer_counters import LAG
from trispike_hw.ports import RegisterBus
from trispike_hw.registers import (
    CYCLES_INPUT,
    CYCLES_RUN,
    DIGEST_HIGH,
    DIGEST_LOW,
    EVENTS,
    LAYER_FIELDS,
    MAGIC,
    REGISTERS,
    STATUS,
    STATUS_BUSY,
    STATUS_CORRUPT,
    STATUS_UNKNOWN_COMMAND,
    VERSION,
    RegisterBank,
    layer_register,
)

ARCH = preset("small")
ALONE = preset("nano")
PULSES = ("corrupt", "unknown_command", "spikes_started", "run", "done", "layer_done")


@dataclass
class Bench:
    """Drives the bank one cycle at a time and models what it should have counted."""

    dut: RegisterBank
    ctx: object
    cycle: int = 0
    totals: dict[str, int] = field(default_factory=dict)
    busy: bool = False

    async def step(self, **now: int) -> None:
        """One cycle with these increments and pulses."""
        for name in (*PULSES, *LAYER_FIELDS[1:]):
            self.ctx.set(getattr(self.dut, name), now.get(name, 0))
        self.busy = self.busy or bool(now.get("run", 0))
        self.ctx.set(self.dut.busy, self.busy)
        self.busy = self.busy and not now.get("done", 0)
        await self.ctx.tick()
        self.cycle += 1

    async def read(self, register) -> int:
        """Content of a register; the data must come exactly one cycle after the address."""
        self.ctx.set(self.dut.bus.address, register.offset)
        await self.step()
        self.ctx.set(self.dut.bus.address, 0)
        return self.ctx.get(self.dut.bus.data)


def simulate(body, arch=ARCH) -> None:
    """Run the coroutine `body(bench)` on a fresh bank."""
    dut = RegisterBank(arch)

    async def testbench(ctx):
        await body(Bench(dut, ctx))

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()


def test_identity():
    async def body(bench):
        assert await bench.read(MAGIC) == int.from_bytes(b"CSS1", "little")
        assert await bench.read(VERSION) == 4
        assert f"{await bench.read(DIGEST_HIGH):08x}{await bench.read(DIGEST_LOW):08x}" == ARCH.digest[:16]

    simulate(body)


def test_reads_are_pipelined_one_a_cycle():
    async def body(bench):
        for address, register in zip([1, 0, 2, 0], [None, VERSION, MAGIC, DIGEST_HIGH], strict=True):
            if register:
                expected = {VERSION: 4, MAGIC: 0x31535343, DIGEST_HIGH: int(ARCH.digest[:8], 16)}[register]
                assert bench.ctx.get(bench.dut.bus.data) == expected
            bench.ctx.set(bench.dut.bus.address, address)
            await bench.step()

    simulate(body)


def test_status_bits():
    async def body(bench):
        assert await bench.read(STATUS) == 0
        bench.busy = True
        assert await bench.read(STATUS) == STATUS_BUSY
        bench.busy = False
        await bench.step(corrupt=1)
        await bench.step(unknown_command=1)
        assert await bench.read(STATUS) == STATUS_CORRUPT | STATUS_UNKNOWN_COMMAND
        await bench.step(run=1)
        await bench.step(done=1)
        assert await bench.read(STATUS) == STATUS_CORRUPT | STATUS_UNKNOWN_COMMAND
        await bench.step(spikes_started=1)
        assert await bench.read(STATUS) == STATUS_UNKNOWN_COMMAND

    simulate(body)


@pytest.mark.parametrize("arch", [ARCH, ALONE], ids=["small", "nano"])
@pytest.mark.parametrize("seed", range(4))
def test_counters_follow_a_plain_model(arch, seed):
    chance = random.Random(seed)

    async def quiet(bench, least, most):
        for _ in range(chance.randint(least, most)):
            await bench.step()

    async def body(bench):
        for _ in range(3):
            await quiet(bench, 0, 5)
            first = bench.cycle
            await bench.step(spikes_started=1)
            await quiet(bench, 0, 9)
            run = ended = bench.cycle
            await bench.step(run=1)
            layers, totals = [], dict.fromkeys(LAYER_FIELDS, 0)
            for _ in range(chance.randint(1, 6)):
                counts = dict.fromkeys(LAYER_FIELDS, 0)
                length = LAG + chance.choice([1, 5, 40, 200])
                for i in range(length):
                    now = {name: chance.choice([0, 1, arch.lanes]) for name in LAYER_FIELDS[1:]}
                    now |= {"words": chance.choice([0, arch.clusters])}
                    if i < LAG:
                        now = {}
                    for name, value in now.items():
                        counts[name] += value
                    if i == length - 1:
                        counts["cycles"] = bench.cycle - ended
                        ended = bench.cycle
                        await bench.step(**now, layer_done=1)
                    else:
                        await bench.step(**now)
                layers.append(counts)
                totals = {name: totals[name] + counts[name] for name in totals}
            await quiet(bench, LAG, LAG + 3)
            done = bench.cycle
            await bench.step(done=1)
            await quiet(bench, 4, 9)
            assert await bench.read(CYCLES_INPUT) == run - first
            assert await bench.read(CYCLES_RUN) == done - run
            assert await bench.read(EVENTS) == totals["events"]
            for number, counts in enumerate(layers):
                shown = {name: await bench.read(layer_register(number, name)) for name in LAYER_FIELDS}
                assert shown == counts, f"layer {number}"

    simulate(body, arch)


def test_a_run_without_new_spikes_took_no_input_cycles():
    async def body(bench):
        await bench.step(spikes_started=1)
        await bench.step()
        await bench.step(run=1)
        await bench.step(done=1)
        assert await bench.read(CYCLES_INPUT) == 2
        await bench.step(run=1)
        assert await bench.read(CYCLES_INPUT) == 0

    simulate(body)


def test_the_last_layer_of_the_statistics_memory_is_reached_and_what_lies_behind_reads_zero():
    last = ARCH.max_layers - 1

    async def body(bench):
        await bench.step(run=1)
        for number in range(ARCH.max_layers):
            for _ in range(LAG):
                await bench.step()
            await bench.step(words=1)
            await bench.step(layer_done=1, events=number % 3)
        for _ in range(LAG):
            await bench.step()
        assert await bench.read(layer_register(last, "events")) == last % 3
        assert await bench.read(layer_register(last, "cycles")) == LAG + 2
        assert await bench.read(layer_register(0, "words")) == 1
        assert await bench.read(layer_register(ARCH.max_layers, "cycles")) == 0
        bench.ctx.set(bench.dut.bus.address, len(REGISTERS))
        await bench.step()
        assert bench.ctx.get(bench.dut.bus.data) == 0

    simulate(body)


def test_offsets_are_unique_and_on_the_bus():
    offsets = [register.offset for register in REGISTERS]
    assert len(set(offsets)) == len(offsets)
    assert max(offsets) < layer_register(0, "cycles").offset < 1 << RegisterBus.ADDRESS_BITS


def test_layer_register_refuses_what_is_not_there():
    with pytest.raises(ValueError) as raised:
        layer_register(0, "spikes")
    assert str(raised.value) == ("there is no layer counter 'spikes'; choose one of " + ", ".join(LAYER_FIELDS))
    with pytest.raises(ValueError) as raised:
        layer_register(248, "cycles")
    assert str(raised.value) == "the register bus shows the counters of layers 0..247, not of layer 248"
