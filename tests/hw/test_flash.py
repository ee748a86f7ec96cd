"""The flash reader on a model of the part that refuses what the data sheet of a W25Q128JV forbids."""

import random

import pytest
from amaranth.sim import Simulator

from trispike_hw.memory.flash import FLASH_OFFSET, FLASH_WORDS, FlashReader


class SerialFlash:
    """The part in SPI mode 0, asleep at first, a cycle of `clock` Hz at a time; `content` is its bytes by address."""

    def __init__(self, clock: float) -> None:
        self.content: dict[int, int] = {}
        self.commands: list[int] = []
        self._period, self._cycle = 1e9 / clock, 0
        self._selected = self._clock = 0
        self._awake_from: float | None = None
        self._deselected = -1e9
        self._bits: list[int] = []
        self._shown = 0

    def cycle(self, select: int, clock: int, copi: int) -> int:
        """What the part shows after a cycle with these levels."""
        now = self._cycle * self._period
        self._cycle += 1
        if select != self._selected:
            assert not clock and not self._clock, "select changes while the clock is high"
            if select:
                assert now - self._deselected >= 50, "select was off for less than 50 ns"
            else:
                self._end(now)
            self._bits = []
        elif select and clock and not self._clock:
            self._bits.append(copi)
        elif select and self._clock and not clock:
            self._show()
        self._selected, self._clock = select, clock
        return self._shown

    def _end(self, now: float) -> None:
        self._deselected = now
        command = self._byte(0)
        self.commands.append(command)
        if command == 0xAB:
            assert len(self._bits) == 8, "WAKE is one byte"
            self._awake_from = now + 3e3
        else:
            assert self._awake_from is not None and now >= self._awake_from, "the part sleeps"
            assert command == 0x0B, "a command that the model does not know"
            assert len(self._bits) > 40 and len(self._bits) % 32 == 8, "a burst of broken words"

    def _byte(self, number: int) -> int:
        return int("".join(map(str, self._bits[8 * number : 8 * number + 8])), 2)

    def _show(self) -> None:
        """Behind a falling edge: the next bit, once command, address and dummy byte have come."""
        place, bit = divmod(len(self._bits) - 40, 8)
        if place >= 0:
            address = sum(self._byte(number) << 8 * (3 - number) for number in (1, 2, 3)) + place
            self._shown = self.content.get(address % (1 << 24), 0xFF) >> 7 - bit & 1


@pytest.mark.parametrize(("clock", "stall"), [(12e6, 0.0), (40e6, 0.5), (80e6, 0.9)])
def test_bursts_are_read_at_the_offset_behind_stalls(clock, stall):
    dut, flash, rng = FlashReader(clock), SerialFlash(clock), random.Random(7)
    bursts = [(0, 3), (5, 1), (FLASH_WORDS - 2, 2), (0x12345, 4)]
    expected = []
    for first, count in bursts:
        words = [rng.getrandbits(32) for _ in range(count)]
        expected.append(words)
        for number, word in enumerate(words):
            address = FLASH_OFFSET + 4 * (first + number)
            flash.content |= {address + byte: word >> 8 * byte & 0xFF for byte in range(4)}
    found = []

    async def part(ctx):
        pins = dut.pins
        while True:
            ctx.set(pins.cipo, flash.cycle(ctx.get(pins.select), ctx.get(pins.clock), ctx.get(pins.copi)))
            await ctx.tick()

    async def user(ctx):
        port = dut.memory
        for first, count in bursts:
            ctx.set(port.request.payload, {"address": first, "count": count})
            ctx.set(port.request.valid, 1)
            await ctx.tick().until(port.request.ready)
            ctx.set(port.request.valid, 0)
            words = []
            while len(words) < count:
                ready = rng.random() >= stall
                ctx.set(port.words.ready, ready)
                *_, valid, word = await ctx.tick().sample(port.words.valid, port.words.payload)
                words += [word] * (valid and ready)
            ctx.set(port.words.ready, 0)
            found.append(words)
        await ctx.tick().repeat(20)

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(part, background=True)
    simulator.add_testbench(user)
    simulator.run()
    assert found == expected
    assert flash.commands == [0xAB, *[0x0B] * len(bursts)]
