"""The stage that works out a run's shares: `mixture.json`, and how they were learned, where they were."""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from winnow.budget import allowance, run_tokens
from winnow.mixing.asked import proxies_of, resolved
from winnow.mixing.learned import ProxyReading
from winnow.mixing.schedule import Knot, Schedule
from winnow.mixing.sources import SourceTokens
from winnow.parts import MixturePart
from winnow.records import Context, Cost, Outcome, Stored
from winnow.store import read_json, write_json

MIXTURE, FIT, LOSSES = "mixture.json", "fit.json", "losses.json"
ROW_COST = "row_cost"
"""Role of what a row of the run costs."""


def make_mixture(part: MixturePart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """Leaves the shares at each knot of the run, every source named; beside them what they were learned from.

    Raises RecipeError where the sources hold too little for what is asked, DataError where one is empty,
    NotAffordableError where what they were learned from leaves nothing of the budget.
    """
    started = time.perf_counter()
    sources = [source_tokens(name, inputs[f"tokens.{name}"]) for name in part.sources]
    readings = list(_readings(part, inputs))
    paid = sum(inputs[_role(each.proxy.name)].numbers["charged_flops"] for each in readings)
    tokens = _run_tokens(part, inputs, sources, paid)
    found = resolved(part.mixture, sources, tokens=tokens, readings=readings)
    write_schedule(context.folder, found.schedule, part.sources)
    learned = None if found.learned is None else found.learned.to_dict()
    write_json(context.folder / FIT, {"learned": learned, "proxies": [_told(each, inputs) for each in readings]})
    return Outcome(
        (MIXTURE,), logs=(FIT,), numbers={"charged_flops": paid},
        costs={"mix": Cost(seconds=time.perf_counter() - started)},
    )  # fmt: skip


def _run_tokens(part: MixturePart, inputs: Mapping[str, Stored], sources: Sequence[SourceTokens], paid: float) -> int:
    """Tokens of a run that its proxies have left `paid` FLOPs less, where it is paid in FLOPs.

    Raises NotAffordableError where they leave nothing.
    """
    rows = sum(source.tokens for source in sources) // part.context_tokens
    allowed = allowance(
        part.budget, pool_examples=rows, flops_per_second=part.flops_per_second,
        dollars_per_hour=part.dollars_per_hour, spent_flops=paid,
    )  # fmt: skip
    row_flops = inputs[ROW_COST].numbers["row_flops"] if ROW_COST in inputs else None
    return run_tokens(allowed, row_tokens=part.context_tokens, row_flops=row_flops)


def _role(proxy: str) -> str:
    return f"reading.{proxy}"


def _readings(part: MixturePart, inputs: Mapping[str, Stored]) -> Iterator[ProxyReading]:
    """What each proxy scored; none where nothing is learned."""
    for proxy in proxies_of(part.mixture, part.sources):
        folder = inputs[_role(proxy.name)].folder
        losses = read_json(folder / LOSSES)
        yield ProxyReading(proxy, losses, {name: np.load(folder / log_probabilities_file(name)) for name in losses})


def _told(reading: ProxyReading, inputs: Mapping[str, Stored]) -> dict[str, Any]:
    numbers = inputs[_role(reading.proxy.name)].numbers
    return {
        "name": reading.proxy.name, "shares": dict(reading.proxy.shares), "losses": dict(reading.losses),
        "tokens_fraction": reading.proxy.tokens_fraction, "match_repeats": reading.proxy.match_repeats,
        **{key: numbers[key] for key in ("tokens", "steps", "flops")},
    }  # fmt: skip


def log_probabilities_file(name: str) -> str:
    """The file of a set's log-probabilities."""
    return f"log_probabilities.{name}.npy"


def source_tokens(name: str, tokens: Stored) -> SourceTokens:
    """What a source holds for training."""
    return SourceTokens(name, *(tokens.numbers[key] for key in ("tokens", "documents", "bytes")))


def write_schedule(folder: Path, schedule: Schedule, sources: Sequence[str]) -> None:
    """Write a schedule and the order of the sources, which decides ties."""
    knots = [{"at": knot.at, "shares": dict(knot.shares)} for knot in schedule.knots]
    write_json(folder / MIXTURE, {"sources": list(sources), "between": schedule.between, "knots": knots})


def read_schedule(mixture: Stored) -> tuple[Schedule, list[str]]:
    """The schedule that the stage left, and the sources in the recipe's order."""
    tree = read_json(mixture.folder / MIXTURE)
    knots = tuple(Knot(knot["at"], knot["shares"]) for knot in tree["knots"])
    return Schedule(knots, tree["between"]), tree["sources"]
