"""`trispike operators`: which operators of which framework are read, from the registry that reads them."""

from typing import Annotated

import typer

from ..importers import refused_operators, supported_operators
from . import options
from .console import show, show_json, show_table

COLUMNS = ("framework", "operator", "support")


def command(
    as_json: options.Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the page of the documentation.")] = False,
    verbose: options.Verbose = False,
) -> None:
    """Show the operators that can be compiled, and why some others cannot."""
    if as_json:
        rows = [*_supported(), *((framework, name, f"refused: {reason}") for framework, name, reason in _refused())]
        show_json([dict(zip(COLUMNS, row, strict=True)) for row in rows])
    elif markdown:
        show(page())
    else:
        show_table("operators", COLUMNS, _supported(), numbers=False)
        show_table("refused", ("framework", "operator", "reason"), _refused(), numbers=False)


def page() -> str:
    """The page docs/operators.md, without the line break at its end."""
    return "\n\n".join(
        [
            "# Operators",
            "What `trispike compile` reads; `trispike operators` prints it, and `trispike operators --markdown` wrote "
            "this page.\nA network has one input and one output, which gives one value per class, (N, classes). What "
            "an ONNX\nfile derives from constants and shapes alone is computed while it is read, by any operators.",
            _table("ONNX, opset 7 and later", ("operator", "support"), "ONNX", _supported()),
            _table("torch.export (ATen), schema 8", ("operator", "support"), "ATen", _supported()),
            _table("Refused in ONNX", ("operator", "reason"), "ONNX", _refused()),
            _table("Refused in ATen", ("operator", "reason"), "ATen", _refused()),
        ]
    )


def _supported() -> list[tuple[str, str, str]]:
    return [(operator.framework, operator.name, operator.support) for operator in supported_operators()]


def _refused() -> list[tuple[str, str, str]]:
    return list(refused_operators())


def _table(title: str, columns: tuple[str, str], framework: str, rows: list[tuple[str, str, str]]) -> str:
    """A section with one row for all operators of a framework about which the same is said."""
    said: dict[str, list[str]] = {}
    for origin, name, text in rows:
        if origin == framework:
            said.setdefault(text, []).append(f"`{name}`")
    lines = [f"| {', '.join(names)} | {text} |" for text, names in said.items()]
    return "\n".join([f"## {title}", "", f"| {columns[0]} | {columns[1]} |", "|---|---|", *lines])
