"""COBS in hardware says what the cobs library says."""

import pytest
from amaranth.sim import Simulator
from cobs import cobs
from hypothesis import example, given, settings
from hypothesis import strategies as st
from streams import through

from trispike_hw.link.cobs import CobsDecoder, CobsEncoder

FRAMES = st.lists(st.binary(max_size=24) | st.binary(min_size=250, max_size=258) | st.just(bytes(range(1, 256)) * 2),
                  max_size=4)  # fmt: skip
STALLS = st.sampled_from((0.0, 0.5))
END = (0, 1)
CASES = settings(max_examples=10, deadline=None, derandomize=True)


def tokens(frames: list[bytes]) -> list[tuple[int, int]]:
    """(data, end) of every byte of every frame and of its end."""
    return [token for frame in frames for token in (*((byte, 0) for byte in frame), END)]


def encoded(frames: list[bytes]) -> bytes:
    """The frames on the line."""
    return b"".join(cobs.encode(frame) + b"\0" for frame in frames)


def pair(token) -> tuple[int, int]:
    """A token of the simulator as plain numbers."""
    return token.data, token.end


@CASES
@given(FRAMES, STALLS)
@example([bytes(range(1, 255)), b"", bytes(range(1, 255)) + b"\0", bytes(254)], 0.0)
def test_encodes_like_the_library(frames, stall):
    offers = [{"data": data, "end": end} for data, end in tokens(frames)]
    line = encoded(frames)
    assert bytes(through(CobsEncoder(), offers, len(line), stall=stall)) == line


@CASES
@given(FRAMES, STALLS)
@example([bytes(range(1, 255)), b"", bytes(range(1, 255)) + b"\0", bytes(254)], 0.0)
def test_decodes_like_the_library(frames, stall):
    expected = tokens(frames)
    assert through(CobsDecoder(), encoded(frames), len(expected), stall=stall, view=pair) == expected


@pytest.mark.parametrize(("line", "torn"), [(b"\3ab\0", 0), (b"\3a\0", 1), (b"\3\0", 1), (b"\1\0", 0), (b"\0", 0)])
def test_a_frame_that_is_cut_is_torn_and_the_next_is_not(line, torn):
    dut, seen = CobsDecoder(), []

    async def bench(ctx):
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.o.ready, 1)
        for byte in line + b"\2x\0":
            ctx.set(dut.i.payload, byte)
            _, _, valid, end, is_torn = await ctx.tick().sample(dut.o.valid, dut.o.payload.end, dut.torn)
            if valid and end:
                seen.append(is_torn)

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    assert seen == [torn, 0]
