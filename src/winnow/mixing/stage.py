"""The stage that works out a run's shares: `mixture.json`."""

import time
from collections.abc import Mapping
from typing import Any

from winnow.budget import run_tokens
from winnow.mixing.asked import resolved
from winnow.mixing.schedule import Knot, Schedule
from winnow.mixing.sources import SourceTokens
from winnow.parts import MixturePart
from winnow.records import Context, Cost, Outcome, Stored
from winnow.store import read_json, write_json

MIXTURE = "mixture.json"


def make_mixture(part: MixturePart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """Leaves the shares at each knot of the run, every source named, and what of each source there is.

    Raises RecipeError where the sources hold too little for what is asked, DataError where one is empty.
    """
    started = time.perf_counter()
    sources = [source_tokens(name, inputs[f"tokens.{name}"]) for name in part.sources]
    rows = sum(source.tokens for source in sources) // part.context_tokens
    tokens = run_tokens(part.budget, row_tokens=part.context_tokens, pool_rows=rows)
    found = resolved(part.mixture, sources, tokens=tokens)
    write_json(context.folder / MIXTURE, to_tree(found.schedule, sources))
    return Outcome(
        (MIXTURE,), numbers={"charged_flops": 0.0}, costs={"mix": Cost(seconds=time.perf_counter() - started)}
    )


def source_tokens(name: str, tokens: Stored) -> SourceTokens:
    """What a source holds for training."""
    return SourceTokens(name, *(tokens.numbers[key] for key in ("tokens", "documents", "bytes")))


def to_tree(schedule: Schedule, sources: list[SourceTokens]) -> dict[str, Any]:
    """A schedule as JSON keeps it."""
    knots = [{"at": knot.at, "shares": dict(knot.shares)} for knot in schedule.knots]
    return {"sources": [source.name for source in sources], "between": schedule.between, "knots": knots}


def read_schedule(mixture: Stored) -> tuple[Schedule, list[str]]:
    """The schedule that the stage left, and the sources in the recipe's order."""
    tree = read_json(mixture.folder / MIXTURE)
    knots = tuple(Knot(knot["at"], knot["shares"]) for knot in tree["knots"])
    return Schedule(knots, tree["between"]), tree["sources"]
