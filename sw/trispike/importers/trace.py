"""The framework-neutral form of a network between reading a file and building the graph, and the walk over it.

A front end turns its file into a `Trace`; `build_graph` walks the steps that the output depends on and lets each
operator's handler extend the graph.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import numpy as np

from ..errors import ModelError
from ..graph import Graph
from .builder import GraphBuilder
from .registry import Registry
from .values import Activation, Constant


@dataclass(frozen=True)
class Reference:
    """An argument that is a tensor, by name."""

    name: str


@dataclass(frozen=True)
class Step:
    """One operator of the network as its file states it.

    `operator` is the registry's key, `label` what messages call it; `arguments` holds inputs and attributes by the
    framework's own names, a list of tensors being a tuple of references; `in_place` marks an operator that overwrites
    its first input.
    """

    name: str
    operator: str
    label: str
    arguments: Mapping[str, Any]
    outputs: tuple[str, ...]
    in_place: bool = False

    def references(self, unread: tuple[str, ...] = ()) -> Iterator[str]:
        """Names of the tensors that it reads, with repetitions."""
        for key, value in self.arguments.items():
            if key not in unread:
                several = value if isinstance(value, tuple) else (value,)
                yield from (item.name for item in several if isinstance(item, Reference))


@dataclass(frozen=True)
class Trace:
    """A network as a list of steps in order of computation.

    `source` starts every message. `dims` are the full shapes, batch first, of step outputs as the framework inferred
    them; only operators that reshape need them.
    """

    source: str
    name: str
    input: str
    input_dims: tuple[int | None, ...]
    output: str
    constants: Mapping[str, Constant]
    steps: tuple[Step, ...]
    dims: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


class Call:
    """A step with its inputs resolved, as a handler sees it."""

    def __init__(self, trace: Trace, step: Step, arguments: Mapping[str, Any], is_output: bool):
        self.name = step.name
        self.label = step.label
        self.arguments = arguments
        self.is_output = is_output  #: the network's output is this step's, and nothing else reads it
        self._trace = trace
        self._step = step

    def refuse(self, reason: str) -> NoReturn:
        """Raise ModelError: source, this step, and `reason`, which continues the sentence."""
        raise ModelError(f"{self._trace.source}: node {self.name!r} ({self.label}) {reason}")

    def get(self, key: str, default: Any = None) -> Any:
        """An argument; `default` where it is missing or None."""
        value = self.arguments.get(key)
        return default if value is None else value

    def tensor(self, key: str) -> Activation | Constant:
        """An argument that is a tensor, constant or not."""
        value = self.get(key)
        if not isinstance(value, Activation | Constant):
            self.refuse(f"lacks its input {key}")
        return value

    def tensors(self, key: str) -> tuple[Activation | Constant, ...]:
        """An argument that is a list of tensors, at least one of which depends on the network input."""
        found = tuple(value for value in self.get(key, ()) if isinstance(value, Activation | Constant))
        if not any(isinstance(value, Activation) for value in found):
            self.refuse(f"works on constants; one of its {key} must depend on the network input")
        return found

    def activation(self, key: str) -> Activation:
        """An argument that depends on the network input."""
        value = self.get(key)
        if not isinstance(value, Activation):
            self.refuse(f"works on a constant; its input {key} must depend on the network input")
        return value

    def weights(self, key: str) -> np.ndarray:
        """A constant argument as float32, checked to be finite."""
        value = self.get(key)
        if not isinstance(value, Constant):
            self.refuse(f"needs a constant {key}, but it is {'computed' if value is not None else 'missing'}")
        with np.errstate(over="ignore"):
            array = np.asarray(value.array, dtype=np.float32)
        bad = int(array.size - np.isfinite(array).sum())
        if bad:
            raise ModelError(
                f"{self._trace.source}: tensor {value.name!r} holds {bad} NaN or infinite values of {array.size}; "
                f"train or export the network again"
            )
        return array

    def optional_weights(self, key: str) -> np.ndarray | None:
        """Like `weights`, or None where the argument is missing."""
        return None if self.get(key) is None else self.weights(key)

    def ints(self, key: str, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """An argument that is an integer, a list of them or a constant tensor of them."""
        value = self.get(key, default)
        if isinstance(value, Activation):
            self.refuse(f"computes its argument {key}; it must be constant")
        array = np.asarray(value.array if isinstance(value, Constant) else value).reshape(-1)
        return tuple(int(number) for number in array)

    def pair(self, key: str, default: tuple[int, ...] = (1, 1), line: bool = False) -> tuple[int, int]:
        """An argument for height and width; a single integer stands for both.

        With `line` the map is one row, (N, C, L): the argument is for the width, and the height's is that of `default`.
        """
        values = self.ints(key, default) or default
        if len(values) not in (1, 2):
            self.refuse(f"has {len(values)} values in {key}; trispike reads one- and two-dimensional maps only")
        return default[0] if line else values[0], values[-1]

    def number(self, key: str, default: float) -> float:
        """An argument that is a number or a constant tensor of one number."""
        value = self.get(key, default)
        if isinstance(value, Activation):
            self.refuse(f"computes its argument {key}; it must be constant")
        array = np.asarray(value.array if isinstance(value, Constant) else value)
        if array.size != 1:
            self.refuse(f"has {array.size} values in {key}; it must be one number")
        return float(array.reshape(-1)[0])

    @property
    def outputs(self) -> int:
        """How many outputs the step has."""
        return len(self._step.outputs)

    @property
    def output_dims(self) -> tuple[int, ...]:
        """Shape of the step's output, batch first."""
        dims = self._trace.dims.get(self._step.outputs[0])
        if dims is None:
            self.refuse("has an output whose shape cannot be inferred; export the network with fixed shapes")
        return dims


def needed_steps(trace: Trace, registry: Registry) -> list[Step]:
    """The steps that the output depends on, in order.

    Raises:
        ModelError: if one of them is not supported, or reads what no step makes.
    """
    makers = {output: (index, step) for index, step in enumerate(trace.steps) for output in step.outputs}
    needed: dict[int, Step] = {}
    waiting = [trace.output]
    while waiting:
        tensor = waiting.pop()
        if tensor == trace.input or tensor in trace.constants:
            continue
        if tensor not in makers:
            raise ModelError(f"{trace.source}: nothing in the network makes the tensor {tensor!r}; export it again")
        index, step = makers[tensor]
        if step.operator in registry.refusals:
            raise ModelError(
                f"{trace.source}: node {step.name!r} has the operator {step.label}, which is not supported: "
                f"{registry.refusals[step.operator]}"
            )
        if step.operator not in registry:
            supported = ", ".join(operator.name for operator in registry.table())
            raise ModelError(
                f"{trace.source}: node {step.name!r} has the operator {step.label}, which is not supported; "
                f"supported {registry.framework} operators are {supported}"
            )
        if tensor != step.outputs[0] and not registry[step.operator].several:
            raise ModelError(
                f"{trace.source}: node {step.name!r} ({step.label}) has a second output {tensor!r} that is used; "
                f"trispike reads the first output only"
            )
        if index not in needed:
            needed[index] = step
            waiting.extend(step.references(registry[step.operator].unread))
    return [needed[index] for index in sorted(needed)]


def _turned_at_once(trace: Trace, steps: list[Step]) -> bool:
    """Whether the network input is (N, H, W, C): it is turned to (N, C, H, W) before anything looks at neighbours."""
    same_order, turned = {trace.input}, False
    for step in steps:
        if same_order.isdisjoint(step.references()):
            continue
        order = step.arguments.get("perm", step.arguments.get("dims"))
        if isinstance(order, list) and order == [0, 3, 1, 2]:
            turned = True
        elif step.operator.lower() in _ORDERLESS:
            same_order.update(step.outputs[:1])
        else:
            return False
    return turned


_ORDERLESS = ("add", "sub", "mul", "div", "pad", "constant_pad_nd", "cast", "identity", "_to_copy", "to", "clone")


def _resolved(value: Any, values: Mapping[str, Activation | Constant]) -> Any:
    """An argument with the tensors that it refers to in their places."""
    if isinstance(value, tuple):
        return tuple(_resolved(item, values) for item in value)
    return values.get(value.name) if isinstance(value, Reference) else value


def build_graph(trace: Trace, registry: Registry) -> Graph:
    """The graph of a network.

    Raises:
        ModelError: naming the node, its operator and what is not supported.
    """
    steps = needed_steps(trace, registry)
    uses = Counter(name for step in steps for name in step.references(registry[step.operator].unread))
    uses[trace.output] += 1
    builder = GraphBuilder(trace.source, trace.input, trace.input_dims, channels_last=_turned_at_once(trace, steps))
    values: dict[str, Activation | Constant] = dict(trace.constants)
    values[trace.input] = replace(builder.input, exclusive=uses[trace.input] == 1)
    for step in steps:
        operator = registry[step.operator]
        arguments = {key: _resolved(value, values) for key, value in step.arguments.items()}
        output = step.outputs[0]
        call = Call(trace, step, arguments, is_output=output == trace.output and uses[output] == 1)
        if step.in_place and not getattr(next(iter(arguments.values()), None), "exclusive", False):
            call.refuse("overwrites a tensor that other nodes read too; export the network without in-place operators")
        builder.call = call
        try:
            result = operator.handler(builder, call)
        except (TypeError, ValueError, IndexError, OverflowError) as error:
            # A damaged file can hand an operator arguments of any kind, which the framework itself never writes.
            raise ModelError(
                f"{trace.source}: node {step.name!r} ({step.label}) has arguments that do not fit it; "
                f"export the network again"
            ) from error
        for name, value in zip(step.outputs, result if isinstance(result, tuple) else (result,), strict=False):
            alone = isinstance(value, Activation) and value.exclusive and uses[name] == 1
            values[name] = replace(value, exclusive=alone) if isinstance(value, Activation) else value
    return builder.finish(trace.name, trace.output, values[trace.output])
