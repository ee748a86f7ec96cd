"""A cluster: some lanes with their weight memories, a copy of the spike memory and a TSA row."""

from amaranth.hdl import Cat, Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .lane import Lane, stalls
from .layer_counters import STALLS
from .layout import constant_word, slot, spike_word, weight_row
from .lone_row import LoneRow
from .ports import WritePort
from .spike_memory import SpikeMemory
from .tsa_layout import answer_part, assignment, layer_config, output_word
from .tsa_row import TsaRow
from .weight_memory import WeightMemory


class Cluster(wiring.Component):
    """The unit that the array is made of.

    Function: lanes turn items into sums, the TSA row turns sums into spike words or parts of the answer. Weights are
    written per lane pair, two cycles after `pause` (a lane alone: one) while the lanes run; spikes written here reach
    all lanes of the cluster. Latency, throughput and back-pressure are those of `Lane` and `TsaRow`. `events` and
    `stalls` are this cycle's counts of all lanes. Reset: no item.
    """

    def __init__(self, arch: Architecture):
        self._arch = arch
        lanes = arch.cluster_lanes
        super().__init__(
            {
                "i_slot": In(stream.Signature(slot(arch))).array(lanes),
                "i_context": In(stream.Signature(assignment(arch))),
                "config": In(layer_config(arch)),
                "constants": In(WritePort(range(arch.constant_words), constant_word(arch))),
                "weights": In(WritePort(range(arch.weight_rows), weight_row(arch))).array(arch.cluster_pairs),
                "pause": In(arch.cluster_pairs),
                "spikes": In(WritePort(arch.spike_address_bits, spike_word(arch))),
                "o_words": Out(stream.Signature(output_word(arch))),
                "o_answer": Out(stream.Signature(answer_part(arch))),
                "events": Out(range(lanes + 1)),
                "stalls": Out(stalls(lanes)),
                "hungry": Out(lanes),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        arch = self._arch
        m.submodules.spikes = spikes = SpikeMemory(arch)
        m.submodules.row = row = LoneRow(arch) if arch.lone_lane else TsaRow(arch)
        wiring.connect(m, wiring.flipped(self.spikes), spikes.write)
        wiring.connect(m, wiring.flipped(self.constants), row.constants)
        wiring.connect(m, wiring.flipped(self.i_context), row.i_context)
        wiring.connect(m, row.o_words, wiring.flipped(self.o_words))
        wiring.connect(m, row.o_logits, wiring.flipped(self.o_answer))
        m.d.comb += row.config.eq(self.config)

        weights = []
        for pair, port in enumerate(self.weights):
            m.submodules[f"weights{pair}"] = rows = WeightMemory(arch)
            wiring.connect(m, wiring.flipped(port), rows.write)
            weights.append(rows)

        lanes = []
        for number in range(arch.cluster_lanes):
            m.submodules[f"lane{number}"] = lane = Lane(arch)
            lanes.append(lane)
            pair, parity = weights[number // 2], number % 2
            if parity == 0:
                m.d.comb += lane.pause.eq(self.pause[number // 2])
            wiring.connect(m, wiring.flipped(self.i_slot[number]), lane.i_slot)
            wiring.connect(m, lane.o_sums, row.i_sums[number])
            m.d.comb += [
                row.sums_soon[number].eq(lane.sums_soon),
                lane.time_steps.eq(self.config.time_steps),
                self.hungry[number].eq(lane.hungry),
                spikes.address[number].eq(lane.address),
                lane.turn.eq(spikes.turn[number]),
                lane.data.eq(spikes.data[number]),
                pair.address[parity].eq(lane.weight_address),
                lane.weights.eq(pair.row[parity]),
            ]
        m.d.sync += [
            self.events.eq(sum(lane.fired for lane in lanes)),
            *(self.stalls[name].eq(sum(lane.stalls[name] for lane in lanes)) for name in STALLS),
        ]
        m.d.comb += [
            self.idle.eq(row.idle & Cat(lane.idle for lane in lanes).all()),
        ]
        return m
