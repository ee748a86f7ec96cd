"""The files, all in one directory, through which the bench in the simulator and the process outside exchange a job."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

SCRIPT = "script.json"
RECORDS = "records.jsonl"
INPUT = "input.bin"
EXTERNAL = "external.bin"
ANSWERS = "answers.hex"
TRACE = "trace.hex"
LAYERS = "layers.hex"


@dataclass(frozen=True)
class Script:
    """What the bench does: send the load stream, read `identity`; then run by run, send it, take what comes, read
    `counters`.

    `load_words` and `run_words` are the lengths of the streams that stand one behind the other in INPUT;
    `output_words` says how many words come out of each run. Every image has `runs_per_image` of them. `identity` and
    `counters`, those of every run of an image, are word addresses on the register bus.
    `seed`, `input_pause`, `output_pause` and `weight_pause` (of 256) shape the pauses of the streams. The external
    weight memory offers the first row of a burst `weight_latency` (>= 1) cycles after it took the request.
    `patience` is the number of cycles without any progress after which the design counts as stuck. `storing` layers
    of a run store spikes (0: they differ). The waveform starts before run `dump_from`, if there is one.
    """

    load_words: int
    run_words: list[int]
    output_words: list[int]
    runs_per_image: int
    identity: list[int]
    counters: list[list[int]]
    seed: int
    input_pause: int
    output_pause: int
    weight_pause: int
    weight_latency: int
    patience: int
    storing: int
    dump_from: int | None = None

    def write(self, directory: Path) -> None:
        """Leave the script for the bench."""
        (directory / SCRIPT).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, directory: Path) -> "Script":
        """The script that `write` left."""
        return cls(**json.loads((directory / SCRIPT).read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Record:
    """What the bench saw in one phase: phase 0 is loading, phase n is run n - 1.

    `cycles` is the length of the phase; `received`, `traced` and `streamed` count the output words, stored spike words
    and rows from the external weight memory since the start. `registers` are the values asked for, None where a bit is
    undefined. `stuck` says that the design made no progress for as long as the script allows; `sent` is then where it
    stopped reading. `beyond` says that it asked for rows that the external weight memory does not have.
    """

    phase: int
    cycles: int
    sent: int
    received: int
    traced: int
    streamed: int
    stuck: bool = False
    beyond: bool = False
    registers: list[int | None] = field(default_factory=list)

    def append(self, directory: Path) -> None:
        """Add this record to those of the run."""
        with (directory / RECORDS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(self)) + "\n")


def read_records(directory: Path) -> list[Record]:
    """All records so far; a line that is still being written is left out."""
    path = directory / RECORDS
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [Record(**json.loads(line)) for line in lines]


def read_words(path: Path, per_line: int) -> np.ndarray:
    """Words uint32 [lines, per_line] that the harness wrote in hexadecimal.

    Raises:
        ValueError: if a digit is not one: the design's output was undefined.
    """
    return np.frombuffer(bytes.fromhex(path.read_text(encoding="ascii")), ">u4").astype(np.uint32).reshape(-1, per_line)
