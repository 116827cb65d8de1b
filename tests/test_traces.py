"""Live traces of sections 2 and 3: they show what their text says, for other parameters too."""

import numpy as np
import pytest

from lifroles import traces
from lifroles.variant import PAPER_VARIANTS, Variant


def test_a_trace_holds_what_the_node_computes():
    # 0.6; 0.9; 1.05 fires; 0.6: the vector of Eq. (3).
    trace = traces.run(Variant(leak=0.5), np.full((4, 1), 0.6), 1.0)
    assert trace.u[:, 0].tolist() == pytest.approx([0.6, 0.9, 1.05, 0.6])
    assert trace.o[:, 0].tolist() == [0, 0, 1, 0]
    assert (trace.spikes, trace.rate) == (1, 0.25)
    assert trace.peak == pytest.approx(1.05)


@pytest.mark.parametrize("k_tau", [0.0, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("u_th", [0.1, 0.3, 2.0])
def test_the_small_demonstrations_behave_at_any_parameters(k_tau, u_th):
    pulses = traces.pulse([0.0, k_tau, 1.0], u_th)
    assert [p.spikes for p in pulses] == [0, 0, 0]
    assert pulses[0].u[3, 0] == 0
    assert pulses[2].u[-1, 0] == pytest.approx(0.9 * u_th)
    driven = traces.drive(k_tau, u_th)
    assert 0 < driven["hard"].spikes <= driven["none"].spikes
    ring = traces.ring(k_tau, u_th)
    assert ring["feed-forward"].spikes == 1
    assert [int(np.flatnonzero(ring["recurrent"].o[:, i])[0]) for i in range(3)] == [2, 3, 4]
    assert ring["recurrent"].o.sum(1)[2:].tolist() == [1] * 18


def test_no_single_input_fires_the_neuron_but_several_do():
    trace = traces.integration(200, 0.3, 0.3, seed=0)
    assert trace.spikes > 0
    assert trace.spikes_in is not None
    alone = (trace.spikes_in.sum(1) == 1) & (np.roll(trace.spikes_in.sum(1), 1) == 0)
    alone[0] = False
    rested = alone & (np.roll(trace.u[:, 0], 1) < 0.05)
    assert trace.o[rested].sum() == 0


def test_all_variants_run_on_one_input_with_one_set_of_weights():
    every = traces.all_variants(40, 0.4, 0.3, 6, seed=3)
    assert list(every) == list(PAPER_VARIANTS)
    base = every["baseline"]
    assert base.variant == Variant(leak=0.4)
    assert all(np.array_equal(trace.x, base.x) for trace in every.values())
    assert np.array_equal(every["complete_leakage"].u, base.x)
    # Until the first spike of the layer, recurrence changes nothing.
    quiet = int(np.flatnonzero(base.o.sum(1))[0])
    assert np.array_equal(every["recurrent"].u[: quiet + 1], base.u[: quiet + 1])
    again = traces.all_variants(40, 0.4, 0.3, 6, seed=3)
    assert all(np.array_equal(again[name].u, every[name].u) for name in every)


def test_findings_say_the_traces_own_numbers():
    every = traces.all_variants(40, 0.3, 0.3, 6, seed=0)
    lines = traces.findings(every).splitlines()
    assert len(lines) == len(PAPER_VARIANTS)
    base, other = every["baseline"].spikes, every["no_leakage"].spikes
    assert f"{other} spikes, {other - base} more than the baseline" in lines[1]
    assert f"peaks at {every['no_leakage'].peak / 0.3:.2g} thresholds" in lines[1]
    fewer = base - every["complete_leakage"].spikes
    assert f"{fewer} fewer than the baseline" in lines[2]


def test_a_variant_that_is_the_baseline_here_is_called_so():
    every = traces.all_variants(40, 1.0, 0.3, 6, seed=0)
    assert "it is the baseline, step by step" in traces.finding(every["no_leakage"], every["baseline"])


def test_captions_count_the_spikes_that_are_drawn():
    trace = traces.integration(60, 0.3, 0.3, seed=0)
    assert f"makes {trace.spikes} spikes" in traces.integration_words(trace)
    assert "for 1 step with kτ = 0.3" in traces.pulse_words(traces.pulse([0.0, 0.3], 0.3))
    assert "to the end with kτ = 1" in traces.pulse_words(traces.pulse([0.0, 1.0], 0.3))
    driven = traces.drive(0.3, 0.3)
    assert f"fires {driven['hard'].spikes} times" in traces.drive_words(driven)
    assert "18 spikes in all" in traces.ring_words(traces.ring(0.3, 0.3))
    every = traces.all_variants(40, 0.3, 0.3, 6, seed=0)
    neuron = traces.busiest(every)
    assert every["baseline"].o.sum(0)[neuron] == every["baseline"].o.sum(0).max()
    assert f"number {neuron + 1}," in traces.variants_words(every)
