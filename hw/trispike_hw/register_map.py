"""The registers as other languages want them, from the one table that the hardware is made of."""

from collections.abc import Iterable

from . import registers
from .bus.registers import BUS_REGISTERS, FLAG_ROOM, FLAG_WORD
from .layer_counters import PLACES
from .ports import RegisterBus
from .registers import LAYER_BASE, LAYER_FIELDS, LAYER_TEXTS, REGISTERS, Register, layer_register

_CONSTANTS = {
    "MAGIC_VALUE": registers.MAGIC_VALUE,
    "VERSION_VALUE": registers.VERSION_VALUE,
    "STATUS_BUSY": registers.STATUS_BUSY,
    "STATUS_CORRUPT": registers.STATUS_CORRUPT,
    "STATUS_UNKNOWN_COMMAND": registers.STATUS_UNKNOWN_COMMAND,
    "FLAG_ROOM": FLAG_ROOM,
    "FLAG_WORD": FLAG_WORD,
}


def markdown() -> str:
    """The page docs/registers.md, without the line break at its end."""
    layers = [
        Register(
            f"LAYERn_{field.upper()}",
            layer_register(0, field).offset,
            f"layer n of the last run: {LAYER_TEXTS[field]}; + {PLACES} n words for layer n",
        )
        for field in LAYER_FIELDS
    ]
    return "\n".join(
        [
            "# Registers",
            "",
            "What `trispike registers` prints; `trispike registers --markdown` wrote this page, and `--c-header` "
            "writes the same for C.",
            f"A register has {RegisterBus.DATA_BITS} bits. Offsets count words; a byte address is four times as much.",
            "",
            "## Of the machine, read-only",
            "",
            *_table([*REGISTERS, *layers]),
            "",
            "## Of the bus wrappers",
            "",
            *_table(BUS_REGISTERS),
        ]
    )


def c_header() -> str:
    """A header for C and C++: byte offsets and values, without the line break at its end."""
    lines = ["#ifndef TRISPIKE_REGISTERS_H", "#define TRISPIKE_REGISTERS_H", ""]
    for register in (*REGISTERS, *BUS_REGISTERS):
        lines += [f"/* {register.description} */", f"#define TRISPIKE_{register.name} {4 * register.offset:#x}u"]
    lines += ["", "/* counters of layer `layer` of the last run */"]
    stride = 4 * PLACES
    for number, field in enumerate(LAYER_FIELDS):
        base = 4 * (LAYER_BASE + number)
        lines.append(f"#define TRISPIKE_LAYER_{field.upper()}(layer) ({base:#x}u + {stride}u * (layer))")
    lines += ["", *(f"#define TRISPIKE_{name} {value:#x}u" for name, value in _CONSTANTS.items())]
    return "\n".join([*lines, "", "#endif"])


def _table(rows: Iterable[Register]) -> list[str]:
    return [
        "| offset | name | content |",
        "|---|---|---|",
        *(f"| {register.offset} | `{register.name}` | {register.description} |" for register in rows),
    ]
