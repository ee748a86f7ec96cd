"""What a co-simulation found out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Mismatch:
    """One place where the RTL differs from the golden model.

    `layer` is the layer's name. For a spike, `step`, `y`, `x` and `channel` say which one; for an integer of the answer
    only `channel` (the class); for a spike word outside the layer's tensor, or for a status flag, none. `expected` and
    `found` are texts.
    """

    layer: str
    expected: str
    found: str
    step: int | None = None
    y: int | None = None
    x: int | None = None
    channel: int | None = None

    def __str__(self) -> str:
        place = f"layer {self.layer}"
        if self.y is not None:
            place += f", pixel ({self.y}, {self.x}), channel {self.channel}, step {self.step}"
        elif self.channel is not None:
            place += f", class {self.channel}"
        return f"{place}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True)
class LayerReport:
    """Counters of one layer on one image, as the register bank counted them; sums, if the layer runs in parts.

    `cycles` from the end of the layer before (or RUN) to its own end; `events` with a spike, of all lanes; `words`
    written to spike memory, all steps. The others count lanes that had an item but issued no such event, cycle by
    cycle, by the reason (`trispike_hw.layer_counters.STALLS`). `additions`, into the layer's real output channels, are
    the golden model's, which the RTL has equalled if the image is bit-exact.
    """

    name: str
    additions: int
    cycles: int
    events: int
    words: int
    no_event: int
    no_word: int
    drain: int
    weights: int


@dataclass(frozen=True)
class ImageReport:
    """One image: `integers` int64 [classes] is the RTL's answer, `expected` the golden model's.

    `cycles` from RUN to the last word of the answer, `input_cycles` from the first word of the input until RUN;
    both hold the pauses that the simulated host made. `streamed_rows` came from the external weight memory since
    the answer before. `layers` are in the order of computation, each name once. `mismatches` are the first few of
    `mismatch_count`, in the order of computation.
    """

    integers: np.ndarray
    expected: np.ndarray
    cycles: int
    input_cycles: int
    events: int
    additions: int
    streamed_rows: int
    layers: tuple[LayerReport, ...]
    mismatches: tuple[Mismatch, ...]
    mismatch_count: int

    @property
    def bit_exact(self) -> bool:
        """Whether every train and every integer equal the golden model's."""
        return not self.mismatch_count


@dataclass(frozen=True)
class SimulationReport:
    """All images of a co-simulation on `engine` (with its `version`).

    `load_cycles` is what sending program, constants and weights took, pauses of the simulated host included. `seconds`
    is the wall-clock time of the simulation, without compiling. `waves` is the waveform file, if one was written; it
    starts before image `waves_from`.
    """

    engine: str
    version: str
    images: tuple[ImageReport, ...]
    load_cycles: int
    seconds: float
    waves: Path | None = None
    waves_from: int | None = None

    @property
    def bit_exact(self) -> bool:
        """Whether all images are bit-exact."""
        return all(image.bit_exact for image in self.images)

    @property
    def integers(self) -> np.ndarray:
        """Answers of the RTL, int64 [N, classes]."""
        return np.stack([image.integers for image in self.images])

    @property
    def cycles(self) -> list[int]:
        """Cycles per image, from RUN to the last word of the answer."""
        return [image.cycles for image in self.images]

    def explain(self) -> str:
        """Verdict in words; where it is bad, which images differ and where first."""
        count = len(self.images)
        wrong = [(number, image) for number, image in enumerate(self.images) if not image.bit_exact]
        if not wrong:
            return f"bit-exact: all trains and integers of {count} image{'s' * (count != 1)} equal the golden model's"
        lines = [f"not bit-exact: {len(wrong)} of {count} image{'s' * (count != 1)} differ from the golden model"]
        for number, image in wrong[:3]:
            lines.append(f"image {number}: {image.mismatch_count} mismatches, the first {len(image.mismatches)}:")
            lines += [f"  {mismatch}" for mismatch in image.mismatches]
        if self.waves is not None:
            lines.append(f"waveform from image {self.waves_from} on: {self.waves}")
        return "\n".join(lines)
