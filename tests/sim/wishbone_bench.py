"""What cocotb runs inside the simulator for test_bus: the Wishbone wrapper under a master that pauses."""

import os
import random

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge

from trispike_hw import registers
from trispike_hw.bus.registers import DATA, FLAG_ROOM, FLAG_WORD, FLAGS, RESET
from trispike_hw.registers import Register

JOB = np.load(os.environ["JOB"])


class BusError(Exception):
    """A transfer ended with `err`."""


class Master:
    """Classic single transfers, with pauses of random length between them."""

    def __init__(self, dut, seed: int) -> None:
        self._dut = dut
        self._rng = random.Random(seed)
        dut.wb_cyc.value = dut.wb_stb.value = 0
        dut.wb_sel.value = 15

    async def transfer(self, register: Register, word: int | None = None) -> int:
        """Write `word`, or read; the word read."""
        dut = self._dut
        await ClockCycles(dut.clk, self._rng.choice((1, 1, 1, 2, 5)))
        dut.wb_adr.value = register.offset
        dut.wb_we.value = word is not None
        dut.wb_dat_w.value = word or 0
        dut.wb_cyc.value = dut.wb_stb.value = 1
        for _ in range(8):
            await FallingEdge(dut.clk)
            assert not (dut.wb_ack.value == 1 and dut.wb_err.value == 1)
            if dut.wb_ack.value == 1 or dut.wb_err.value == 1:
                break
        else:
            raise AssertionError("the bus waits")
        failed, data = dut.wb_err.value == 1, int(dut.wb_dat_r.value)
        await RisingEdge(dut.clk)
        dut.wb_cyc.value = dut.wb_stb.value = 0
        if failed:
            raise BusError(register.name)
        return data

    async def refused(self, register: Register, word: int | None = None) -> bool:
        """Whether a transfer ends with an error."""
        try:
            await self.transfer(register, word)
        except BusError:
            return True
        return False


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def digits(dut) -> None:
    """Identify, load, and image after image; refused transfers and a reset on the way."""
    cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
    dut.weights_rows__valid.value = 0
    dut.weights_request__ready.value = 0
    bus = Master(dut, 1)
    dut.rst.value = 1
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0

    assert await bus.transfer(registers.MAGIC) == registers.MAGIC_VALUE
    digest = [await bus.transfer(registers.DIGEST_HIGH), await bus.transfer(registers.DIGEST_LOW)]
    assert digest == JOB["digest"].tolist()
    assert await bus.refused(registers.STATUS, 1)
    assert await bus.refused(FLAGS, 1)
    assert await bus.refused(RESET)
    assert await bus.refused(DATA)
    assert await bus.transfer(FLAGS) == FLAG_ROOM
    for word in JOB["load"][:7].tolist():  # half a command, which the reset makes the machine forget
        await bus.transfer(DATA, word)
    await bus.transfer(RESET, 1)

    for word in JOB["load"].tolist():
        await bus.transfer(DATA, word)
    for words, answer in zip(JOB["inputs"], JOB["answers"], strict=True):
        for word in words.tolist():
            await bus.transfer(DATA, word)
        assert await bus.refused(DATA, 0)  # the machine runs
        assert await bus.transfer(registers.STATUS) == registers.STATUS_BUSY
        while not await bus.transfer(FLAGS) & FLAG_WORD:
            await ClockCycles(dut.clk, 200)
        taken = [await bus.transfer(DATA) for _ in answer]
        assert taken == [value & 0xFFFF_FFFF for value in answer.tolist()]
        assert await bus.refused(DATA)
    assert await bus.transfer(registers.STATUS) == 0
    assert await bus.transfer(registers.EVENTS) > 0
