"""Which operators of a framework are read, by which function, and one line on what is supported of each.

The importers look operators up here, refusals list them, and `trispike operators` prints the table. To add an operator,
write its handler in `onnx_operators.py` or `torch_operators.py` under the decorator.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .values import Activation, Constant

if TYPE_CHECKING:
    from .builder import GraphBuilder
    from .trace import Call

NO_SUCH_NEURON = "a neuron computes ReLU, a limited ReLU or the identity; train the network with ReLU or ReLU6"
NO_STATE = "the machine keeps nothing from one step of a sequence to the next and multiplies no activations"
NO_ENLARGING = "maps cannot be enlarged; trispike is for classifiers, whose maps become smaller"
NO_QUANTISED = "spikes have scales of their own; export the network before it is quantised, with floating-point weights"
NO_STATISTICS = "it needs statistics of the image at hand, which spikes do not give; train the network with batch norm"

Tensor = Activation | Constant
Handler = Callable[["GraphBuilder", "Call"], Tensor | tuple[Tensor, ...]]


@dataclass(frozen=True)
class Operator:
    """One supported operator.

    `unread` names arguments that the handler does not need as values, so that whatever computes them is not read.
    `several` says that the handler returns all outputs, not the first one alone.
    """

    framework: str
    name: str
    support: str
    handler: Handler
    unread: tuple[str, ...]
    several: bool


class Registry:
    """The supported operators of one framework."""

    def __init__(self, framework: str):
        self.framework = framework
        self.refusals: dict[str, str] = {}  #: why operators that people ask for are not supported, by name
        self._operators: dict[str, Operator] = {}

    def operator(
        self, *names: str, support: str, unread: tuple[str, ...] = (), several: bool = False
    ) -> Callable[[Handler], Handler]:
        """Decorator: the function reads the operators `names`; `support` says in one line what of them."""

        def register(handler: Handler) -> Handler:
            for name in names:
                if name in self._operators:
                    raise ValueError(f"{self.framework} operator {name} has two handlers")
                self._operators[name] = Operator(self.framework, name, support, handler, unread, several)
            return handler

        return register

    def refuse(self, *names: str, reason: str) -> None:
        """Say why the operators `names` are not supported and what to do instead."""
        self.refusals.update(dict.fromkeys(names, reason))

    def __getitem__(self, name: str) -> Operator:
        return self._operators[name]

    def __contains__(self, name: str) -> bool:
        return name in self._operators

    def table(self) -> tuple[Operator, ...]:
        """All operators by name."""
        return tuple(self._operators[name] for name in sorted(self._operators))
