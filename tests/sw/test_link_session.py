"""Sessions and machines on a line to a device of Python: every request once, and an end to every wait."""

from collections.abc import Callable

import numpy as np
import pytest

from trispike.errors import DeviceError
from trispike.link import machine as link_machine
from trispike.link import session as link_session
from trispike.link.framing import Deframer, Frame
from trispike.link.machine import LinkedMachine
from trispike.link.memory import provide
from trispike.link.session import Session
from trispike_hw import registers
from trispike_hw.link.frames import FRAME_WORDS, FRAMING_WORDS, LINK_VERSION, Kind
from trispike_sim.faults import FaultInjector


class Device:
    """A line with a device at its end that does as docs/host-link.md says; it keeps what it is sent and answers each
    word with its complement; its external memory holds `stored`. A line without bytes passes the time at once. Set
    `replies` for other answers, `memory` for what HELLO says of the memory."""

    name = "somewhere"

    def __init__(self, faults: float = 0.0, seed: int = 0) -> None:
        self.taken: list[int] = []
        self.waiting: list[int] = []
        self.registers = {register.offset: 0 for register in registers.REGISTERS}
        self.replies: dict[Kind, Callable[[Frame], Frame | None]] = {}
        self.memory = [64, 1]
        self.stored: dict[int, int] = {}
        self.writes = 0
        self.resets = 0
        self._there, self._back = FaultInjector(faults, seed), FaultInjector(faults, ~seed)
        self._deframer = Deframer()
        self._last: Frame | None = None
        self._out = b""

    def write(self, data: bytes) -> None:
        self.writes += 1
        for request in self._deframer.feed(self._there.pass_on(data)):
            reply = self._answer(request)
            self._out += b"" if reply is None else self._back.pass_on(reply.encoded())

    def read(self, seconds: float) -> bytes:
        out, self._out = self._out, b""
        return out

    def _answer(self, request: Frame) -> Frame | None:
        last = self._last
        if last is not None and (request.session, request.sequence) == (last.session, last.sequence):
            return last
        follows = last is not None and request.sequence == (last.sequence + 1) % 0x10000
        if not (follows and request.session == last.session) and (
            request.kind != Kind.HELLO or (last is not None and request.session == last.session)
        ):
            return None
        execute = self.replies.get(request.kind, self._execute)
        reply = execute(request)
        self._last = reply or last
        return reply

    def _execute(self, request: Frame) -> Frame:
        words: list[int] = []
        match request.kind:
            case Kind.HELLO:
                words = [LINK_VERSION, (FRAME_WORDS - FRAMING_WORDS), *self.memory]
            case Kind.SEND:
                self.taken += request.payload.tolist()
                self.waiting += [~word & 0xFFFF_FFFF for word in request.payload.tolist()]
                words = [len(request.payload)]
            case Kind.RECEIVE:
                count = min(int(request.payload[0]), 5)
                words, self.waiting = self.waiting[:count], self.waiting[count:]
            case Kind.READ:
                count, first = request.payload.tolist()
                words = [self.registers.get(first + number, 0) for number in range(count)]
            case Kind.RESET:
                self.resets += 1
            case Kind.STORE:
                address, *stored = request.payload.tolist()
                self.stored |= dict(enumerate(stored, address))
            case Kind.FETCH:
                count, first = request.payload.tolist()
                words = [self.stored.get(first + number, 0) for number in range(count)]
        return answer(request, words)


def answer(request: Frame, words: list[int], kind: Kind | None = None) -> Frame:
    return Frame(kind or request.kind, request.session, request.sequence, np.array(words, np.uint32))


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """A device that says nothing is known to say nothing at once."""
    monkeypatch.setattr(link_session, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(link_session, "LONGEST_WAIT", 0.001)


@pytest.mark.parametrize("seed", range(5))
def test_every_word_goes_in_and_comes_out_once_over_a_bad_line(seed):
    device = Device(faults=0.05, seed=seed)
    machine = LinkedMachine(device)
    words = np.arange(3000, dtype=np.uint32) * 0x9E37
    machine.send(words)
    assert device.taken == words.tolist()
    assert machine.receive(3000).tolist() == (~words).tolist()
    assert device.resets == 1
    assert 0 < machine.session.repetitions < 400


def refused(text: str, act: Callable[[], object]) -> None:
    with pytest.raises(DeviceError) as raised:
        act()
    assert str(raised.value) == text


def test_a_device_that_is_silent_is_given_up():
    device = Device()
    device.replies[Kind.HELLO] = lambda request: None
    with pytest.raises(DeviceError, match=r"on somewhere did not answer HELLO in 5 attempts over .* s; check that it"):
        Session(device)
    assert device.writes == 2 * link_session.HELLO_ATTEMPTS
    device = Device()
    session = Session(device)
    device.replies[Kind.RESET] = lambda request: None
    with pytest.raises(DeviceError, match="did not answer RESET in 12 attempts"):
        session.exchange(Kind.RESET)


def test_a_device_that_happens_to_be_in_the_session_drawn_is_reached(monkeypatch):
    monkeypatch.setattr(link_session.secrets, "randbelow", lambda limit: 7)
    device = Device()
    Session(device)
    assert Session(device).exchange(Kind.RECEIVE, [1]).size == 0


def test_devices_of_another_kind_are_refused():
    device = Device()
    device.replies[Kind.HELLO] = lambda request: answer(request, [LINK_VERSION - 1, 5])
    refused(
        f"the device on somewhere speaks version {LINK_VERSION - 1} of the host link, not {LINK_VERSION}; build its "
        "bitstream with this version of trispike",
        lambda: Session(device),
    )
    device.replies[Kind.HELLO] = lambda request: answer(request, [])
    refused(
        "the device on somewhere answers HELLO with 0 words, not 4; build its bitstream with this version of trispike",
        lambda: Session(device),
    )
    del device.replies[Kind.HELLO]
    device.replies[Kind.RESET] = lambda request: answer(request, [], Kind.REFUSED)
    refused(
        "the device on somewhere answers RESET with REFUSED; build its bitstream with this version of trispike",
        lambda: LinkedMachine(device),
    )


def test_an_external_memory_is_filled_once_and_never_half_trusted():
    device, words = Device(), np.arange(7, 67, dtype=np.uint32)
    device.stored = {0: 7, 1: 8, 2: 9, 3: 11}  # as if of another network
    provide(Session(device), "somewhere", words)
    assert device.stored == dict(enumerate(words.tolist()))
    before = device.writes
    provide(Session(device), "somewhere", words)
    assert device.writes - before == 2  # HELLO, and a look at the header
    seen: list[int] = []

    def store(request: Frame) -> Frame:
        seen.append(int(request.payload[0]))
        raise KeyboardInterrupt

    device.replies[Kind.STORE] = store
    with pytest.raises(KeyboardInterrupt):
        provide(Session(device), "somewhere", words + 1)
    assert seen == [0]  # the old header goes first


def test_a_flash_with_the_right_weights_is_taken_as_it_is():
    device, words = Device(), np.arange(7, 67, dtype=np.uint32)
    device.memory, device.stored = [64, 0], dict(enumerate(words.tolist()))
    device.replies[Kind.STORE] = lambda request: answer(request, [], Kind.REFUSED)
    provide(Session(device), "somewhere", words)


def test_memories_that_will_not_do_are_refused():
    device, words = Device(), np.arange(1, 65, dtype=np.uint32)
    refused(
        "the network has 260 bytes of weights outside the chip, but the memory of the device on somewhere holds 256; "
        "choose a smaller network or a device with more memory",
        lambda: provide(Session(device), "somewhere", np.arange(65, dtype=np.uint32)),
    )
    device.replies[Kind.STORE] = lambda request: answer(request, [])
    refused(
        "the external memory of the device on somewhere does not keep what is written to it; build the bitstream with "
        "a slower --clock",
        lambda: provide(Session(device), "somewhere", words),
    )
    device.memory = [64, 0]
    refused(
        "the flash of the device on somewhere does not hold the weights of this network; write the file that "
        "`trispike flash` makes of its image to the flash, at the offset that the verb names",
        lambda: provide(Session(device), "somewhere", words),
    )
    device.memory = [0, 0]
    refused(
        "the network streams weights in while it runs, but the device on somewhere has no memory to stream from; "
        "compile it for an architecture with more weight_rows",
        lambda: provide(Session(device), "somewhere", words),
    )


def test_registers_are_read_in_runs():
    device = Device()
    device.registers = {offset: 100 + offset for offset in range(80)}
    wanted = [registers.EVENTS, registers.layer_register(0, "cycles"), registers.CYCLES_RUN]
    assert [*LinkedMachine(device).read(wanted).values()] == [106, 107, 164]
    assert device.writes == 4


@pytest.mark.parametrize("busy", [False, True])
def test_a_machine_that_does_nothing_is_given_up_and_one_that_works_is_not(monkeypatch, busy):
    monkeypatch.setattr(link_machine, "PATIENCE", 0.3)
    device = Device()
    machine = LinkedMachine(device)
    device.waiting = [1]
    looks = [0]

    def read(request: Frame) -> Frame:
        looks[0] += 1
        if busy and looks[0] == 6:
            device.waiting.append(2)
        return answer(request, [looks[0] if busy else 3])

    device.replies[Kind.READ] = read
    if busy:
        assert machine.receive(2).tolist() == [1, 2]
    else:
        with pytest.raises(DeviceError, match=r"the device gives no answer and has done nothing for 0\.3 s; compile"):
            machine.receive(2)
