"""`trispike inspect`: what is in a memory image."""

from collections import Counter
from typing import Any

import numpy as np

from .. import image
from ..book import Book
from ..budget import Effort, efforts, external_bytes, memories, spill_bytes
from ..network import Layer, Network
from ..program import Program
from . import options
from .console import show_json, show_table


def command(directory: options.ImageDirectory, as_json: options.Json = False, verbose: options.Verbose = False) -> None:
    """Show what is in an image."""
    program = image.load(directory)
    content = describe(program)
    if as_json:
        show_json(content)
        return
    arch = content["architecture"]
    network = content["network"]
    facts = [
        ("network", network["name"]),
        ("architecture", f"{arch['name']}, digest {arch['digest'][:16]}"),
        ("T, tau", f"{network['time_steps']}, {network['tau']:.3f}"),
        ("input", _input(program.network)),
        ("classes", network["classes"]),
        *((memory, f"{used} of {depth}") for memory, (used, depth) in content["memories"].items()),
        ("weights", _weights(content["external_rows"], content["external_bytes"])),
        ("chapters", content["chapters"] or "none: one program"),
        ("bytes of tensors outside", content["spill_bytes"]),
        *((f"{what.replace('_', ' ')} per image (estimated)", value) for what, value in content["estimate"].items()),
    ]
    show_table("image", ("what", "value"), facts, numbers=False)
    columns = ("layer", "mode", "output", "pooling", "synapses", "largest |w|", "theta", "parts", "cycles (estimated)")
    show_table("layers", columns, [tuple(layer.values()) for layer in content["layers"]])


def describe(program: Program | Book) -> dict[str, Any]:
    """All that `inspect` tells, in types that JSON knows.

    Memories are (words used, words there), of a book at the peak; `external_rows` the weight rows that stream in;
    `chapters` 0 for a program; `spill_bytes` what the host has to keep of tensors. `estimate` holds cycles, the host's
    writes included, and traffic of an image. `parts` of a layer are the runs of program layers that compute it.
    """
    arch, network = program.arch, program.network
    used = memories(program)
    by_layer = efforts(program)
    total = sum(by_layer.values(), Effort())
    parts = _parts(program)
    return {
        "architecture": {"digest": arch.digest, **arch.model_dump()},
        "network": {
            "name": network.name,
            "time_steps": network.time_steps,
            "tau": network.tau,
            "input_shape": network.input_shape,
            "input_offset": None if network.input_offset is None else network.input_offset.tolist(),
            "input_padding": network.input_padding,
            "classes": network.classes,
            "notes": network.notes,
        },
        "memories": {
            "spike words": (used.spike_words, arch.spike_words),
            "resident weight rows per pair" if isinstance(program, Program) else "streamed weight rows per pair": (
                used.weight_rows,
                arch.weight_rows,
            ),
            "constant words": (used.constant_words, arch.constant_words),
            "program words": (used.program_words, arch.program_words),
        },
        "external_rows": 0 if program.external is None else len(program.external),
        "external_bytes": external_bytes(program),
        "chapters": len(program.chapters) if isinstance(program, Book) else 0,
        "spill_bytes": spill_bytes(program),
        "estimate": {
            "cycles": total.cycles,
            "spike_words_in": total.read,
            "spike_words_out": total.sent,
            "code_words_in": total.code,
            "weight_rows_in": total.rows,
        },
        "layers": [_describe_layer(layer, parts[layer.name], by_layer[layer.name].cycles) for layer in network.layers],
    }


def _input(network: Network) -> str:
    shape, coded = ("x".join(map(str, shape)) for shape in (network.input_shape, network.coded_shape))
    if network.input_offset is None:
        return shape
    return f"{shape}, coded as {coded} around {network.input_offset.min():.6g}..{network.input_offset.max():.6g}"


def _parts(program: Program | Book) -> Counter[str]:
    """How often a layer of the program runs for one image, by name of the network's layer."""
    if isinstance(program, Program):
        return Counter(program.layer_names)
    return Counter(name for chapter in program.chapters for name in program.codes[chapter.code].layer_names)


def _weights(rows: int, size: int) -> str:
    return f"streamed, {rows} rows outside, {size} bytes" if rows else "resident"


def _describe_layer(layer: Layer, parts: int, cycles: int) -> dict[str, Any]:
    fires = bool(np.any(layer.theta))
    return {
        "name": layer.name,
        "mode": layer.mode.value,
        "output": "x".join(map(str, layer.shape)),
        "pooling": "" if layer.pool is None else "x".join(map(str, layer.pool.kernel)),
        "synapses": " + ".join(
            f"{segment.source} {segment.kind.value} {'x'.join(map(str, segment.weights.shape))}"
            for segment in layer.segments
        ),
        "largest_weight": max(int(np.abs(segment.weights).max()) for segment in layer.segments),
        "theta": f"{layer.theta.min()}..{layer.theta.max()}" if fires else "",
        "parts": parts,
        "cycles": cycles,
    }
