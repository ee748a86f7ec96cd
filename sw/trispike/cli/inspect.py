"""`trispike inspect`: what is in a memory image."""

from typing import Any

import numpy as np

from .. import image
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
        ("weights", _weights(content["external_rows"])),
    ]
    show_table("image", ("what", "value"), facts, numbers=False)
    columns = ("layer", "mode", "output", "pooling", "synapses", "largest |w|", "theta", "parts")
    show_table("layers", columns, [tuple(layer.values()) for layer in content["layers"]])


def describe(program: Program) -> dict[str, Any]:
    """All that `inspect` tells, in types that JSON knows. Memories are (words used, words there), `external_rows` the
    weight rows that stream in; `parts` of a layer are the program's layers that compute it."""
    arch, network = program.arch, program.network
    spike_words = max(place.base + network.time_steps * place.plane for place in program.placements.values())
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
            "spike words": (spike_words, arch.spike_words),
            "resident weight rows per pair": (max(len(rows) for rows in program.weights), arch.weight_rows),
            "constant words": (len(program.constants), arch.constant_words),
            "program words": (len(program.program), arch.program_words),
        },
        "external_rows": 0 if program.external is None else len(program.external),
        "layers": [_describe_layer(layer, program.layer_names.count(layer.name)) for layer in network.layers],
    }


def _input(network: Network) -> str:
    shape, coded = ("x".join(map(str, shape)) for shape in (network.input_shape, network.coded_shape))
    if network.input_offset is None:
        return shape
    return f"{shape}, coded as {coded} around {network.input_offset.min():.6g}..{network.input_offset.max():.6g}"


def _weights(external_rows: int) -> str:
    return f"streamed, {external_rows} rows outside" if external_rows else "resident"


def _describe_layer(layer: Layer, parts: int) -> dict[str, Any]:
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
    }
