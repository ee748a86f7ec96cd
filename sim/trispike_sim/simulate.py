"""Co-simulation: a program runs on the RTL like on a board, and every train is compared with the golden model."""

import shutil
import tempfile
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from trispike.book import Book
from trispike.errors import DeviceError, InputError, OutputError
from trispike.golden import GoldenModel, Result
from trispike.identity import IDENTITY, check_identity
from trispike.inputs import checked_images
from trispike.program import Code, Program
from trispike.streams import answer_integers
from trispike_hw import registers
from trispike_hw.registers import Register, layer_register

from .build import accelerator_verilog
from .compare import Comparison
from .play import Design, Progress, play
from .report import ImageReport, LayerReport, SimulationReport
from .runs import Run, runs_of, split_output
from .script import ANSWERS, TRACE, Record, Script, read_records, read_words
from .stimulus import Stimulus
from .tools import Simulator, find

#: Share of the cycles, of 256, in which the host pauses the input and the output, and the external memory the weight
#: rows, when they pause at all.
INPUT_PAUSE, OUTPUT_PAUSE, WEIGHT_PAUSE = 64, 128, 64

#: Cycles without a word in, out or stored after which the design counts as stuck.
PATIENCE = 200_000

_RUN = (registers.STATUS, registers.CYCLES_INPUT, registers.CYCLES_RUN, registers.EVENTS)


def simulate(
    program: Program | Book,
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
    """Run `program` on `images`, real [N, C, H, W], and compare every layer's trains, and the integers.

    A book runs chapter by chapter; each gets what the golden model says that it reads, and what it sends is compared.

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
    golden = GoldenModel(network).run(images, keep_trains=True)
    runs = runs_of(program, images, golden)
    stimulus = Stimulus.of(program, chain(*runs))
    simulator = _chosen(program, golden, stimulus) if engine is None else find(engine)
    design = Design(simulator, accelerator_verilog(program.arch) if verilog is None else verilog, program.arch)
    script = Script(
        load_words=len(stimulus.load),
        run_words=[len(run.words) for run in chain(*runs)],
        output_words=[run.output_words for run in chain(*runs)],
        runs_per_image=len(runs[0]),
        identity=[register.offset for register in IDENTITY],
        counters=[[register.offset for register in _counters(run.code)] for run in runs[0]],
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
            judged, load_cycles = _judge(program, runs, golden, Path(name))
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


def _chosen(program: Program | Book, golden: Result, stimulus: Stimulus) -> Simulator:
    """The quicker simulator, at one addition a processing element and cycle."""
    additions = sum(int(layer.sum()) for layer in golden.additions.values())
    return find(cycles=stimulus.words + additions // program.arch.pes)


def _storing(program: Program | Book) -> int:
    """Layers of a program, their parts counted one by one, that store spikes: all but those of the answer."""
    if isinstance(program, Book):
        return 0
    return len(program.layer_names) - program.layer_names.count(program.layer_names[-1])


def _counters(code: Code) -> list[Register]:
    """The registers that are read after each run."""
    layers = range(len(code.layer_names))
    return [*_RUN, *(layer_register(layer, name) for layer in layers for name in registers.LAYER_FIELDS)]


def _waves_of(design: Design, script: Script, stimulus: Stimulus, image: int) -> Path:
    """Play the script again up to `image` and keep a waveform of that image."""
    before, after = image * script.runs_per_image, (image + 1) * script.runs_per_image
    again = replace(script, run_words=script.run_words[:after], dump_from=before)
    with tempfile.TemporaryDirectory(prefix="trispike-sim-") as name:
        play(design, again, stimulus.first(after), Path(name), None)
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


def _judge(
    program: Program | Book, runs: list[list[Run]], golden: Result, directory: Path
) -> tuple[list[ImageReport], int]:
    """What each image came to, and the cycles of loading, from the files that its `runs` left in `directory`."""
    load, *phases = read_records(directory)
    check_identity(program.arch, _values(IDENTITY, load), "the design", "generate its Verilog")
    try:
        stored = read_words(directory / TRACE, 4)
        output = read_words(directory / ANSWERS, 1)[:, 0]
    except ValueError as error:
        raise DeviceError(
            "the design answered or stored undefined bits; simulate with a waveform to see where they come from"
        ) from error
    reports, before, per_image = [], load, len(runs[0])
    for number, own in enumerate(runs):
        seen = []
        for phase, run in zip(phases[number * per_image :], own, strict=False):
            values = _values(_counters(run.code), phase)
            if values[registers.STATUS] & registers.STATUS_UNKNOWN_COMMAND:
                raise DeviceError(
                    f"the design refused a command before it answered image {number}; load an image that was "
                    f"compiled for architecture {program.arch.name}"
                )
            words = stored[before.traced : phase.traced], output[before.received : phase.received]
            seen.append(_Seen(run, values, *words, phase.streamed - before.streamed))
            before = phase
        reports.append(_image_report(program, number, seen, golden))
    return reports, load.cycles


@dataclass(frozen=True)
class _Seen:
    """What a run came to: registers, spike words, words of the output stream, rows from the external memory."""

    run: Run
    values: dict[Register, int]
    stored: np.ndarray
    output: np.ndarray
    streamed: int


def _image_report(program: Program | Book, number: int, seen: list[_Seen], golden: Result) -> ImageReport:
    """The report of image `number`, whose runs came to `seen`."""
    network = program.network
    comparison = Comparison(program.arch, {name: trains[number] for name, trains in golden.trains.items()})
    integers = np.zeros(network.classes, np.int64)
    for each in seen:
        sent, answer = split_output(each.run, each.output)
        comparison.run(each.run, each.stored, sent)
        integers[slice(*each.run.answer)] += answer_integers(answer)
    additions = {name: int(counts[number]) for name, counts in golden.additions.items()}
    comparison.answer(network.layers[-1].name, integers, golden.integers[number])
    comparison.status(any(each.values[registers.STATUS] & registers.STATUS_CORRUPT for each in seen))

    def total(register: Register) -> int:
        return sum(each.values[register] for each in seen)

    return ImageReport(
        integers=integers,
        expected=golden.integers[number],
        cycles=total(registers.CYCLES_RUN),
        input_cycles=total(registers.CYCLES_INPUT),
        events=total(registers.EVENTS),
        additions=sum(additions.values()),
        streamed_rows=sum(each.streamed for each in seen),
        layers=_layer_reports(program, seen, additions),
        mismatches=tuple(comparison.shown),
        mismatch_count=comparison.count,
    )


def _layer_reports(program: Program | Book, seen: list[_Seen], additions: dict[str, int]) -> tuple[LayerReport, ...]:
    """Counters of every layer, over all its parts and runs."""
    sums = {layer.name: dict.fromkeys(registers.LAYER_FIELDS, 0) for layer in program.network.layers}
    for each in seen:
        for number, name in enumerate(each.run.code.layer_names):
            for field in registers.LAYER_FIELDS:
                sums[name][field] += each.values[layer_register(number, field)]
    return tuple(LayerReport(name, additions[name], **counters) for name, counters in sums.items())


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
