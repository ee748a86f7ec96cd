"""The machine of docs/machine.md on words: runs program, constant, weight and spike words, and knows no network.

It is the reference that the RTL is debugged against, between the golden model (tensors) and the hardware (cycles).
"""

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Shape

from trispike_hw.architecture import Architecture
from trispike_hw.layout import PROGRAM_BITS, STREAM_BITS, Command, Mode, Opcode, Sink, Target, constant_word

from ..errors import DeviceError
from ..fields import fields_of
from ..streams import COMMAND_WORDS, digits_to_words
from .lane import Lane, Work
from .loader import Loader
from .words import LayerWords, constants_of, items_of, parse_program


@dataclass(frozen=True)
class LayerRun:
    """What one layer did.

    `addresses` int64 [n] and `spikes` uint32 [n] are its output words, written to spike memory or sent out, by item,
    then by step; `words_read` counts the spike words that its windows hold, with or without a spike.
    """

    addresses: np.ndarray
    spikes: np.ndarray
    events: int
    additions: int
    words_read: int


@dataclass(frozen=True)
class Run:
    """One run: its words on the output stream, uint32, every layer, and whether a corrupt word was read."""

    output: np.ndarray
    layers: tuple[LayerRun, ...]
    corrupt: bool


class Emulator:
    """A machine of architecture `arch`: takes the words of the input stream and gives those of the output stream.

    `external`, int8 [rows, columns], stands behind its external weight port. Rows are loaded as early as the load list
    allows; a layer that reads a row that the list may write meanwhile is refused.
    """

    def __init__(self, arch: Architecture, external: np.ndarray | None = None) -> None:
        self._arch = arch
        self._external = np.zeros((0, arch.columns), np.int8) if external is None else external
        self._program = np.zeros(arch.program_words, np.uint64)
        self._constants = [0] * arch.constant_words
        self._lane = Lane(arch)
        self.runs: list[Run] = []

    @property
    def memory(self) -> np.ndarray:
        """The words of the spike memory, uint32 [spike_words]."""
        return self._lane.memory

    def feed(self, stream: np.ndarray) -> np.ndarray:
        """Carry out the commands of `stream`, uint32, which holds whole commands; return the output stream, uint32.

        Raises:
            DeviceError: if a command is unknown or incomplete, or reaches beyond a memory.
        """
        output = [np.zeros(0, np.uint32)]
        at = 0
        while at < len(stream):
            head = stream[at : at + COMMAND_WORDS]
            if len(head) < COMMAND_WORDS:
                raise DeviceError(f"the input stream ends inside the command at word {at}; send whole commands")
            at += COMMAND_WORDS
            try:
                command = fields_of(Command, int(head[0]))
            except ValueError as error:
                raise DeviceError(
                    f"the input stream has an unknown command 0x{int(head[0]):08x} at word {at - COMMAND_WORDS}"
                ) from error
            if command["opcode"] is Opcode.RUN:
                self.runs.append(self.run(int(head[2])))
                output.append(self.runs[-1].output)
            else:
                at += self._write(command, int(head[1]), int(head[2]), stream[at:])
        return np.concatenate(output)

    def _write(self, command: dict, address: int, count: int, payload: np.ndarray) -> int:
        """Carry out a WRITE; return the words of its payload."""
        arch, target = self._arch, command["target"]
        match target:
            case Target.PROGRAM:
                depth, bits = arch.program_words, PROGRAM_BITS
            case Target.CONSTANTS:
                depth, bits = arch.constant_words, Shape.cast(constant_word(arch)).width
            case Target.WEIGHTS:
                depth, bits = arch.weight_rows, arch.columns * arch.weight_bits
            case _:
                depth, bits = arch.spike_words, 2 * arch.columns
        words = -(-bits // STREAM_BITS)
        if address + count > depth or count * words > len(payload):
            raise DeviceError(
                f"a WRITE of {count} rows to {target.name} at {address} does not fit {depth} rows or its payload"
            )
        rows = [
            sum(int(word) << (STREAM_BITS * i) for i, word in enumerate(row))
            for row in payload[: count * words].reshape(count, words)
        ]
        match target:
            case Target.PROGRAM:
                self._program[address : address + count] = np.array(rows, np.uint64)
            case Target.CONSTANTS:
                self._constants[address : address + count] = rows
            case Target.WEIGHTS:
                self._lane.write_weights(command["index"], address, rows)
            case _:
                self._lane.write_spikes(np.arange(address, address + count), np.array(rows, np.uint32))
        return count * words

    def run(self, load_list: int = 0) -> Run:
        """Run the program once, with the load list at program word `load_list` (0: there is none).

        Raises:
            DeviceError: if program or load list are broken or a sum leaves its register.
        """
        layers = parse_program(self._program)
        constants = constants_of(self._constants, self._arch)
        answer = self._answer(layers[-1])
        self._lane.corrupt = False
        self._lane.settle()
        loader = Loader(self._arch, self._lane, self._program, load_list, self._external)
        runs, output = [], []
        for number, layer in enumerate(layers):
            loader.prepare(number)
            runs.append(self._run_layer(layer, constants, answer))
            if layer.fields["sink"] is not Sink.STORE:
                output.append(np.stack([runs[-1].addresses, runs[-1].spikes], axis=1).reshape(-1))
        loader.finish(len(layers))
        classes = len(answer) - self._arch.columns + layers[-1].fields["last_columns"]
        output.append(answer[: max(classes, 0)] & 0xFFFFFFFF)
        return Run(np.concatenate(output).astype(np.uint32), tuple(runs), self._lane.corrupt)

    def _answer(self, last: LayerWords) -> np.ndarray:
        """Sums of all classes of the tiles that an answer has, int64, still zero; none if there is no answer."""
        if last.fields["mode"] is not Mode.LOGITS:
            return np.zeros(0, np.int64)
        return np.zeros(self._arch.columns * (last.fields["address"] + self._tiles(last)), np.int64)

    def _tiles(self, layer: LayerWords) -> int:
        """Tiles of a layer."""
        fields = layer.fields
        if fields["tile_mode"]:
            return (fields["passes"] - 1) * self._arch.lanes + fields["last_lanes"]
        return fields["passes"]

    def _run_layer(self, layer: LayerWords, constants: dict[str, np.ndarray], answer: np.ndarray) -> LayerRun:
        fields = layer.fields
        works = self._works(layer)
        z, counters = self._integrate(layer, works)
        tiles = np.array([work.tile for work in works])
        bias = constants["bias"][fields["constants"] + tiles]
        if fields["mode"] is Mode.LOGITS:
            first = np.array([work.first for work in works])
            self._add_logits(z, np.where(first[:, None], bias, 0), [work.address for work in works], answer)
            none = np.zeros(0, np.int64)
            return LayerRun(none, none.astype(np.uint32), *counters)
        if fields["mode"] is Mode.PASS:
            digits = np.sign(z).astype(np.int8)
        else:
            theta, phi = (constants[name][fields["constants"] + tiles] for name in ("theta", "phi"))
            digits = self._neurons(z, bias, theta, phi, fields["silent"], fields["mode"] is Mode.SIGNED)
        addresses = np.array([work.address for work in works])
        window = fields["window_x"] * fields["window_y"]
        lanes = np.array([work.lane for work in works])
        addresses, digits = _pooled(addresses, digits, lanes if fields["tile_mode"] else np.zeros_like(lanes), window)
        steps = addresses[:, None] + np.arange(fields["time_steps"]) * fields["plane"]
        if steps.max() >= self._arch.spike_words:
            raise DeviceError(
                f"a layer writes spike word {steps.max()} of {self._arch.spike_words}; the program is bad"
            )
        spikes = digits_to_words(digits.reshape(-1, self._arch.columns))
        if fields["sink"] is not Sink.EXPORT:
            self._lane.write_spikes(steps.reshape(-1), spikes)
        return LayerRun(steps.reshape(-1), spikes, *counters)

    def _works(self, layer: LayerWords) -> list[Work]:
        """What every lane gets to do, in item order; in pixel mode the pooling windows go round the lanes."""
        fields = layer.fields
        tiles = self._tiles(layer)
        lanes = self._arch.lanes
        window = fields["window_x"] * fields["window_y"]
        works = []
        for number, item in enumerate(items_of(layer)):
            first = item.indices[2] == 0 and item.indices[3] == 0
            this_pass = item.indices[4]
            if not fields["tile_mode"]:
                lane = number // window % lanes
                works.append(Work(item.positions, this_pass, this_pass == tiles - 1, lane, 0, item.address, first))
                continue
            for lane in range(fields["last_lanes"] if this_pass == fields["passes"] - 1 else lanes):
                tile = this_pass * lanes + lane
                works.append(Work(item.positions, tile, tile == tiles - 1, lane, lane % 2, item.address + lane, first))
        return works

    def _integrate(self, layer: LayerWords, works: list[Work]) -> tuple[np.ndarray, tuple[int, int, int]]:
        """Synaptic sums int64 [work, T, C], and events, additions and words read."""
        fields = layer.fields
        steps, columns = fields["time_steps"], self._arch.columns
        z = np.zeros((len(works), steps, columns), np.int64)
        counters = np.zeros(3, np.int64)
        for number, work in enumerate(works):
            real = fields["last_columns"] if work.last_tile else columns
            for segment, position in zip(layer.segments, work.positions, strict=True):
                counters += self._lane.integrate(segment.fields, position, work, real, z[number])
        limit = 1 << (self._arch.accumulator_bits - 1)
        if z.max() >= limit or z.min() < -limit:
            raise DeviceError(f"a synaptic sum leaves the {self._arch.accumulator_bits} bits of the accumulator")
        events, additions, words = (int(counter) for counter in counters)
        return z, (events, additions, words)

    def _checked(self, potential: np.ndarray) -> np.ndarray:
        limit = 1 << (self._arch.potential_bits - 1)
        if potential.max() >= limit or potential.min() < -limit:
            raise DeviceError(f"a potential leaves its {self._arch.potential_bits} bits")
        return potential

    def _neurons(
        self, z: np.ndarray, bias: np.ndarray, theta: np.ndarray, phi: np.ndarray, silent: int, signed: bool
    ) -> np.ndarray:
        """Digits int8 [work, T, C] of the neurons of every work at once (numerics section 3)."""
        works, time_steps, columns = z.shape
        digits = np.zeros((works, time_steps, columns), np.int8)
        potential = bias.copy()
        may_fall = np.full(potential.shape, signed)
        for t in range(time_steps + silent):
            potential = self._checked(2 * potential + (z[:, t] if t < time_steps else 0))
            if t >= silent:
                up = potential >= phi
                down = (potential <= -phi) & may_fall & ~up
                may_fall |= up
                potential = potential - np.where(up, theta, 0) + np.where(down, theta, 0)
                digits[:, t - silent] = up.astype(np.int8) - down
        return digits

    def _add_logits(self, z: np.ndarray, bias: np.ndarray, tiles: list[int], answer: np.ndarray) -> None:
        """Add the potentials after the last step to the classes of each work's tile."""
        potential = bias
        for t in range(z.shape[1]):
            potential = self._checked(2 * potential + z[:, t])
        np.add.at(answer.reshape(-1, self._arch.columns), tiles, potential)


def _pooled(addresses: np.ndarray, digits: np.ndarray, lanes: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Per pooling window (`window` works of one lane in a row) and channel the train with the larger A, the first of
    equals; addresses [windows] and digits [windows, T, C]."""
    if window == 1:
        return addresses, digits
    steps = digits.shape[1]
    values = np.tensordot(digits.astype(np.int64), 1 << np.arange(steps)[::-1], axes=(1, 0))
    parts = []
    for lane in np.unique(lanes):
        mine = np.flatnonzero(lanes == lane).reshape(-1, window)
        best = values[mine].argmax(axis=1)  # [windows, C], the first maximum
        chosen = np.take_along_axis(digits[mine], best[:, None, None, :], axis=1)[:, 0]
        parts.append((addresses[mine[:, 0]], chosen))
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
