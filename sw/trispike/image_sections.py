"""A program or book as named arrays and back: what stands in `image.bin`, and how a network belongs together."""

from collections.abc import Iterator, Mapping
from dataclasses import fields

import numpy as np
from amaranth.hdl import Shape

from trispike_hw.architecture import Architecture
from trispike_hw.layout import constant_word

from .book import Book
from .errors import ConversionError, ImageError
from .golden.checks import check_network
from .image_codes import chapters_from, check_whole, codes_from, codes_of
from .image_manifest import LayerRecord, Manifest, NetworkRecord, PoolRecord, SegmentRecord
from .network import Layer, Network, Pool, Segment
from .program import Code, Program

_LAYER_ARRAYS = {"bias": "i8", "theta": "i8", "phi": "i8", "scale": "f8", "unit": "f8"}


def arrays_of(program: Program | Book) -> Iterator[tuple[str, np.ndarray]]:
    """Every array of `program` with its section name, little-endian."""
    network, codes = program.network, codes_of(program)
    bits = Shape.cast(constant_word(program.arch)).width
    size = -(-bits // 8)
    constants = b"".join(word.to_bytes(size, "little") for code in codes for word in code.constants)
    yield "program", np.concatenate([code.program for code in codes]).astype("<u8", copy=False)
    yield "constants", np.frombuffer(constants, np.uint8).reshape(-1, size)
    for pair, rows in enumerate(program.weights if isinstance(program, Program) else ()):
        yield f"weights.{pair}", rows.astype("<i1")
    if program.external is not None:
        yield "external", program.external.astype("<i1", copy=False)
    yield "network.input_scale", network.input_scale.astype("<f8")
    if network.input_offset is not None:
        yield "network.input_offset", network.input_offset.astype("<f8")
    for number, layer in enumerate(network.layers):
        for name, dtype in _LAYER_ARRAYS.items():
            yield f"layer.{number}.{name}", getattr(layer, name).astype(f"<{dtype}")
        for index, segment in enumerate(layer.segments):
            yield f"layer.{number}.segment.{index}.weights", _narrowed(segment.weights)


def _narrowed(weights: np.ndarray) -> np.ndarray:
    """Integers in the smallest little-endian type that holds them: most of an image is weights."""
    low, high = int(weights.min()), int(weights.max())
    dtype = next(f"<i{size}" for size in (1, 2, 4, 8) if -(1 << 8 * size - 1) <= low and high < 1 << 8 * size - 1)
    return weights.astype(dtype, copy=False)


def layer_record(layer: Layer) -> LayerRecord:
    """The manifest's record of a layer."""
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
                first=segment.first,
            )
            for segment in layer.segments
        ],
    )


def network_record(network: Network) -> NetworkRecord:
    """The manifest's record of a network."""
    return NetworkRecord(
        name=network.name,
        time_steps=network.time_steps,
        input_shape=network.input_shape,
        input_padding=network.input_padding,
        tau=network.tau,
        notes=network.notes,
    )


def program_from(manifest: Manifest, arch: Architecture, arrays: Mapping[str, np.ndarray]) -> Program | Book:
    """The program or book of a manifest and the arrays of its sections.

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
                Segment(
                    segment.source, segment.kind, weights, segment.stride, segment.padding, segment.dilation,
                    segment.first,
                )
            )  # fmt: skip
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
    about, offset = manifest.network, "network.input_offset"
    network = Network(
        name=about.name,
        time_steps=about.time_steps,
        input_shape=about.input_shape,
        input_scale=take("network.input_scale", "f8", (about.input_shape[0],)),
        layers=tuple(layers),
        tau=about.tau,
        notes=about.notes,
        input_offset=take(offset, "f8", (about.input_shape[0],)) if offset in arrays else None,
        input_padding=about.input_padding,
    )
    _check_network(network)
    rows = take("constants", "u1", (None, -(-Shape.cast(constant_word(arch)).width // 8)))
    words = [int.from_bytes(row.tobytes(), "little") for row in rows]
    codes = codes_from(manifest.codes, take("program", "u8", (None,)), words, network, arch)
    streams = any(code.load_list for code in codes)
    external = take("external", "i1", (None, arch.columns)) if streams or manifest.chapters else None
    if manifest.chapters:
        assert external is not None
        chapters = chapters_from(manifest.chapters, codes, network)
        program = Book(arch=arch, network=network, codes=codes, chapters=chapters, external=external)
    else:
        weights = tuple(take(f"weights.{pair}", "i1", (None, arch.columns)) for pair in range(arch.pairs))
        program = _program(codes, arch, network, weights, external)
    if remaining:
        raise ImageError(f"the image has an unknown section {next(iter(remaining))}; compile the network again")
    return program


def _program(
    codes: tuple[Code, ...],
    arch: Architecture,
    network: Network,
    weights: tuple[np.ndarray, ...],
    external: np.ndarray | None,
) -> Program:
    """The program of the only code of an image without chapters."""
    if len(codes) != 1:
        raise ImageError(f"the image has {len(codes)} programs but no chapters; compile the network again")
    rows = max(len(rows) for rows in weights)
    if rows > arch.weight_rows:
        raise ImageError(
            f"the image has {rows} weight rows, but architecture {arch.name} has {arch.weight_rows}; compile it again"
        )
    own = {field.name: getattr(codes[0], field.name) for field in fields(Code)}
    program = Program(**own, arch=arch, network=network, weights=weights, external=external)
    check_whole(program)
    return program


def _check_network(network: Network) -> None:
    """Refuse a network that intact sections could still contradict in itself."""
    try:
        check_network(network)
    except ConversionError as error:
        raise ImageError(f"the network of the image is inconsistent: {error}") from error
    scales = [network.input_scale, *(values for layer in network.layers for values in (layer.scale, layer.unit))]
    if not all(np.isfinite(values).all() and (values > 0).all() for values in scales):
        raise ImageError("the scales of the image must be positive and finite; compile the network again")
