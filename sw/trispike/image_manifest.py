"""The manifest of a memory image: what `manifest.json` holds, validated field by field before anything is believed."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from .network import Kind, Mode

SCHEMA_VERSION = 5
FORMAT = "trispike image"

MOST_BYTES = 1 << 32
"""Larger sections or files are refused before any memory is asked for."""

_Size = Annotated[int, Field(ge=0, le=MOST_BYTES)]
_Address = Annotated[int, Field(ge=0, le=1 << 18)]
_Length = Annotated[int, Field(ge=1, le=1 << 16)]
_Count = Annotated[int, Field(ge=0, le=1 << 48)]
_Small = Annotated[int, Field(ge=1, le=1 << 12)]
_Offset = Annotated[int, Field(ge=-(1 << 12), le=1 << 12)]
_Padding = Annotated[int, Field(ge=0, le=1 << 12)]
_Crc = Annotated[int, Field(ge=0, le=0xFFFFFFFF)]
_Sha = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_Name = Annotated[str, Field(min_length=1, max_length=1024)]
_Shape = tuple[_Length, _Length, _Length]
_Pair = tuple[_Small, _Small]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ArchitectureRecord(_Record):
    """The architecture that the image is for."""

    digest: _Sha
    fields: dict[str, Any]


class FileRecord(_Record):
    """A file beside the manifest."""

    path: str
    size: _Size
    crc32: _Crc


class SectionRecord(_Record):
    """An array in `image.bin`: little-endian, in C order."""

    name: str
    dtype: Literal["i1", "i2", "i4", "i8", "u1", "u8", "f8"]
    shape: Annotated[list[Annotated[int, Field(ge=0, le=1 << 32)]], Field(min_length=1, max_length=4)]
    offset: _Size
    size: _Size
    crc32: _Crc


class BinaryRecord(_Record):
    """`image.bin` as a whole."""

    size: _Size
    sha256: _Sha


class SegmentRecord(_Record):
    """A `Segment` without its weights."""

    source: _Name
    kind: Kind
    stride: _Pair
    padding: tuple[_Offset, _Offset]
    dilation: _Pair
    first: Annotated[int, Field(ge=0, le=1 << 16)]


class PoolRecord(_Record):
    """A `Pool`."""

    kernel: _Pair
    stride: _Pair


class LayerRecord(_Record):
    """A `Layer` without its arrays."""

    name: _Name
    mode: Mode
    neurons: _Shape
    shape: _Shape
    silent: Annotated[int, Field(ge=0, le=16)]
    pool: PoolRecord | None
    segments: Annotated[list[SegmentRecord], Field(max_length=64)]


class PlacementRecord(_Record):
    """A `Placement`."""

    base: _Address
    plane: _Address
    pitch: _Address
    channel_pitch: _Address
    channels: _Length
    rows: _Length
    columns: _Length


class PackingRecord(_Record):
    """An `InputPacking`."""

    kernel: _Small
    stride: _Small
    top: _Offset


class CodeRecord(_Record):
    """A `Code`: so many program and constant words of those that stand one behind the other in their sections.

    `layers` are the numbers of the network's layers that the program's layers compute; `load_list` is where the load
    list stands in the program (0: all weights are resident).
    """

    program_words: Annotated[int, Field(ge=1, le=1 << 16)]
    constant_words: Annotated[int, Field(ge=0, le=1 << 16)]
    layers: Annotated[list[_Count], Field(min_length=1, max_length=1 << 10)]
    cycles: list[_Count]
    load_list: Annotated[int, Field(ge=0, le=1 << 16)]
    placements: dict[str, PlacementRecord]
    input_packing: PackingRecord


class RegionRecord(_Record):
    """A `Region`."""

    tensor: _Name
    channels: tuple[_Count, _Count]
    rows: tuple[_Count, _Count]
    columns: tuple[_Count, _Count]


class ChapterRecord(_Record):
    """A `Chapter`."""

    code: _Count
    reads: dict[str, RegionRecord]
    exports: dict[str, RegionRecord]
    answer: tuple[_Count, _Count] | None
    loads: bool


class NetworkRecord(_Record):
    """A `Network` without layers and arrays."""

    name: str
    time_steps: Annotated[int, Field(ge=1, le=16)]
    input_shape: _Shape
    input_padding: tuple[_Padding, _Padding, _Padding, _Padding]
    tau: Annotated[float, Field(gt=0, le=1)]
    notes: dict[str, str]


class Manifest(_Record):
    """Everything that `manifest.json` holds: of a program, which has one code and no chapters, or of a book."""

    format: Literal["trispike image"]
    schema_version: Literal[5]
    tool_version: str
    architecture: ArchitectureRecord
    binary: BinaryRecord
    sections: Annotated[list[SectionRecord], Field(max_length=1 << 16)]
    files: list[FileRecord]
    network: NetworkRecord
    layers: Annotated[list[LayerRecord], Field(min_length=1, max_length=1 << 10)]
    codes: Annotated[list[CodeRecord], Field(min_length=1, max_length=1 << 20)]
    chapters: Annotated[list[ChapterRecord], Field(max_length=1 << 20)]
