"""What every block of the machine takes, in cycles: the one place that knows.

All constants follow from the state machines and pipelines of `trispike_hw`; `tests/sim/test_estimate.py` compares what
they add up to with the cycles that the RTL counts. When a block's timing changes, its constants change here.
"""

from dataclasses import dataclass, replace

from trispike_hw.answer import PART_CYCLES
from trispike_hw.architecture import Architecture
from trispike_hw.tsa_scheduler import QUEUE


@dataclass(frozen=True)
class SequencerTimings:
    """From one layer to the next (sequencer.py) and to the answer (answer.py)."""

    settle: int = 5  # cycles that the machine must have been quiet before a layer counts as ended
    header: int = 6  # from the end of a layer, or RUN, to the dispatcher's start
    answer: int = 4  # from the end of the last layer to the first word of the answer
    run_command: int = 2  # cycles from the last spike word to RUN


@dataclass(frozen=True)
class DispatcherTimings:
    """One item after the other (dispatcher.py, segment_mover.py, window.py, delivery.py, lane_picker.py)."""

    choose: int = 1  # from the layer's start to the first choice of lanes
    describe: int = 3  # reading the description of a segment, at the layer's start
    pick: int = 2  # from a lane's hunger to its pick
    mover: int = 3  # stages that windows are moved in
    clip: int = 5  # and clipped, where each dropped kernel row takes a cycle more
    delivery: int = 2  # from one slot to the next


@dataclass(frozen=True)
class LoneDispatcherTimings(DispatcherTimings):
    """The same for a lane alone (segment_reader.py): one segment after the other, nothing beside it."""

    choose: int = 0
    latency: int = 10  # from choosing the lane until the first slot has arrived
    segment: int = 10  # from one segment to the next
    follow: int = 2  # cycles of an item beside those of its segments


@dataclass(frozen=True)
class LaneTimings:
    """Fetch, queue, walk and processing elements (fetch.py, walker.py, lane.py)."""

    queue: int = 11  # words that wait for the walk with which none is read, while a few are under way
    read: int = 6  # from a read to the word at the queue's head, where it counts for those that are read then
    level: int = 2  # from a word's leaving the queue until it does not count any more
    load: int = 3  # from the arrival of an item's last slot to its first read
    returned: int = 2  # from turning to one of two segments until the other one's next step can be turned to
    hand_over: int = 5  # from the last event of a step until its sums ask for the TSA row
    vectors: int = 3  # sums of steps that can wait for the row: what the architecture says
    freed: int = 1  # from the taking of sums until another step may end in their place
    end: int = 0  # cycles that the end of a step takes


@dataclass(frozen=True)
class RowTimings:
    """Scheduler, neurons, pooling and word writer (tsa_scheduler.py, tsa_row.py, max_pool.py, word_writer.py)."""

    choose: int = 3  # from a lane's request to the first pass of its turn
    again: int = 1  # from a turn's last pass to the lane's next request
    constants: int = -1  # another tile's constants, beside a cycle for each of their words (constant_store.py)
    contexts: int = QUEUE  # contexts that a lane can queue, besides one in the cluster's register
    word: int = 5  # from a turn's last pass to its word in the queue behind the neurons
    room: int = 8  # words in that queue with which no turn begins
    write: int = 5  # from that queue to the spike memory
    digit: int = 1  # cycles that pooling takes for a word
    stages: int = 3  # of pooling, which all stand when the word at its end does; 0: a word goes through at once
    part: int = 4  # from a final pass to its part of the answer at the answer store
    part_added: int = PART_CYCLES  # cycles of a part in the answer store, beside one for each value


@dataclass(frozen=True)
class LoaderTimings:
    """Weights from outside (weight_loader.py)."""

    decode: int = 3  # reading and decoding a word of the load list
    request: int = 1  # until the request is taken
    ready: int = 2  # from decoding READY until the layer begins
    wait: int = 1  # behind the end of a layer
    row: int = 1  # cycles of a row that comes
    pause: int = 1  # from its coming until the lanes pause
    memory: int = 32  # until the external memory answers: what `trispike simulate` assumes


@dataclass(frozen=True)
class Timings:
    """All blocks."""

    sequencer: SequencerTimings = SequencerTimings()
    dispatcher: DispatcherTimings = DispatcherTimings()
    lane: LaneTimings = LaneTimings()
    row: RowTimings = RowTimings()
    loader: LoaderTimings = LoaderTimings()


TIMINGS = Timings()
"""The machine as its RTL stands."""

LONE_TIMINGS = Timings(
    sequencer=SequencerTimings(answer=19),
    dispatcher=LoneDispatcherTimings(),
    lane=LaneTimings(queue=14, read=3, hand_over=4, vectors=1, freed=0, end=1),
    row=RowTimings(choose=1, again=3, contexts=0, word=2, room=1, write=2, digit=2, stages=0, part=1),
    loader=LoaderTimings(row=2, pause=0),
)
"""The same where a lane is alone."""


def timings_of(arch: Architecture) -> Timings:
    """Those of the blocks that `arch` has."""
    if arch.lone_lane:
        return LONE_TIMINGS
    lane, row, dispatcher = TIMINGS.lane, TIMINGS.row, TIMINGS.dispatcher
    more = 1 if arch.spread else 0  # a register for what all lanes say at once
    return replace(
        TIMINGS,
        dispatcher=replace(dispatcher, delivery=dispatcher.delivery + more),
        lane=replace(lane, vectors=arch.sum_vectors, hand_over=lane.hand_over + more),
        row=replace(row, again=row.again + more, room=row.room - more),
    )
