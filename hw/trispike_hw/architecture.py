"""The architecture description: one frozen record from which every width, depth and layout derives.

Compiler, golden model, estimator and RTL all read this record and nothing else about the machine. A description comes
from a preset (`preset("small")`) or from a TOML file (`load(path)`), is validated as a whole, and never changes
afterwards. Its `digest` stands in every memory image and in a read-only register of the hardware.
"""

import hashlib
import json
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from .errors import ArchitectureError


def _bounded(low: int, high: int, what: str) -> Any:
    """A required integer field with a closed range; `what` is the description that error messages and docs show."""
    return Field(ge=low, le=high, description=what)


class Architecture(BaseModel):
    """Parameters of one accelerator instance.

    All fields are integers except `name`. Ranges are checked on construction; `ArchitectureError` names the first
    field that is out of range, its limits and the value found.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, ignored_types=(cached_property,))

    name: str = Field(default="custom", description="label of the description; not part of the digest")
    lanes: int = _bounded(1, 64, "rows of the array, R: spike lanes")
    clusters: int = _bounded(1, 8, "groups of lanes with a spike-memory copy and a TSA row each")
    columns: int = _bounded(4, 16, "columns of the array, C: output channels of one tile, channels of one spike word")
    weight_bits: int = _bounded(2, 8, "bits of a signed weight")
    accumulator_bits: int = _bounded(8, 32, "bits of a processing element's accumulator")
    potential_bits: int = _bounded(12, 32, "bits of a membrane potential")
    threshold_bits: int = _bounded(4, 24, "bits of theta and phi (unsigned)")
    bias_bits: int = _bounded(4, 32, "bits of the initial potential")
    max_time_steps: int = _bounded(1, 16, "largest T that the hardware counts to")
    spike_words: int = _bounded(256, 1 << 18, "spike words in one copy of the spike memory")
    weight_rows: int = _bounded(64, 1 << 16, "weight rows in the memory that two neighbouring lanes share")
    constant_tiles: int = _bounded(4, 4096, "tiles whose neuron constants fit in the constant memory")
    program_words: int = _bounded(64, 1 << 16, "64-bit words of the program memory")
    tsa_width: int = _bounded(1, 16, "neurons that one TSA row updates in a cycle")
    sum_vectors: int = _bounded(1, 3, "vectors of sums that may wait in a lane for the TSA row; in a lane alone, one")
    max_segments: int = _bounded(1, 8, "segments that one layer may have")
    max_layers: int = _bounded(4, 240, "layers whose counters the statistics memory keeps")

    @model_validator(mode="after")
    def _check_relations(self) -> "Architecture":
        for name in ("clusters", "columns", "tsa_width", "max_segments", "lanes"):
            value = getattr(self, name)
            if value & (value - 1):
                raise ValueError(f"{name} must be a power of two, not {value}")
        if self.lanes > 1 and not 2 <= self.cluster_lanes <= 16:
            raise ValueError(
                f"lanes / clusters must lie in 2..16, not {self.lanes} / {self.clusters} = {self.cluster_lanes}"
            )
        if self.clusters > self.lanes:
            raise ValueError(f"clusters must not exceed lanes = {self.lanes}, but is {self.clusters}")
        if self.tsa_width > self.columns:
            raise ValueError(f"tsa_width must not exceed columns = {self.columns}, but is {self.tsa_width}")
        if self.spike_words % self.banks:
            raise ValueError(
                f"spike_words must be a multiple of the {self.banks} banks of a cluster, not {self.spike_words}"
            )
        if self.bias_bits > self.potential_bits:
            raise ValueError(
                f"bias_bits must not exceed potential_bits = {self.potential_bits}, but is {self.bias_bits}"
            )
        if self.columns * self.weight_bits % 8:
            raise ValueError(f"columns x weight_bits must be whole bytes, not {self.columns} x {self.weight_bits} bits")
        return self

    @property
    def cluster_lanes(self) -> int:
        """Lanes of one cluster."""
        return self.lanes // self.clusters

    @property
    def lone_lane(self) -> bool:
        """Whether one lane is all there is: then what serves it is made for few cells, not for a turn a cycle."""
        return self.lanes == 1

    @property
    def spread(self) -> bool:
        """Whether the lanes are so many that they lie all over a large device: what all of them say at once then goes
        through a register more."""
        return self.lanes > 16

    @property
    def banks(self) -> int:
        """Banks of one spike-memory copy: one per lane of the cluster, so that every lane has one in every cycle; but
        at least two, so that addresses have a bit that names the bank."""
        return max(2, self.cluster_lanes)

    @property
    def pairs(self) -> int:
        """Weight memories: two neighbouring lanes share one."""
        return self.clusters * self.cluster_pairs

    @property
    def cluster_pairs(self) -> int:
        """Weight memories of one cluster; a lane alone has one for itself."""
        return max(1, self.cluster_lanes // 2)

    @property
    def pes(self) -> int:
        """Processing elements, R x C."""
        return self.lanes * self.columns

    @property
    def tsa_passes(self) -> int:
        """Cycles in which a TSA row updates the `columns` neurons of one vector."""
        return self.columns // self.tsa_width

    @property
    def pass_bits(self) -> int:
        """Bits that number the passes of an update."""
        return (self.tsa_passes - 1).bit_length()

    @property
    def spike_address_bits(self) -> int:
        """Bits of a spike-word address."""
        return (self.spike_words - 1).bit_length()

    @property
    def weight_address_bits(self) -> int:
        """Bits of a weight-row address."""
        return (self.weight_rows - 1).bit_length()

    @property
    def constant_width(self) -> int:
        """Neurons whose constants stand in one word of the constant memory: those of one update; where the row updates
        a whole tile and keeps its constants in registers (`ConstantStore`), a quarter of them, or an eighth where that
        fills more of the 512 words that a block RAM has at its widest."""
        if self.tsa_width < self.columns:
            return self.tsa_width
        return max(1, self.columns // (8 if self.constant_tiles <= 64 else 4))

    @property
    def constant_passes(self) -> int:
        """Words of the constant memory that one tile takes."""
        return self.columns // self.constant_width

    @property
    def constant_words(self) -> int:
        """Words of the constant memory."""
        return self.constant_tiles * self.constant_passes

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over every field but the name: two descriptions with one digest build the same hardware."""
        text = json.dumps(self.model_dump(exclude={"name"}), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def _sentence(error: ValidationError, origin: str) -> str:
    """First problem of a pydantic report as one sentence."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    value, context = first["input"], first.get("ctx", {})
    match first["type"]:
        case "missing":
            return f"{origin}: field {field} is missing; give it a value or start from a preset"
        case "extra_forbidden":
            known = ", ".join(Architecture.model_fields)
            return f"{origin}: unknown field {field}; known fields are {known}"
        case "greater_than_equal" | "less_than_equal":
            limits = Architecture.model_fields[field]
            low, high = (next(v for m in limits.metadata if (v := getattr(m, key, None)) is not None)
                         for key in ("ge", "le"))  # fmt: skip
            return f"{origin}: {field} must lie in {low}..{high}, not {value}"
        case "value_error":
            return f"{origin}: {context['error']}"
        case _:
            return f"{origin}: {field} must be an integer, not {value!r}"


def build(fields: dict[str, Any], origin: str = "architecture") -> Architecture:
    """Validate `fields` into an `Architecture`.

    Raises:
        ArchitectureError: one sentence that starts with `origin`.
    """
    try:
        return Architecture.model_validate(fields)
    except ValidationError as error:
        raise ArchitectureError(_sentence(error, origin)) from error


def preset(name: str) -> Architecture:
    """The preset `name`: nano, small, base or large.

    Raises:
        ArchitectureError: if there is no such preset.
    """
    if name not in PRESETS:
        raise ArchitectureError(f"there is no preset {name!r}; choose one of {', '.join(PRESETS)} or give a file")
    return PRESETS[name]


def load(path: Path) -> Architecture:
    """Read a description from a TOML file; `base = "small"` in it starts from a preset.

    Raises:
        ArchitectureError: if the file cannot be read, is no TOML, or describes no valid architecture.
    """
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ArchitectureError(f"cannot read architecture file {path}: {reason}") from error
    except tomllib.TOMLDecodeError as error:
        raise ArchitectureError(f"architecture file {path} is not valid TOML: {error}") from error
    if "base" in fields:
        fields = preset(str(fields.pop("base"))).model_dump() | {"name": path.stem} | fields
    return build(fields, origin=str(path))


_COMMON: dict[str, Any] = {
    "columns": 16,
    "weight_bits": 8,
    "accumulator_bits": 18,
    "potential_bits": 28,
    "threshold_bits": 16,
    "bias_bits": 24,
    "max_time_steps": 16,
    "max_segments": 8,
    "max_layers": 64,
}

# Depths follow the ECP5's block RAMs: 1024 rows of 128 bits cost a lane pair 8 of them; three maps of 32 x 32 x 16
# channels at T = 8, which a residual block of ResNet-8 wants at once, are 24576 spike words. Small, with what a board
# puts around it, takes the 56 of an ECP5-25F: 30 hold the weights of LeNet-5, so that no layer waits for others.
PRESETS: dict[str, Architecture] = {
    fields["name"]: build(_COMMON | fields)
    for fields in (
        {"name": "nano", "lanes": 1, "clusters": 1, "columns": 8, "accumulator_bits": 16, "potential_bits": 24,
         "threshold_bits": 14, "bias_bits": 20, "max_time_steps": 8, "tsa_width": 1, "sum_vectors": 1,
         "spike_words": 1536, "weight_rows": 1024, "constant_tiles": 32, "program_words": 256, "max_segments": 2,
         "max_layers": 16},
        {"name": "small", "lanes": 4, "clusters": 1, "tsa_width": 16, "sum_vectors": 3, "spike_words": 6144,
         "weight_rows": 2048, "constant_tiles": 64, "program_words": 512},
        {"name": "base", "lanes": 8, "clusters": 1, "tsa_width": 16, "sum_vectors": 3, "spike_words": 24576,
         "weight_rows": 1024, "constant_tiles": 256, "program_words": 1024},
        {"name": "large", "lanes": 32, "clusters": 2, "tsa_width": 8, "sum_vectors": 1, "spike_words": 8192,
         "weight_rows": 1024, "constant_tiles": 256, "program_words": 1024},
    )
}  # fmt: skip
