"""The cost of a config."""

from __future__ import annotations

import pytest

from monitor.config import Footprint, plan
from monitor.config.plan import cost_of, memory_bound
from monitor.settings import KEPT_BYTES_PER_TARGET, MIB, Limits
from tests.config.cases import RAW, TARGET, Read

B = TARGET.replace('"a"', '"b"')


def test_requests_and_tokens_a_day(read: Read) -> None:
    """A target sends its prompt at its interval, and gets at most its maximum answer each time."""
    found = plan(read(TARGET + B + 'interval = "5m"\ncheck = "none"\nmax_tokens = 80\n[limits]\ntokens_per_day = 9\n'))
    assert [one.requests_per_day for one in found.targets] == [1440.0, 288.0]
    assert [one.tokens_per_request for one in found.targets] == [520, 100]
    assert (found.requests_per_day, found.tokens_per_day) == (1728.0, 1440 * 520 + 288 * 100)
    assert found.budget == 9


def test_money_a_day(read: Read) -> None:
    """A model with a price costs it, in the one currency; the sum is of the models with a price."""
    prices = "[prices]\ncurrency = 'CNY'\nmodels = {m = {input = 1, output = 10}}\n"
    found = plan(read(TARGET + B + 'model = "m"\n' + prices))
    assert found.money_per_day == pytest.approx(1440 * (120 * 1 + 400 * 10) / 1e6)
    assert [cost_of(one.target).money_per_day for one in found.targets] == [None, found.money_per_day]
    assert plan(read(TARGET)).money_per_day is None


def test_declared_tokens_are_split_by_the_answers_limit(read: Read) -> None:
    """Tokens that a probe may be charged are counted as its answer first, and the rest as its prompt."""
    cost = cost_of(read(TARGET + "tokens_per_probe = 1000").targets[0])
    assert (cost.input_tokens, cost.output_tokens) == (600, 400)
    assert cost_of(read(TARGET + "paused = true").targets[0]).tokens_per_day == 0


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        (TARGET + "prompt = '" + "x" * 300 + "'", 520),
        (TARGET + "body.max_completion_tokens = 1000", 1120),
        (TARGET + "body.options.num_predict = 1000", 1120),
        (RAW, 0),
        (RAW + "body.q = '{prompt}'", 420),
    ],
)
def test_tokens_of_a_request(read: Read, text: str, tokens: int) -> None:
    """A configured prompt counts by its length, a limit in the body counts, and without a prompt nothing is spent."""
    assert plan(read(text)).targets[0].tokens_per_request == tokens


def test_who_is_not_probed_costs_nothing(read: Read) -> None:
    """A paused target keeps its series; one of another location has none."""
    paused, elsewhere = plan(read(TARGET + "paused = true\n" + B + "locations = ['us']\n")).targets
    assert (paused.requests_per_day, paused.footprint.series, paused.monitors) == (0.0, 250, 1)
    assert (elsewhere.requests_per_day, elsewhere.footprint, elsewhere.monitors) == (0.0, Footprint(0, 0), 0)


def test_every_replica_in_every_location_costs_its_own(read: Read) -> None:
    """With all locations listed, the plan is that of all monitors; without the list, that of this location's."""
    places = "[monitor]\nlocation = 'eu'\n"
    every = "locations = ['eu', 'us', 'ap']\n"
    text = TARGET + "replicas = 2\n" + B + "locations = ['us']\n"
    alone, there = plan(read(places + text)).targets
    assert (alone.monitors, there.monitors) == (2, 0)
    found = plan(read(places + every + text))
    assert [one.monitors for one in found.targets] == [6, 1]
    assert found.requests_per_day == 7 * 1440
    assert found.footprint.series == 7 * 250


def test_series_are_the_contracts_bounds(read: Read) -> None:
    """Without a measured footprint, a target has the contract's upper bounds, and labels lengthen its lines."""
    full, lean = (plan(read(f"{TARGET}[metrics]\ndetail = '{detail}'")).footprint for detail in ("full", "lean"))
    labelled = plan(read(TARGET + "labels.team = 'search'")).footprint
    assert (full.series, lean.series) == (250, 120)
    assert labelled.bytes > full.bytes > lean.bytes


def test_the_number_of_series_can_be_passed_in(read: Read) -> None:
    """The number of series and bytes can be passed in."""
    found = plan(read(TARGET + B), lambda target: Footprint(10, len(target.name)))
    assert found.footprint == Footprint(20, 2)


def test_the_memory_bound_counts_what_is_kept_and_what_runs(read: Read) -> None:
    """Each target and each concurrent stream adds to the bound; lower limits of a stream reduce it."""
    one, two = (plan(read(text)).memory for text in (TARGET, TARGET + B))
    single = plan(read(TARGET + B + "[limits]\nconcurrency = 1")).memory
    small = plan(read(TARGET + B + "[limits]\nstream_bytes = '4MiB'")).memory
    assert one < single < two
    assert small < two - 100 * MIB
    assert memory_bound(200, Limits()) < 900 * MIB, "streams in flight share a memory"
    assert memory_bound(200, Limits(in_flight_bytes=256 * MIB)) - memory_bound(200, Limits()) == 128 * MIB * 9 // 8
    assert memory_bound(8192, Limits()) - memory_bound(4096, Limits()) >= 4096 * KEPT_BYTES_PER_TARGET
