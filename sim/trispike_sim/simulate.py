"""Co-simulation: a program runs on the RTL like on a board, and every train is compared with the golden model."""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from trispike.errors import DeviceError, InputError, OutputError
from trispike.golden import GoldenModel
from trispike.identity import IDENTITY, check_identity
from trispike.inputs import checked_images
from trispike.program import Program
from trispike.streams import decode_answer
from trispike_hw import registers
from trispike_hw.registers import Register, layer_register

from .build import accelerator_verilog
from .compare import compare, layer_numbers
from .play import Design, Progress, play
from .report import ImageReport, LayerReport, Mismatch, SimulationReport
from .script import ANSWERS, TRACE, Record, Script, read_records, read_words
from .stimulus import Stimulus
from .tools import Simulator, find

#: Share of the cycles, of 256, in which the host pauses the input and the output, and the external memory the weight
#: rows, when they pause at all.
INPUT_PAUSE, OUTPUT_PAUSE, WEIGHT_PAUSE = 64, 128, 64

#: Cycles without a word in, out or stored after which the design counts as stuck.
PATIENCE = 200_000

_RUN = (registers.STATUS, registers.CYCLES_INPUT, registers.CYCLES_RUN, registers.EVENTS, registers.ADDITIONS)


def simulate(
    program: Program,
    images: np.ndarray,
    engine: str | None = None,
    seed: int = 0,
    stalls: bool = True,
    waves: Path | None = None,
    progress: Progress | None = None,
    *,
    verilog: str | None = None,
    patience: int = PATIENCE,
    weight_latency: int = 32,
) -> SimulationReport:
    """Run `program` on `images`, real [N, C, H, W], and compare every layer's trains and additions, and the integers.

    `engine` is icarus, verilator or None for the quicker one that is installed; the report says which it was. With
    `stalls` the simulated host pauses both streams, and the external weight memory its rows, at random, by `seed`.
    That memory offers the first row of a burst `weight_latency` cycles after the request. `progress` hears of every
    layer that ends, as a fraction of its image. `waves` is the file for a waveform of all images; without it, a
    mismatch is played again to leave one from the first wrong image on, in a new directory that the report names.
    `verilog` is the design (module `accelerator` with a trace port) if it is not to be generated; `patience` the
    cycles without progress after which the design counts as stuck.

    Raises:
        InputError: if the network does not take `images`, or `weight_latency` is not positive.
        ToolError: if there is no simulator, or it fails.
        DeviceError: if the design is for another architecture, refuses a command, asks for external weight rows that
            there are not, shows undefined bits or gets stuck.
        OutputError: if the cache or the waveform cannot be written.
    """
    network = program.network
    images = checked_images(images, network.input_shape, f"images for {network.name}")
    if weight_latency < 1:
        raise InputError(f"weight_latency must be at least 1 cycle, not {weight_latency}")
    stimulus = Stimulus.of(program, images)
    simulator = _chosen(program, images, stimulus) if engine is None else find(engine)
    design = Design(simulator, accelerator_verilog(program.arch) if verilog is None else verilog, program.arch)
    script = Script(
        load_words=len(stimulus.load),
        image_words=[len(stream) for stream in stimulus.inputs],
        answer_words=network.classes,
        identity=[register.offset for register in IDENTITY],
        counters=[register.offset for register in _counters(program)],
        seed=(seed * 2654435761 + 1) % (1 << 32),  # spreads neighbouring seeds over the generator's states
        input_pause=INPUT_PAUSE if stalls else 0,
        output_pause=OUTPUT_PAUSE if stalls else 0,
        weight_pause=WEIGHT_PAUSE if stalls else 0,
        weight_latency=weight_latency,
        patience=patience,
        storing=_storing(program),
        dump_from=None if waves is None else 0,
    )
    with tempfile.TemporaryDirectory(prefix="trispike-sim-") as name:
        try:
            seconds = play(design, script, stimulus, Path(name), progress)
            judged, load_cycles = _judge(program, images, Path(name))
        finally:
            if waves is not None:  # the more so if something went wrong
                _keep(Path(name), waves)
    report = SimulationReport(simulator.engine, simulator.version, tuple(judged), load_cycles, seconds)
    if waves is not None:
        return replace(report, waves=waves, waves_from=0)
    if report.bit_exact:
        return report
    first = next(number for number, image in enumerate(judged) if not image.bit_exact)
    return replace(report, waves=_waves_of(design, script, stimulus, first), waves_from=first)


def _chosen(program: Program, images: np.ndarray, stimulus: Stimulus) -> Simulator:
    """The quicker simulator: what the first image adds, at one addition a processing element and cycle, for all."""
    first = GoldenModel(program.network).run(images[:1])
    additions = sum(int(layer[0]) for layer in first.additions.values())
    return find(cycles=stimulus.words + len(images) * additions // program.arch.pes)


def _storing(program: Program) -> int:
    """Layers, their parts counted one by one, that store spikes: all but those of the answer."""
    return len(program.layer_names) - program.layer_names.count(program.layer_names[-1])


def _counters(program: Program) -> list[Register]:
    """The registers that are read after each image."""
    layers = range(len(program.layer_names))
    return [*_RUN, *(layer_register(layer, name) for layer in layers for name in registers.LAYER_FIELDS)]


def _waves_of(design: Design, script: Script, stimulus: Stimulus, image: int) -> Path:
    """Play the script again up to `image` and keep a waveform of that image."""
    again = replace(script, image_words=script.image_words[: image + 1], dump_from=image)
    with tempfile.TemporaryDirectory(prefix="trispike-sim-") as name:
        play(design, again, stimulus.first(image + 1), Path(name), None)
        kept = Path(tempfile.mkdtemp(prefix="trispike-mismatch-"))
        return _keep(Path(name), kept / f"waves{design.waves_suffix}")


def _keep(directory: Path, waves: Path) -> Path:
    """Move the waveform that a run left in `directory`, if it came so far, to `waves`."""
    try:
        for found in directory.glob("waves.*"):
            shutil.move(found, waves)
    except OSError as error:
        raise OutputError(
            f"cannot write waveform {waves}: {error.strerror}; choose a file in an existing directory that is writable"
        ) from error
    return waves


def _judge(program: Program, images: np.ndarray, directory: Path) -> tuple[list[ImageReport], int]:
    """What each image came to, and the cycles of loading, from the files that a run left in `directory`."""
    load, *phases = read_records(directory)
    check_identity(program.arch, _values(IDENTITY, load), "the design", "generate its Verilog")
    try:
        stored = read_words(directory / TRACE, 4)
        answers = read_words(directory / ANSWERS, 1)[:, 0]
    except ValueError as error:
        raise DeviceError(
            "the design answered or stored undefined bits; simulate with a waveform to see where they come from"
        ) from error
    golden = GoldenModel(program.network)
    reports, before = [], load
    for phase, image in zip(phases, images, strict=True):
        values = _values(_counters(program), phase)
        if values[registers.STATUS] & registers.STATUS_UNKNOWN_COMMAND:
            raise DeviceError(
                f"the design refused a command before it answered image {phase.phase - 1}; load an image that was "
                f"compiled for architecture {program.arch.name}"
            )
        integers = decode_answer(program, answers[before.received : phase.received])
        expected = golden.run(image[None], keep_trains=True)
        layers = tuple(_layer_report(name, numbers, values) for name, numbers in layer_numbers(program).items())
        additions = {layer.name: layer.additions for layer in layers}
        mismatches, count = compare(program, stored[before.traced : phase.traced], integers, additions, expected)
        if values[registers.STATUS] & registers.STATUS_CORRUPT:
            mismatches.append(Mismatch("(any)", "no corrupt spike word read", "one, says STATUS"))
            count += 1
        reports.append(
            ImageReport(
                integers=integers,
                expected=expected.integers[0],
                cycles=values[registers.CYCLES_RUN],
                input_cycles=values[registers.CYCLES_INPUT],
                events=values[registers.EVENTS],
                additions=values[registers.ADDITIONS],
                streamed_rows=phase.streamed - before.streamed,
                layers=layers,
                mismatches=tuple(mismatches),
                mismatch_count=count,
            )
        )
        before = phase
    return reports, load.cycles


def _layer_report(name: str, numbers: list[int], values: dict[Register, int]) -> LayerReport:
    """Counters of the layer whose parts have these numbers."""
    counters = {
        field: sum(values[layer_register(number, field)] for number in numbers) for field in registers.LAYER_FIELDS
    }
    return LayerReport(name, **counters)


def _values(asked: tuple[Register, ...] | list[Register], record: Record) -> dict[Register, int]:
    """The registers that a phase read, by register."""
    values = {}
    for register, value in zip(asked, record.registers, strict=True):
        if value is None:
            raise DeviceError(
                f"register {register.name} holds undefined bits; simulate with a waveform to see where they come from"
            )
        values[register] = value
    return values
