"""What cocotb runs inside the simulator for test_uart: one test for each block, of its name."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge
from cocotbext.uart import UartSink, UartSource

BAUD = 10_000_000
LINE = bytes([0, 255, 0x55, 0xAA, *random.Random(1).randbytes(60)])


async def start(dut) -> None:
    """Clock, and a reset of two cycles."""
    cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
    dut.rst.value = 1
    for _ in range(2):
        await RisingEdge(dut.clk)
    dut.rst.value = 0


@cocotb.test(name="UartReceiver", timeout_time=200, timeout_unit="us")
async def receiver(dut) -> None:
    """Every byte that the model sends comes out."""
    source = UartSource(dut.rx, baud=BAUD)
    dut.o__ready.value = 1
    await start(dut)
    await source.write(LINE)
    taken = bytearray()
    while len(taken) < len(LINE):
        await RisingEdge(dut.clk)
        await ReadOnly()
        if dut.o__valid.value == 1:
            taken.append(int(dut.o__payload.value))
    assert bytes(taken) == LINE


@cocotb.test(name="UartTransmitter", timeout_time=200, timeout_unit="us")
async def transmitter(dut) -> None:
    """The model understands every byte that goes in."""
    sink = UartSink(dut.tx, baud=BAUD)
    dut.i__valid.value = 0
    await start(dut)
    for byte in LINE:
        dut.i__payload.value = byte
        dut.i__valid.value = 1
        await RisingEdge(dut.clk)
        while dut.i__ready.value != 1:
            await RisingEdge(dut.clk)
    dut.i__valid.value = 0
    taken = b""
    while len(taken) < len(LINE):
        taken += bytes(await sink.read())
    assert taken == LINE
