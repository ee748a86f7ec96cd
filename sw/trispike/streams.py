"""What a host sends and receives: commands on the input stream, answers, and spike words of tensors."""

import numpy as np
from amaranth.hdl import Shape

from trispike_hw.architecture import Architecture
from trispike_hw.layout import PROGRAM_BITS, STREAM_BITS, Command, Opcode, Target, constant_word, pack, words

from .errors import DeviceError, InputError
from .golden.coding import digits_of, encode_input
from .network import INPUT, Network
from .program import Code, InputPacking, Placement, Program

COMMAND_WORDS = 3


def load_stream(program: Program) -> np.ndarray:
    """The stream, uint32, that fills program, constant and weight memories (with what is resident); it is sent once."""
    weights = [
        _write(Target.WEIGHTS, 0, weight_words(rows, program.arch.weight_bits), index=pair)
        for pair, rows in enumerate(program.weights)
        if len(rows)
    ]
    return np.concatenate([code_stream(program, program.arch), *weights])


def code_stream(code: Code, arch: Architecture) -> np.ndarray:
    """The stream, uint32, that fills program and constant memory."""
    constant_bits = Shape.cast(constant_word(arch)).width
    return np.concatenate(
        [
            _write(Target.PROGRAM, 0, _as_words([int(word) for word in code.program], PROGRAM_BITS)),
            _write(Target.CONSTANTS, 0, _as_words(list(code.constants), constant_bits)),
        ]
    )


def tensor_stream(code: Code, name: str, trains: np.ndarray, arch: Architecture) -> np.ndarray:
    """The stream, uint32, that writes the tensor `name` of `code`: trains int8 [T, C, H, W]."""
    place = code.placements[name]
    packing = code.input_packing if name == INPUT else InputPacking(1, 1, 0)
    return _write(Target.SPIKES, place.base, pack_tensor(trains, place, packing, arch.columns)[:, None])


def run_stream(code: Code, *, loads: bool = True) -> np.ndarray:
    """RUN, uint32; the load list, if there is one, is gone through if `loads`."""
    return np.array([pack(Command, {"opcode": Opcode.RUN}), 0, code.load_list if loads else 0], np.uint32)


def input_stream(program: Program, x: np.ndarray) -> np.ndarray:
    """The stream, uint32, for one image: its spike words and RUN.

    `x` is the image [C, H, W] as the network's preprocessing leaves it (real or uint8), or its trains, int8
    [T, C, H', W'] with the padding of the input.

    Raises:
        InputError: if `x` has neither shape, or holds values that are not finite.
    """
    trains = input_trains(program.network, x)
    return np.concatenate([tensor_stream(program, INPUT, trains, program.arch), run_stream(program)])


def input_trains(network: Network, x: np.ndarray) -> np.ndarray:
    """The trains, int8 [T, C, H', W'] with the padding of the input, of `x`, which is what `input_stream` takes."""
    if x.shape == network.input_shape:
        integers, _ = encode_input(network, x[None])
        return digits_of(integers, network.time_steps)[0]
    if x.shape == (network.time_steps, *network.coded_shape) and x.dtype == np.int8:
        return x
    raise InputError(
        f"network {network.name} takes an image of shape {network.input_shape} or int8 trains of shape "
        f"{(network.time_steps, *network.coded_shape)}, not {x.dtype} of shape {x.shape}"
    )


def decode_answer(program: Program, answer: np.ndarray) -> np.ndarray:
    """The integers S, int64 [classes], of the words of one answer.

    Raises:
        DeviceError: if it is not one word per class.
    """
    classes = program.network.classes
    if answer.shape != (classes,):
        raise DeviceError(f"an answer of network {program.network.name} has {classes} words, not {answer.size}")
    return answer_integers(answer)


def answer_integers(answer: np.ndarray) -> np.ndarray:
    """The integers, int64 [n], of answer words uint32 [n]."""
    return answer.astype(np.uint32).view(np.int32).astype(np.int64)


def pack_tensor(trains: np.ndarray, place: Placement, packing: InputPacking, columns: int) -> np.ndarray:
    """Spike words, uint32 [T * plane] from the base on, of trains int8 [T, C, H, W] by `place` and `packing`.

    `columns` is the architecture's C, the channels of a word.
    """
    steps, channels, rows, width = trains.shape
    below = max(0, (place.rows - 1) * packing.stride + packing.kernel - packing.top - rows)
    padded = np.pad(trains, ((0, 0), (0, 0), (packing.top, below), (0, 0)))
    taken = np.arange(place.rows)[:, None] * packing.stride + np.arange(packing.kernel)
    pixels = np.zeros((steps, place.rows, width, place.channel_pitch), np.int8)
    packed = padded[:, :, taken].transpose(0, 2, 4, 3, 1)  # [T, stored row, x, k, C]
    pixels[..., : packing.kernel * channels] = packed.reshape(steps, place.rows, width, -1)
    bits = np.zeros((steps, place.rows, place.pitch * columns), np.int8)
    bits[..., : width * place.channel_pitch] = pixels.reshape(steps, place.rows, -1)
    planes = np.zeros((steps, place.plane * columns), np.int8)
    planes[:, : bits[0].size] = bits.reshape(steps, -1)
    return digits_to_words(planes.reshape(-1, columns))


def unpack_tensor(
    place: Placement, shape: tuple[int, int, int], memory: np.ndarray, time_steps: int, columns: int
) -> np.ndarray:
    """Trains int8 [T, C, H, W] of a tensor of `shape` from the words of the spike memory, [address].

    `columns` is the architecture's C. Not for a row-packed network input, whose `place` has other channels.

    Raises:
        InputError: if `place` is not that of a tensor of `shape`.
        DeviceError: if a word has a channel both positive and negative.
    """
    if (place.channels, place.rows, place.columns) != shape:
        raise InputError(
            f"the placement holds {place.channels} x {place.rows} x {place.columns}, so it cannot be read as a tensor "
            f"of shape {shape}"
        )
    channels, rows, width = shape
    taken = np.asarray(memory[place.base : place.base + time_steps * place.plane])
    bits = words_to_digits(taken, columns).reshape(time_steps, -1)[:, : rows * place.pitch * columns]
    pixels = bits.reshape(time_steps, rows, -1)[..., : width * place.channel_pitch].reshape(
        time_steps, rows, width, place.channel_pitch
    )
    return np.ascontiguousarray(pixels[..., :channels].transpose(0, 3, 1, 2))


def digits_to_words(digits: np.ndarray) -> np.ndarray:
    """Spike words uint32 [n] of digits int8 [n, C]: positive plane in the low C bits, negative plane above it."""
    weights = 1 << np.arange(digits.shape[1], dtype=np.uint64)
    positive = (digits > 0) @ weights
    negative = (digits < 0) @ weights
    return (positive | negative << np.uint64(digits.shape[1])).astype(np.uint32)


def words_to_digits(spikes: np.ndarray, columns: int) -> np.ndarray:
    """Digits int8 [n, C] of spike words [n].

    Raises:
        DeviceError: if a word has a channel both positive and negative.
    """
    planes = np.asarray(spikes).astype(np.int64)[:, None] >> np.arange(2 * columns) & 1
    positive, negative = planes[:, :columns], planes[:, columns:]
    wrong = np.flatnonzero((positive & negative).any(axis=1))
    if wrong.size:
        raise DeviceError(
            f"spike word {int(wrong[0])} is corrupt: 0x{int(spikes[wrong[0]]):08x} has a channel both positive and "
            f"negative; send the input again"
        )
    return (positive - negative).astype(np.int8)


def weight_words(rows: np.ndarray, weight_bits: int) -> np.ndarray:
    """Stream words uint32 [rows, words per row] of weight rows int8 [rows, C]."""
    data = np.ascontiguousarray(rows, np.int8).view(np.uint8)
    if weight_bits < 8:  # whole bytes need no sorting of bits, which takes eight times their memory
        bits = np.unpackbits(data[:, :, None], axis=2, bitorder="little")[:, :, :weight_bits]
        data = np.packbits(bits.reshape(len(rows), rows.shape[1] * weight_bits), axis=1, bitorder="little")
    return np.pad(data, ((0, 0), (0, -data.shape[1] % (STREAM_BITS // 8)))).view("<u4").astype(np.uint32, copy=False)


def _as_words(rows: list[int], bits: int) -> np.ndarray:
    return np.array([words(row, bits) for row in rows], np.uint32).reshape(len(rows), -1)


def _write(target: Target, address: int, rows: np.ndarray, index: int = 0) -> np.ndarray:
    """A WRITE of rows uint32 [count, words per row]."""
    command = pack(Command, {"opcode": Opcode.WRITE, "target": target, "index": index})
    return np.concatenate([np.array([command, address, len(rows)], np.uint32), rows.reshape(-1)])
