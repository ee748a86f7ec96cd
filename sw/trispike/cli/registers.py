"""`trispike registers`: what a driver must know about the registers, from the table that the hardware is made of."""

from typing import Annotated

import typer

from trispike_hw.bus.registers import BUS_REGISTERS
from trispike_hw.register_map import c_header, markdown
from trispike_hw.registers import REGISTERS

from . import options
from .console import show, show_json, show_table


def command(
    as_json: options.Json = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the page of the documentation.")] = False,
    as_c_header: Annotated[bool, typer.Option("--c-header", help="Print a header for C.")] = False,
    verbose: options.Verbose = False,
) -> None:
    """Show the registers of the machine and of its bus wrappers."""
    if as_json + as_markdown + as_c_header > 1:
        raise typer.BadParameter("--json, --markdown and --c-header exclude each other; give one of them")
    table = (*REGISTERS, *BUS_REGISTERS)
    if as_markdown:
        show(markdown())
    elif as_c_header:
        show(c_header())
    elif as_json:
        show_json([{"name": row.name, "offset": row.offset, "description": row.description} for row in table])
    else:
        rows = [(row.name, row.offset, row.description) for row in table]
        show_table("registers (offsets count words)", ("name", "offset", "content"), rows, numbers=False)
