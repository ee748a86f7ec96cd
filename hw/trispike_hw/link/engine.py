"""Executes the frames of a host, each exactly once, and replies to each."""

from collections.abc import Callable
from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..layout import STREAM_BITS
from ..memory.port import ADDRESS_BITS, ExternalMemory
from ..registers import STATUS
from .frames import FRAMING_WORDS, LINK_VERSION, FrameWord, Header, Kind
from .machine_port import MachinePort
from .ring import Ring
from .store import Area, StoreRead, StoreWrite


class LinkEngine(wiring.Component):
    """Stands between the frames of a line and a machine with its memory.

    Function: docs/host-link.md. The reply to the last frame is kept, and sent again when that frame comes again. The
    words of SEND wait in a ring of `frame_words`, answer words in another, so that no frame ever waits for the machine;
    STORE and FETCH wait for the external memory, which takes bounded time. Rings and replies lie in the store. Latency
    and throughput: one frame at a time, one to four cycles for each word of it and of its reply; a word to the machine
    in two cycles. Back-pressure: `o` may wait as long as it likes, `i` waits while a frame is executed. Reset: no
    session, both rings empty.

    Ports:
        i: words of checked frames; `i_words` is the number of words of the frame at hand.
        o: words of replies.
        machine: the machine, and the external `memory` if there is one.
        write, read: of the store, which must always be ready.
        answers, words: the same for words from the machine and to it; they wait.
        busy: the machine runs, words are under way to it, or a frame is being executed.
    """

    i: stream.Interface
    i_words: Signal
    o: stream.Interface
    machine: Any  # MachinePort, whose members no type checker sees
    write: Any  # StoreWrite, whose members no type checker sees
    read: Any  # StoreRead, whose members no type checker sees
    answers: Any  # StoreWrite, whose members no type checker sees
    words: Any  # StoreRead, whose members no type checker sees
    busy: Signal

    def __init__(self, external: ExternalMemory | None, frame_words: int) -> None:
        self._external, self._frame_words = external, frame_words
        super().__init__(
            {
                "i": In(stream.Signature(FrameWord)),
                "i_words": In(range(frame_words)),
                "o": Out(stream.Signature(FrameWord)),
                "machine": Out(MachinePort(external)),
                "write": Out(StoreWrite(frame_words)),
                "read": Out(StoreRead(frame_words)),
                "answers": Out(StoreWrite(frame_words)),
                "words": Out(StoreRead(frame_words)),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """See the class."""
        m = Module()
        external = self._external
        frame_words = self._frame_words
        payload_words = frame_words - FRAMING_WORDS
        hello = [LINK_VERSION, payload_words]
        hello += [0, 0] if external is None else [external.words, int(external.writable)]
        inputs, outputs, under_way = self._rings(m)
        write, read = self.write, self.read

        reply = data.View(Header, Signal(STREAM_BITS))  # its session and sequence are those of the last request
        reply_words = Signal(range(frame_words))  # of the payload
        sent = Signal(range(frame_words))
        content, last = Signal(STREAM_BITS), Signal()  # the word of the reply at hand, and whether it is the last one
        count = Signal(range(frame_words))  # words taken, or still wanted
        too_many = Signal()  # more are wanted than `count` can hold
        address = Signal(ADDRESS_BITS)  # of a register or of the memory
        more = Signal()  # the frame at hand has words left

        request = data.View(Header, self.i.payload.data)
        taken = self.i.valid & self.i.ready
        in_session = request.session == reply.session
        repeated = in_session & (request.sequence == reply.sequence)
        next_in_session = in_session & (request.sequence == (reply.sequence + 1)[:16])
        begins_session = ~in_session & (request.kind == Kind.HELLO)
        with m.If(taken):
            m.d.sync += more.eq(~self.i.payload.last)

        def put(word: Any) -> None:
            """Append a word to the reply."""
            m.d.comb += [write.valid.eq(1), write.data.eq(word)]
            m.d.sync += reply_words.eq(reply_words + 1)

        def take_argument(then: str) -> None:
            """Take a word of the payload, without which the frame is refused."""
            m.d.comb += self.i.ready.eq(more)
            with m.If(~more):
                m.next = "REFUSE"
            with m.Elif(taken):
                m.next = then

        m.d.comb += [
            write.area.eq(Area.REPLY),
            write.address.eq(reply_words),
            read.area.eq(Area.REPLY),
            read.address.eq(sent),
        ]
        # Registers, for both go far: a whole machine hangs on its reset.
        m.d.sync += [self.machine.reset.eq(0), self.machine.registers.address.eq(STATUS.offset)]
        with m.FSM() as fsm:
            with m.State("REQUEST"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [count.eq(0), sent.eq(0)]
                with m.If(taken):
                    m.next = "SKIP"
                    with m.If(repeated):
                        m.next = "REPLY_HEADER"
                    with m.Elif(next_in_session | begins_session):
                        m.d.sync += [reply.eq(request), reply_words.eq(0)]
                        m.next = "EXECUTE"
            with m.State("SKIP"):
                m.d.comb += self.i.ready.eq(more)
                with m.If(~more):
                    m.next = "REQUEST"

            with m.State("EXECUTE"), m.Switch(reply.kind):
                with m.Case(Kind.HELLO):
                    put(hello[0])
                    m.next = "HELLO0"
                with m.Case(Kind.SEND):
                    m.next = "SEND"
                    with m.If(self.i_words + inputs.level > frame_words + 1):
                        m.next = "SENT"
                with m.Case(Kind.RECEIVE, Kind.READ):
                    m.next = "COUNT"
                if external is not None:
                    with m.Case(Kind.FETCH):
                        m.next = "COUNT"
                if external is not None and external.writable:
                    with m.Case(Kind.STORE):
                        m.next = "ADDRESS"
                with m.Case(Kind.RESET):
                    m.d.sync += self.machine.reset.eq(1)
                    m.next = "REPLY_HEADER"
                with m.Default():
                    m.next = "REFUSE"
            with m.State("REFUSE"):
                m.d.sync += reply.kind.eq(Kind.REFUSED)
                m.next = "REPLY_HEADER"
            for number, word in enumerate(hello[1:]):
                with m.State(f"HELLO{number}"):
                    put(word)
                    m.next = f"HELLO{number + 1}" if number + 2 < len(hello) else "REPLY_HEADER"
            with m.State("SEND"):
                m.d.comb += [
                    self.i.ready.eq(more),
                    inputs.puts.eq(taken),
                    write.valid.eq(taken),
                    write.area.eq(Area.INPUTS),
                    write.address.eq(inputs.put_at),
                    write.data.eq(self.i.payload.data),
                ]
                m.d.sync += count.eq(count + taken)
                with m.If(~more):
                    m.next = "SENT"
            with m.State("SENT"):
                put(count)
                m.next = "REPLY_HEADER"
            with m.State("COUNT"):
                wanted = self.i.payload.data
                m.d.sync += [count.eq(wanted), too_many.eq(wanted[len(count) :].any())]
                take_argument(then="LIMIT")
            with m.State("LIMIT"):
                with m.If(too_many | (count > payload_words)):
                    m.d.sync += count.eq(payload_words)
                m.next = "ADDRESS"
                with m.If(reply.kind == Kind.RECEIVE):
                    m.next = "RECEIVE"
            with m.State("RECEIVE"):
                m.next = "REPLY_HEADER"
                m.d.comb += [read.area.eq(Area.OUTPUTS), read.address.eq(outputs.get_at)]
                with m.If((count != 0) & outputs.some):
                    m.d.comb += [read.valid.eq(1), outputs.gets.eq(1)]
                    m.d.sync += count.eq(count - 1)
                    m.next = "RECEIVING"
            with m.State("RECEIVING"):
                m.d.sync += content.eq(read.data)
                m.next = "RECEIVED"
            with m.State("RECEIVED"):
                put(content)
                m.next = "RECEIVE"
            with m.State("ADDRESS"):
                m.d.sync += address.eq(self.i.payload.data)
                take_argument(then="READ")
                if external is not None:
                    with m.If(taken & (reply.kind == Kind.FETCH)):
                        m.next = "FETCH"
                if external is not None and external.writable:
                    with m.If(taken & (reply.kind == Kind.STORE)):
                        m.next = "STORE"
            with m.State("READ"):
                m.d.sync += [
                    self.machine.registers.address.eq(address),
                    address.eq(address + 1),
                    count.eq(count - 1),
                ]
                m.next = "ADDRESSED"
                with m.If(count == 0):
                    m.next = "REPLY_HEADER"
            with m.State("ADDRESSED"):
                m.next = "SHOWN"
            with m.State("SHOWN"):
                m.d.sync += content.eq(self.machine.registers.data)  # out of a slow block RAM, for counters of layers
                m.next = "CONTENT"
            with m.State("CONTENT"):
                put(content)
                m.next = "READ"
            if external is not None:
                self._fetch(m, address, count, put)
            if external is not None and external.writable:
                self._store(m, address, more)

            with m.State("REPLY_HEADER"):
                m.d.comb += [
                    self.o.valid.eq(1),
                    self.o.payload.data.eq(reply),
                    self.o.payload.last.eq(reply_words == 0),
                ]
                with m.If(self.o.ready):
                    m.next = "SKIP"
                    with m.If(reply_words != 0):
                        m.next = "REPLY_FETCH"
            with m.State("REPLY_FETCH"):
                m.d.comb += read.valid.eq(1)
                m.d.sync += last.eq(sent == reply_words - 1)
                m.next = "REPLY_LOAD"
            with m.State("REPLY_LOAD"):
                m.d.sync += content.eq(read.data)  # a block RAM is slow, and the line's code hangs on what comes out
                m.next = "REPLY_WORD"
            with m.State("REPLY_WORD"):
                m.d.comb += [
                    self.o.valid.eq(1),
                    self.o.payload.data.eq(content),
                    self.o.payload.last.eq(last),
                ]
                with m.If(self.o.ready):
                    m.d.sync += sent.eq(sent + 1)
                    m.next = "REPLY_FETCH"
                    with m.If(self.o.payload.last):
                        m.next = "SKIP"
            running = self.machine.registers.data[0]
            m.d.comb += self.busy.eq(~fsm.ongoing("REQUEST") | under_way | running)
        return m

    def _fetch(self, m: Module, address: Signal, count: Signal, put: Callable[[Any], None]) -> None:
        """State FETCH and those behind it: a burst of the memory becomes the reply."""
        port = self.machine.memory
        m.d.comb += [port.request.payload.address.eq(address), port.request.payload.count.eq(count)]
        with m.State("FETCH"):
            m.d.comb += port.request.valid.eq(count != 0)
            with m.If(count == 0):
                m.next = "REPLY_HEADER"
            with m.Elif(port.request.ready):
                m.next = "FETCHED"
        with m.State("FETCHED"):
            m.d.comb += port.words.ready.eq(1)
            with m.If(port.words.valid):
                put(port.words.payload)
                m.d.sync += count.eq(count - 1)
                with m.If(count == 1):
                    m.next = "REPLY_HEADER"

    def _store(self, m: Module, address: Signal, more: Signal) -> None:
        """State STORE: the rest of the frame goes to the memory."""
        port = self.machine.memory.store
        m.d.comb += [port.payload.data.eq(self.i.payload.data), port.payload.address.eq(address)]
        with m.State("STORE"):
            m.d.comb += [port.valid.eq(more & self.i.valid), self.i.ready.eq(more & port.ready)]
            with m.If(port.valid & port.ready):
                m.d.sync += address.eq(address + 1)
            with m.If(~more):
                m.next = "REPLY_HEADER"

    def _rings(self, m: Module) -> tuple[Ring, Ring, Value]:
        """Words under way to the machine, and from it; and whether there are any of the former."""
        m.submodules.inputs = inputs = Ring(self._frame_words)
        m.submodules.outputs = outputs = Ring(self._frame_words)
        # A register takes the slow output of the block RAM off the machine's decoding of commands.
        words, answers = self.machine.words, self.machine.answers
        arriving = Signal()
        m.d.comb += [
            self.words.area.eq(Area.INPUTS),
            self.words.address.eq(inputs.get_at),
            self.words.valid.eq(inputs.some & ~arriving & (~words.valid | words.ready)),
            inputs.gets.eq(self.words.valid & self.words.ready),
            self.answers.area.eq(Area.OUTPUTS),
            self.answers.address.eq(outputs.put_at),
            outputs.puts.eq(self.answers.valid & self.answers.ready),
            inputs.clear.eq(self.machine.reset),
            outputs.clear.eq(self.machine.reset),
        ]
        if self._external is None:
            m.d.comb += [
                self.answers.data.eq(answers.payload),
                self.answers.valid.eq(answers.valid & outputs.room),
                answers.ready.eq(self.answers.ready & outputs.room),
            ]
        else:
            # Whether the store is free hangs on what the external memory does, which is far from the machine's answer.
            held = Signal()
            m.d.comb += [answers.ready.eq(~held), self.answers.valid.eq(held & outputs.room)]
            with m.If(outputs.puts | self.machine.reset):
                m.d.sync += held.eq(0)
            with m.Elif(answers.valid & ~held):
                m.d.sync += [held.eq(1), self.answers.data.eq(answers.payload)]
        m.d.sync += arriving.eq(inputs.gets & ~self.machine.reset)
        with m.If(arriving):
            m.d.sync += [words.valid.eq(1), words.payload.eq(self.words.data)]
        with m.Elif(words.ready):
            m.d.sync += words.valid.eq(0)
        with m.If(self.machine.reset):
            m.d.sync += words.valid.eq(0)
        return inputs, outputs, inputs.some | arriving | words.valid
