"""A program as named arrays and back: what stands in `image.bin`, and the records that say how it belongs together."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict

import numpy as np
from amaranth.hdl import Shape

from trispike_hw.architecture import Architecture
from trispike_hw.layout import constant_word

from .errors import ConversionError, ImageError
from .golden.checks import check_network
from .image_manifest import (
    LayerRecord,
    Manifest,
    NetworkRecord,
    PackingRecord,
    PlacementRecord,
    PoolRecord,
    SegmentRecord,
)
from .network import INPUT, Layer, Network, Pool, Segment
from .program import InputPacking, Placement, Program

_LAYER_ARRAYS = {"bias": "i8", "theta": "i8", "phi": "i8", "scale": "f8", "unit": "f8"}


def arrays_of(program: Program) -> Iterator[tuple[str, np.ndarray]]:
    """Every array of `program` with its section name, little-endian."""
    network = program.network
    bits = Shape.cast(constant_word(program.arch)).width
    size = -(-bits // 8)
    constants = b"".join(word.to_bytes(size, "little") for word in program.constants)
    yield "program", program.program.astype("<u8")
    yield "constants", np.frombuffer(constants, np.uint8).reshape(-1, size)
    for pair, rows in enumerate(program.weights):
        yield f"weights.{pair}", rows.astype("<i1")
    if program.external is not None:
        yield "external", program.external.astype("<i1", copy=False)
    yield "network.input_scale", network.input_scale.astype("<f8")
    for number, layer in enumerate(network.layers):
        for name, dtype in _LAYER_ARRAYS.items():
            yield f"layer.{number}.{name}", getattr(layer, name).astype(f"<{dtype}")
        for index, segment in enumerate(layer.segments):
            weights = segment.weights
            yield f"layer.{number}.segment.{index}.weights", weights.astype(weights.dtype.newbyteorder("<"))


def layer_record(layer: Layer, parts: int) -> LayerRecord:
    """The manifest's record of a layer that `parts` layers of the program compute."""
    return LayerRecord(
        name=layer.name,
        mode=layer.mode,
        neurons=layer.neurons,
        shape=layer.shape,
        silent=layer.silent,
        pool=PoolRecord(kernel=layer.pool.kernel, stride=layer.pool.stride) if layer.pool else None,
        segments=[
            SegmentRecord(
                source=segment.source,
                kind=segment.kind,
                stride=segment.stride,
                padding=segment.padding,
                dilation=segment.dilation,
            )
            for segment in layer.segments
        ],
        parts=parts,
    )


def network_record(network: Network) -> NetworkRecord:
    """The manifest's record of a network."""
    return NetworkRecord(
        name=network.name,
        time_steps=network.time_steps,
        input_shape=network.input_shape,
        tau=network.tau,
        notes=network.notes,
    )


def placement_records(program: Program) -> dict[str, PlacementRecord]:
    """The manifest's records of the placements."""
    return {name: PlacementRecord(**asdict(place)) for name, place in program.placements.items()}


def packing_record(program: Program) -> PackingRecord:
    """The manifest's record of the input packing."""
    return PackingRecord(**asdict(program.input_packing))


def program_from(manifest: Manifest, arch: Architecture, arrays: Mapping[str, np.ndarray]) -> Program:
    """The program of a manifest and the arrays of its sections.

    Raises:
        ImageError: if sections are missing or left over, or do not belong together.
    """
    remaining = dict(arrays)

    def take(name: str, dtype: str | None, shape: tuple[int | None, ...]) -> np.ndarray:
        array = remaining.pop(name, None)
        if array is None:
            raise ImageError(f"the image has no section {name}; compile the network again")
        fits = array.ndim == len(shape) and all(want in (None, n) for want, n in zip(shape, array.shape, strict=True))
        if not fits or (array.dtype != np.dtype(f"<{dtype}") if dtype else array.dtype.kind != "i"):
            raise ImageError(
                f"section {name} of the image cannot be {array.dtype} of shape {array.shape}; compile the network again"
            )
        return array

    layers = []
    for number, record in enumerate(manifest.layers):
        channels = record.neurons[0]
        values = {name: take(f"layer.{number}.{name}", dtype, (channels,)) for name, dtype in _LAYER_ARRAYS.items()}
        segments = []
        for index, segment in enumerate(record.segments):
            name = f"layer.{number}.segment.{index}.weights"
            dimensions = arrays[name].ndim if name in arrays else 0
            weights = take(name, None, (channels, *[None] * (dimensions - 1)))
            segments.append(
                Segment(segment.source, segment.kind, weights, segment.stride, segment.padding, segment.dilation)
            )
        pool = Pool(record.pool.kernel, record.pool.stride) if record.pool else None
        layers.append(
            Layer(
                name=record.name,
                segments=tuple(segments),
                neurons=record.neurons,
                shape=record.shape,
                mode=record.mode,
                silent=record.silent,
                pool=pool,
                **values,
            )
        )
    about = manifest.network
    network = Network(
        name=about.name,
        time_steps=about.time_steps,
        input_shape=about.input_shape,
        input_scale=take("network.input_scale", "f8", (about.input_shape[0],)),
        layers=tuple(layers),
        tau=about.tau,
        notes=about.notes,
    )
    constants = take("constants", "u1", (None, -(-Shape.cast(constant_word(arch)).width // 8)))
    program = Program(
        arch=arch,
        network=network,
        program=take("program", "u8", (None,)),
        constants=tuple(int.from_bytes(row.tobytes(), "little") for row in constants),
        weights=tuple(take(f"weights.{pair}", "i1", (None, arch.columns)) for pair in range(arch.pairs)),
        placements={name: Placement(**record.model_dump()) for name, record in manifest.placements.items()},
        input_packing=InputPacking(**manifest.input_packing.model_dump()),
        layer_names=tuple(record.name for record in manifest.layers for _ in range(record.parts)),
        external=take("external", "i1", (None, arch.columns)) if manifest.load_list else None,
        load_list=manifest.load_list,
    )
    if remaining:
        raise ImageError(f"the image has an unknown section {next(iter(remaining))}; compile the network again")
    _check(program)
    return program


def _check(program: Program) -> None:
    """Refuse what intact sections could still contradict: the network in itself, and the memories."""
    arch, network = program.arch, program.network
    try:
        check_network(network)
    except ConversionError as error:
        raise ImageError(f"the network of the image is inconsistent: {error}") from error
    scales = [network.input_scale, *(values for layer in network.layers for values in (layer.scale, layer.unit))]
    if not all(np.isfinite(values).all() and (values > 0).all() for values in scales):
        raise ImageError("the scales of the image must be positive and finite; compile the network again")
    for what, rows, depth in (
        ("program words", len(program.program), arch.program_words),
        ("constant words", len(program.constants), arch.constant_words),
        ("program layers", len(program.layer_names), arch.max_layers),
        ("weight rows", max(len(rows) for rows in program.weights), arch.weight_rows),
    ):
        if rows > depth:
            raise ImageError(f"the image has {rows} {what}, but architecture {arch.name} has {depth}; compile it again")
    if program.load_list >= len(program.program):
        raise ImageError(
            f"the load list of the image begins at program word {program.load_list} of {len(program.program)}; compile "
            f"the network again"
        )
    tensors = {INPUT, *(layer.name for layer in network.layers[:-1])}
    if set(program.placements) != tensors:
        wrong = min(tensors ^ set(program.placements))
        raise ImageError(f"the placements of the image do not match its tensors: {wrong}; compile the network again")
    for name, place in program.placements.items():
        packing = program.input_packing if name == INPUT else InputPacking(1, 1, 0)
        channels, rows, columns = network.shape_of(name)
        fits = (
            place.channels == channels * packing.kernel
            and place.columns == columns
            and (place.rows == rows or packing.kernel > 1)
            and place.channels <= place.channel_pitch
            and place.columns * place.channel_pitch <= place.pitch * arch.columns
            and place.rows * place.pitch <= place.plane
            and place.base + network.time_steps * place.plane <= arch.spike_words
        )
        if not fits:
            raise ImageError(f"the placement of tensor {name} in the image is impossible; compile the network again")
