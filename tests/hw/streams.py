"""Bench ends of streams, with random stalls that a seed repeats."""

import random
from collections.abc import Callable, Iterable
from typing import Any

from amaranth.hdl import Value
from amaranth.sim import Simulator


async def feed(ctx: Any, stream: Any, payloads: Iterable[Any], rng: random.Random, stall: float) -> None:
    """Offer `payloads` one after the other; before each, wait a cycle again and again with probability `stall`."""
    for payload in payloads:
        while rng.random() < stall:
            await ctx.tick()
        ctx.set(stream.payload, payload)
        ctx.set(stream.valid, 1)
        await ctx.tick().until(stream.ready)
        ctx.set(stream.valid, 0)


async def drain(
    ctx: Any,
    stream: Any,
    take: Callable[[Any], None],
    rng: random.Random,
    stall: float,
    enough: Callable[[], bool],
    patience: int = 2000,
) -> None:
    """Take payloads until `enough`; not ready in a cycle with probability `stall`.

    Fails if an offer changes or ends before it is taken, and if nothing comes for `patience` cycles.
    """
    offered, waited = None, 0
    while not enough():
        assert waited < patience, f"nothing came for {waited} cycles"
        waited += 1
        ready = rng.random() >= stall
        ctx.set(stream.ready, ready)
        _, _, valid, bits, payload = await ctx.tick().sample(stream.valid, Value.cast(stream.payload), stream.payload)
        assert offered is None or (valid and bits == offered), "an offer changed before it was taken"
        offered = bits if valid and not ready else None
        if valid and ready:
            take(payload)
            waited = 0
    ctx.set(stream.ready, 0)


def through(
    dut: Any, payloads: Iterable[Any], count: int, seed: int = 0, stall: float = 0.0, view: Callable[[Any], Any] = int
) -> list[Any]:
    """Send `payloads` into `dut.i`, both ends stalling with probability `stall`, and return the first `count` that come
    out of `dut.o`, each seen through `view`."""
    taken: list[Any] = []

    async def send(ctx: Any) -> None:
        await feed(ctx, dut.i, payloads, random.Random(seed), stall)

    async def receive(ctx: Any) -> None:
        await drain(ctx, dut.o, lambda payload: taken.append(view(payload)), random.Random(~seed), stall,
                    lambda: len(taken) >= count)  # fmt: skip

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(send)
    simulator.add_testbench(receive)
    simulator.run()
    return taken
