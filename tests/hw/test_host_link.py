"""The host link in hardware: every frame executed once, whatever the line does; frames checked by zlib and cobs."""

import random
import zlib
from dataclasses import dataclass, field

import pytest
from amaranth.sim import Simulator
from cobs import cobs

from trispike_hw.layout import pack
from trispike_hw.link.frames import FRAME_WORDS, FRAMING_WORDS, LINK_VERSION, Header, Kind
from trispike_hw.link.host_link import HostLink
from trispike_hw.memory.port import ExternalMemory
from trispike_sim.faults import FaultInjector

SESSION = 77
PAYLOAD_WORDS = FRAME_WORDS - FRAMING_WORDS


def header(kind: int, sequence: int, session: int = SESSION) -> int:
    """First word of a frame; `kind` need not exist."""
    return pack(Header, {"sequence": sequence, "session": session, "kind": Kind.HELLO}) & ~(0xF << 28) | kind << 28


def framed(words: list[int]) -> bytes:
    """A frame on the line, made by zlib and cobs alone."""
    body = b"".join(word.to_bytes(4, "little") for word in words)
    return cobs.encode(body + zlib.crc32(body).to_bytes(4, "little")) + b"\0"


def unframed(line: bytes) -> list[list[int]]:
    """The words of the frames on the line that are whole."""
    frames = []
    for encoded in line.split(b"\0"):
        try:
            body = cobs.decode(encoded)
        except cobs.DecodeError:
            continue
        if len(body) >= 8 and zlib.crc32(body[:-4]).to_bytes(4, "little") == body[-4:]:
            frames.append([int.from_bytes(body[i : i + 4], "little") for i in range(0, len(body) - 4, 4)])
    return frames


@dataclass
class Bench:
    """A host link with a machine that notes its input words, answers each with its complement if `answers`, and shows
    3 * address in its registers. `stored` is what an `external` memory holds, by address; its words come one by one."""

    answers: bool = True
    takes: bool = True
    external: ExternalMemory | None = None
    stored: dict[int, int] = field(default_factory=dict)
    taken: list[int] = field(default_factory=list)
    resets: int = 0

    def run(self, host) -> None:
        """Run the simulation until `host(exchange)`, a coroutine function, ends; `exchange(line, cycles)` sends bytes
        and returns those that come before the line has been quiet for so many cycles."""
        dut = HostLink(self.external)
        pending: list[int] = []

        async def machine(ctx):
            port, shown = dut.machine, 0
            while True:
                ctx.set(port.words.ready, self.takes)
                ctx.set(port.answers.valid, bool(pending))
                ctx.set(port.answers.payload, pending[0] if pending else 0)
                ctx.set(port.registers.data, 3 * shown)
                values = await ctx.tick().sample(
                    port.words.valid & port.words.ready, port.words.payload, port.answers.ready, port.reset,
                    port.registers.address,
                )  # fmt: skip
                took, word, answered, reset, shown = values[2:]
                if answered and pending:
                    pending.pop(0)
                if took:
                    self.taken.append(word)
                    pending.extend([word ^ 0xFFFF_FFFF] * self.answers)
                if reset:
                    self.resets += 1
                    pending.clear()

        async def memory(ctx):
            port = dut.machine.memory
            ctx.set(port.request.ready, 1)
            if self.external.writable:
                ctx.set(port.store.ready, 1)
            burst: list[int] = []
            while True:
                ctx.set(port.words.valid, bool(burst))
                ctx.set(port.words.payload, self.stored.get(burst[0], 0) if burst else 0)
                if self.external.writable and ctx.get(port.store.valid):
                    self.stored[ctx.get(port.store.payload.address)] = ctx.get(port.store.payload.data)
                if ctx.get(port.request.valid):
                    first = ctx.get(port.request.payload.address)
                    burst += range(first, first + ctx.get(port.request.payload.count))
                elif burst and ctx.get(port.words.ready):
                    burst.pop(0)
                await ctx.tick()

        async def line(ctx):
            async def exchange(sent: bytes, quiet: int = 250) -> bytes:
                out, idle, left = bytearray(), 0, list(sent)
                ctx.set(dut.o.ready, 1)
                while idle < quiet:
                    ctx.set(dut.i.valid, bool(left))
                    ctx.set(dut.i.payload, left[0] if left else 0)
                    *_, ready, valid, byte = await ctx.tick().sample(dut.i.ready, dut.o.valid, dut.o.payload)
                    idle = 0 if valid or left else idle + 1
                    if left and ready:
                        left.pop(0)
                    if valid:
                        out.append(byte)
                return bytes(out)

            await host(exchange)

        simulator = Simulator(dut)
        simulator.add_clock(1e-8)
        simulator.add_testbench(machine, background=True)
        if self.external is not None:
            simulator.add_testbench(memory, background=True)
        simulator.add_testbench(line)
        simulator.run()


def exchanged(bench: Bench, *frames: list[int], quiet: int = 250) -> list[list[int]]:
    """Replies to the frames, sent one after the other in a session that begins with sequence 0."""
    replies = []

    async def host(exchange):
        for frame in ([header(Kind.HELLO.value, 0)], *frames):
            replies.extend(unframed(await exchange(framed(frame), quiet)))

    bench.run(host)
    memory = [0, 0] if bench.external is None else [bench.external.words, bench.external.writable]
    assert replies[0] == [header(Kind.HELLO.value, 0), LINK_VERSION, PAYLOAD_WORDS, *memory]
    return replies[1:]


def test_words_go_in_and_answers_come_out():
    bench = Bench()
    words = [3_141_592_653 * number % (1 << 32) for number in range(PAYLOAD_WORDS)]
    send, receive, again = header(Kind.SEND.value, 1), header(Kind.RECEIVE.value, 2), header(Kind.RECEIVE.value, 3)
    replies = exchanged(bench, [send, *words], [receive, 100], [again, 0xFFFF_FFFF], quiet=1200)
    assert bench.taken == words
    answers = [word ^ 0xFFFF_FFFF for word in words]
    assert replies == [[send, PAYLOAD_WORDS], [receive, *answers[:100]], [again, *answers[100:]]]


def test_registers_are_read_and_the_machine_is_reset():
    bench = Bench()
    read, reset = header(Kind.READ.value, 1), header(Kind.RESET.value, 2)
    assert exchanged(bench, [read, 5, 64], [reset], [reset]) == [[read, *range(192, 207, 3)], [reset], [reset]]
    assert bench.resets == 1


def test_the_external_memory_is_written_and_read():
    bench = Bench(external=ExternalMemory(1 << 23))
    store, fetch = header(Kind.STORE.value, 1), header(Kind.FETCH.value, 2)
    nothing = header(Kind.FETCH.value, 3)
    frames = [[store, 0x654321, 7, 8, 9], [store, 0x654321, 7, 8, 9], [fetch, 3, 0x654320], [nothing, 0, 1]]
    assert exchanged(bench, *frames) == [[store], [store], [fetch, 0, 7, 8], [nothing]]
    assert bench.stored == {0x654321: 7, 0x654322: 8, 0x654323: 9}


def test_what_cannot_be_written_or_is_not_there_is_refused():
    bench, store, fetch = Bench(external=ExternalMemory(64, writable=False)), Kind.STORE.value, Kind.FETCH.value
    bench.stored = {5: 55}
    replies = exchanged(bench, [header(store, 1), 0, 1], [header(fetch, 2), 1, 5], [header(fetch, 3), 1])
    assert replies == [[header(Kind.REFUSED.value, 1)], [header(fetch, 2), 55], [header(Kind.REFUSED.value, 3)]]
    assert exchanged(Bench(), [header(fetch, 1), 1, 5]) == [[header(Kind.REFUSED.value, 1)]]


def test_a_frame_for_which_there_is_no_room_is_not_taken_at_all():
    bench = Bench(takes=False)
    frames = [[header(Kind.SEND.value, number), *[number] * 100] for number in (1, 2, 3)]
    replies = exchanged(bench, *frames, [header(Kind.SEND.value, 4), *[4] * (FRAME_WORDS - 200)])
    assert [reply[1] for reply in replies] == [100, 100, 0, FRAME_WORDS - 200]


@pytest.mark.parametrize("words", [[9 << 28 | SESSION << 16 | 1], [header(Kind.READ.value, 1), 1],
                                   [header(Kind.RECEIVE.value, 1)]])  # fmt: skip
def test_what_does_not_exist_or_lacks_its_arguments_is_refused(words):
    assert exchanged(Bench(), words) == [[header(Kind.REFUSED.value, 1)]]


def test_frames_of_another_session_or_out_of_sequence_are_dropped():
    bench = Bench()
    send = Kind.SEND.value
    strays = [[header(send, 1, SESSION + 1), 1], [header(send, 2), 2], [header(send, 0xFFFF), 3], [header(send, 7), 4]]
    assert exchanged(bench, *strays, [header(send, 1), 5]) == [[header(send, 1), 1]]
    assert bench.taken == [5]


def test_damaged_frames_are_dropped():
    bench = Bench()
    good = framed([header(Kind.SEND.value, 1), 6])
    long = framed([header(Kind.SEND.value, 1), *[6] * FRAME_WORDS])
    odd = cobs.encode(b"\1\2\3" + zlib.crc32(b"\1\2\3").to_bytes(4, "little")) + b"\0"
    lines = [good[:3] + bytes([good[3] ^ 16]) + good[4:], good[:-4] + b"\0", good[4:], long, odd, framed([]), b"\0\0"]
    replies = []

    async def host(exchange):
        await exchange(framed([header(Kind.HELLO.value, 0)]))
        for line in lines:
            replies.append(await exchange(line))
        replies.append(await exchange(good))

    bench.run(host)
    assert replies[:-1] == [b""] * len(lines)
    assert unframed(replies[-1]) == [[header(Kind.SEND.value, 1), 1]]
    assert bench.taken == [6]


@pytest.mark.parametrize("seed", [0])
def test_every_frame_is_executed_once_over_a_bad_line(seed):
    """A fifth of the frames suffers each kind of fault, both ways."""
    bench, rng = Bench(), random.Random(seed)
    there, back = FaultInjector(0.2, seed), FaultInjector(0.2, ~seed)
    sent, received = [], []

    async def host(exchange):
        async def insist(kind: Kind, sequence: int, payload: list[int]) -> list[int]:
            request = [header(kind.value, sequence % 0x10000), *payload]
            for _ in range(40):
                line = there.pass_on(b"\0" + framed(request))
                for reply in unframed(back.pass_on(await exchange(line))):
                    if reply[0] == request[0]:
                        return reply[1:]
            raise AssertionError("forty attempts were not enough")

        sequence = 0xFFF8  # goes round
        await insist(Kind.HELLO, sequence, [])
        for _ in range(6):
            words = [rng.getrandbits(32) for _ in range(rng.randrange(1, 12))]
            sequence += 1
            assert await insist(Kind.SEND, sequence, words) == [len(words)]
            sent.extend(words)
            sequence += 1
            received.extend(await insist(Kind.RECEIVE, sequence, [rng.randrange(20)]))
        sequence += 1
        received.extend(await insist(Kind.RECEIVE, sequence, [FRAME_WORDS]))

    bench.run(host)
    assert bench.taken == sent
    assert received == [word ^ 0xFFFF_FFFF for word in sent]
    assert len(there.counts) == len(back.counts) == 5
