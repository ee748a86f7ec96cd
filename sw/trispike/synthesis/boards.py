"""The boards that trispike builds for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import ToolError
from ..link.line import DEFAULT_BAUD


@dataclass(frozen=True)
class Board:
    """A board with a serial port.

    `preset` and `mhz` are what it gets unless something else is asked for; `platform` makes Amaranth's description of
    it; `lamp` is the resource that shows that the machine is busy. `tools` are the programs of the tool chain, behind
    Yosys, none where it is the vendor's, for which only scripts are written; `suffix` is that of its bitstreams.
    `memory` is what stands behind the port for weights from outside: "sdram", "flash" or nothing; a flash is resource
    `flash`. Where logic is short, a build has it only on request: `memory_unasked` is false.
    """

    name: str
    description: str
    preset: str
    mhz: float
    platform: Callable[[], Any]
    tools: tuple[str, ...]
    suffix: str
    baud: int = DEFAULT_BAUD
    lamp: tuple[str, int] | None = None
    memory: str | None = None
    memory_unasked: bool = True
    flash: tuple[str, int] = ("spi_flash_1x", 0)


def _boards_module(name: str) -> Any:
    """A module of amaranth-boards.

    Raises:
        ToolError: if it is not installed.
    """
    from importlib import import_module

    try:
        return import_module(f"amaranth_boards.{name}")
    except ModuleNotFoundError as error:
        raise ToolError("bitstreams need the package amaranth-boards; install trispike[fpga]") from error


def _ulx3s() -> Any:
    return _boards_module("ulx3s").ULX3S_85F_Platform()


_ORANGECRAB_FLASH = ("flash_without_clock", 0)


def _orangecrab() -> Any:
    """OrangeCrab r0.2 with the serial port on the pins of that name, with its flash but for the clock, which no pin
    reaches, and without the program that signs for USB."""
    from amaranth.build import Attrs, Pins, PinsN, Resource, Subsignal

    described = _boards_module("orangecrab_r0_2").OrangeCrabR0_2_25FPlatform
    resource = _boards_module("resources").UARTResource
    lattice = described.__mro__[2]

    class OrangeCrab(described):
        required_tools = lattice.required_tools
        command_templates = lattice.command_templates

    platform = OrangeCrab()
    platform.add_resources(
        [
            resource(0, rx="0", tx="1", conn=("io", 0)),
            Resource(
                *_ORANGECRAB_FLASH,
                Subsignal("cs", PinsN("U17", dir="o")),
                Subsignal("copi", Pins("U18", dir="o")),
                Subsignal("cipo", Pins("T18", dir="i")),
                Subsignal("wp", PinsN("R18", dir="o")),
                Subsignal("hold", PinsN("N18", dir="o")),
                Attrs(IO_TYPE="LVCMOS33"),
            ),
        ]
    )
    return platform


def _icebreaker() -> Any:
    return _boards_module("icebreaker").ICEBreakerPlatform()


def _arty() -> Any:
    return _boards_module("arty_a7").ArtyA7_100Platform()


def _pynq() -> Any:
    _boards_module("resources")  # which the board's own file needs
    from .pynq_z2 import PynqZ2Platform

    return PynqZ2Platform()


_ECP5_TOOLS = ("nextpnr-ecp5", "ecppack")
_ICE40_TOOLS = ("nextpnr-ice40", "icepack")

BOARDS = {
    board.name: board
    for board in (
        Board("ulx3s-85f", "Radiona ULX3S, ECP5-85F", "small", 80.0, _ulx3s, _ECP5_TOOLS, ".bit", lamp=("led", 0),
              memory="sdram"),
        Board("orangecrab-25f", "OrangeCrab r0.2, ECP5-25F", "small", 48.0, _orangecrab, _ECP5_TOOLS, ".bit",
              memory="flash", flash=_ORANGECRAB_FLASH),
        Board("icebreaker", "1BitSquared iCEBreaker, iCE40UP5K", "nano", 12.0, _icebreaker, _ICE40_TOOLS, ".bin",
              memory="flash", memory_unasked=False),
        Board("arty-a7-100", "Digilent Arty A7-100T, Artix-7, scripts for Vivado", "base", 50.0, _arty, (), ".bit",
              lamp=("led", 0), memory="flash"),
        Board("pynq-z2", "TUL PYNQ-Z2, Zynq 7020, scripts for Vivado", "base", 50.0, _pynq, (), ".bit",
              lamp=("led", 0)),
    )
}  # fmt: skip
