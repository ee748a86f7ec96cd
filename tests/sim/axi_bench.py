"""What cocotb runs inside the simulator for test_bus: the AXI wrapper under cocotbext-axi, with pauses everywhere."""

import os
import random
from itertools import repeat

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp, AxiStreamBus, AxiStreamSink, AxiStreamSource

from trispike_hw import registers
from trispike_hw.bus.registers import RESET

JOB = np.load(os.environ["JOB"])


def pauses(seed: int, share: float):
    """Whether to pause, cycle by cycle."""
    rng = random.Random(seed)
    return (rng.random() < share for _ in repeat(None))


async def keeps_offers(dut, valid: str, ready: str, *payload: str) -> None:
    """What a channel of the design offers stands until it is taken."""
    offered = None
    while True:
        await FallingEdge(dut.aclk)
        now = [getattr(dut, name).value for name in payload] if dut[valid].value == 1 else None
        assert offered is None or now == offered, f"{valid} fell, or what it offers changed, before {ready}"
        offered = now if now is not None and dut[ready].value == 0 else None


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def digits(dut) -> None:
    """Identify, load, and image after image; a reset and a refused write on the way."""
    cocotb.start_soon(Clock(dut.aclk, 10, unit="ns").start())
    dut.s_axis_weights_tvalid.value = 0
    dut.m_axis_request_tready.value = 0
    bus = {"clock": dut.aclk, "reset": dut.aresetn, "reset_active_level": False}
    control = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), **bus)
    source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), byte_size=32, **bus)
    sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), byte_size=32, **bus)
    source.set_pause_generator(pauses(1, 0.3))
    sink.set_pause_generator(pauses(2, 0.5))
    channels = (control.write_if.aw_channel, control.write_if.w_channel, control.write_if.b_channel,
                control.read_if.ar_channel, control.read_if.r_channel)  # fmt: skip
    for number, channel in enumerate(channels):
        channel.set_pause_generator(pauses(3 + number, 0.4))
    dut.aresetn.value = 0
    await ClockCycles(dut.aclk, 4)
    dut.aresetn.value = 1
    await RisingEdge(dut.aclk)
    watches = [
        cocotb.start_soon(keeps_offers(dut, "s_axi_rvalid", "s_axi_rready", "s_axi_rdata", "s_axi_rresp")),
        cocotb.start_soon(keeps_offers(dut, "s_axi_bvalid", "s_axi_bready", "s_axi_bresp")),
        cocotb.start_soon(keeps_offers(dut, "m_axis_tvalid", "m_axis_tready", "m_axis_tdata", "m_axis_tlast")),
    ]

    async def read(register) -> int:
        return await control.read_dword(4 * register.offset)

    assert await read(registers.MAGIC) == registers.MAGIC_VALUE
    assert [await read(registers.DIGEST_HIGH), await read(registers.DIGEST_LOW)] == JOB["digest"].tolist()
    await source.send(JOB["load"][:7].tolist())  # half a command, which the reset makes the machine forget
    await source.wait()
    response = await control.write(4 * RESET.offset, b"\1\0\0\0")
    assert response.resp == AxiResp.OKAY
    assert (await control.write(4 * registers.STATUS.offset, b"\1\0\0\0")).resp == AxiResp.SLVERR
    assert await read(RESET) == 0

    await source.send(JOB["load"].tolist())
    for words, answer in zip(JOB["inputs"], JOB["answers"], strict=True):
        await source.send(words.tolist())
        frame = await sink.recv()  # ends with TLAST
        assert frame.tdata == [value & 0xFFFF_FFFF for value in answer.tolist()]
    assert await read(registers.STATUS) == 0
    assert await read(registers.EVENTS) > 0
    assert not any(watch.done() for watch in watches)
