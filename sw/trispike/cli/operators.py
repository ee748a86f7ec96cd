"""`trispike operators`: which operators of which framework are read, from the registry that reads them."""

from ..importers import supported_operators
from . import options
from .console import show_json, show_table


def command(as_json: options.Json = False, verbose: options.Verbose = False) -> None:
    """Show the operators that can be compiled."""
    rows = [(operator.framework, operator.name, operator.support) for operator in supported_operators()]
    columns = ("framework", "operator", "support")
    if as_json:
        show_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    show_table("operators", columns, rows, numbers=False)
