"""Which layers are resident and which stream their weights, and in how many parts: a search by estimated cycles."""

from collections.abc import Iterator, Sequence
from itertools import islice

from trispike_hw.architecture import Architecture

from ..network import Layer
from .choice import Choice, choose_resident, split_choices
from .schedule import LOAD_CYCLES, PART_CYCLES, Schedule, Selection, schedule
from .shortage import Shortage

WORTH_STREAMING = 0.9
"""Share of the cycles with resident weights that streaming must stay below where both are possible."""

LARGEST_WEIGHT = 1024
"""How many times its cycles a part may be made to cost so that the program has few enough of them."""

TRIED = 6
"""Ways to stream a layer that the search tries, besides its resident ones."""

PASSES = 2
"""Rounds of the search over all layers."""


def choose(
    layers: Sequence[Layer],
    options: Sequence[Sequence[Choice]],
    time_steps: int,
    arch: Architecture,
    *,
    resident: bool = True,
) -> Schedule:
    """The program layers of a network whose layers can run by `options` (in one part each, the fastest first).

    Weights are resident where they fit; they stream where not, and where that is clearly faster. Without `resident` all
    of them stream.

    Raises:
        Shortage: if a layer's smallest part does not fit the weight memory, or all parts not the program memory.
    """
    if not resident:
        return _streamed(layers, options, time_steps, arch, resident=False)
    try:
        chosen = choose_resident(layers, options, arch)
    except Shortage:
        return _streamed(layers, options, time_steps, arch)
    still = schedule([Selection(choice, True) for choice in chosen], arch)
    assert still is not None
    least = sum(of_layer[0].cycles + PART_CYCLES for of_layer in options)
    if least >= WORTH_STREAMING * still.cycles or still.excess(arch):
        return still
    try:
        streamed = _streamed(layers, options, time_steps, arch)
    except Shortage:
        return still
    return streamed if streamed.cycles < WORTH_STREAMING * still.cycles else still


def _streamed(
    layers: Sequence[Layer],
    options: Sequence[Sequence[Choice]],
    time_steps: int,
    arch: Architecture,
    *,
    resident: bool = True,
) -> Schedule:
    """The fastest schedule that a search finds, whatever it keeps resident, if it may."""
    split = [
        _worthwhile([part for whole in of_layer for part in split_choices(layer, whole, time_steps, arch)])
        for layer, of_layer in zip(layers, options, strict=True)
    ]
    for layer, choices in zip(layers, split, strict=True):
        needed = min(choice.rows for choice in choices)
        if needed > arch.weight_rows:
            subject = f"a tile of layer {layer.name}"
            raise Shortage(subject, "weight_rows", "weight rows per lane pair", needed, arch.weight_rows)
    selections, best = _start(options, split, arch, resident)
    for _ in range(PASSES):
        before = _score(best, arch)
        for number in range(len(layers)):
            for selection in _alternatives(options[number] if resident else (), split[number], arch):
                trial = [*selections[:number], selection, *selections[number + 1 :]]
                found = schedule(trial, arch, settle=resident)
                if found is not None and _score(found, arch) < _score(best, arch):
                    selections, best = trial, found
        if _score(best, arch) == before:
            break
    if len(best.parts) > arch.max_layers:
        raise Shortage("the network in parts", "max_layers", "layers", len(best.parts), arch.max_layers)
    if best.words > arch.program_words:
        raise Shortage("the program", "program_words", "program words", best.words, arch.program_words)
    return best


def _score(found: Schedule, arch: Architecture) -> tuple[int, float]:
    return found.excess(arch), found.cycles


def _worthwhile(choices: list[Choice]) -> list[Choice]:
    """Those that no other beats in cycles, rows and program words at once."""
    kept: list[Choice] = []
    for choice in sorted(choices, key=lambda choice: (choice.cycles, choice.rows, choice.words)):
        if not any(other.rows <= choice.rows and other.words <= choice.words for other in kept):
            kept.append(choice)
    return kept


def _start(
    options: Sequence[Sequence[Choice]], split: Sequence[Sequence[Choice]], arch: Architecture, resident: bool
) -> tuple[list[Selection], Schedule]:
    """The best of: the first n layers `resident` in their fastest way, all others streamed by the rule of thumb."""
    best: tuple[list[Selection], Schedule] | None = None
    weight = 1
    while best is None or (best[1].excess(arch) and weight <= LARGEST_WEIGHT):
        prefixes = _prefixes(options, split, weight, arch)
        for selections in prefixes if resident else islice(prefixes, 1):
            found = schedule(selections, arch, settle=resident)
            if found is not None and (best is None or _score(found, arch) < _score(best[1], arch)):
                best = selections, found
        weight *= 8
    return best


def _prefixes(
    options: Sequence[Sequence[Choice]], split: Sequence[Sequence[Choice]], weight: int, arch: Architecture
) -> Iterator[list[Selection]]:
    free = arch.weight_rows
    for count in range(len(options)):
        rest = [[choice for choice in choices if choice.rows <= free] for choices in split[count:]]
        if free < 0 or not all(rest):
            return
        streamed = [min(choices, key=lambda choice: _thumb(choice, free, weight)) for choices in rest]
        yield [Selection(of_layer[0], True) for of_layer in options[:count]] + [
            Selection(choice, False) for choice in streamed
        ]
        free -= options[count][0].rows


def _thumb(choice: Choice, ring: int, weight: int) -> float:
    """Cycles of a streamed layer by a rule of thumb: loads hide behind computing where two parts fit the ring."""
    load = choice.traffic + LOAD_CYCLES * sum(part.load_words for part in choice.parts)
    busy = max(choice.cycles, load) if 2 * choice.rows <= ring else choice.cycles + load
    return busy + weight * PART_CYCLES * len(choice.parts)


def _alternatives(whole: Sequence[Choice], split: Sequence[Choice], arch: Architecture) -> Iterator[Selection]:
    """Ways of a layer worth trying: streamed, the best by the rule of thumb first, and resident."""
    fitting = sorted(
        (choice for choice in split if choice.rows <= arch.weight_rows),
        key=lambda choice: _thumb(choice, arch.weight_rows, 1),
    )
    yield from (Selection(choice, False) for choice in islice(fitting, TRIED))
    yield from (Selection(choice, True) for choice in _worthwhile(list(whole)) if choice.rows <= arch.weight_rows)
