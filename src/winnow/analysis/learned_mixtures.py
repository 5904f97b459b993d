"""Tables of mixtures that were learned: the proxies behind them, and what was predicted against what came of it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from winnow.analysis.statistics import mean_interval, paired_differences
from winnow.analysis.study_folder import Study
from winnow.analysis.tables import Row
from winnow.findings import ArmFacts, Table
from winnow.kinds import KINDS
from winnow.store import read_json
from winnow.text.printing import EXA

FIT = next(each for each in KINDS["mixture"].copied if each.file == "fit.json")


def learned_tables(study: Study, arms: Sequence[ArmFacts]) -> list[Table]:
    """Both tables; none where no arm's shares were learned."""
    return [table for table in (proxies(study, arms), predicted_realised(study, arms)) if table.rows]


def fit_of(study: Study, arm: str) -> dict[str, Any]:
    """What the shares of an arm were learned from, and what was predicted of them; empty where they were not."""
    seeds = sorted(study.runs_of(arm))
    path = study.path_of(FIT, arm, seeds[0]) if seeds else None
    tree = read_json(path) if path is not None and path.is_file() else {}
    return tree if tree.get("learned") else {}


def proxies(study: Study, arms: Sequence[ArmFacts]) -> Table:
    """A row for each proxy and set that it was scored on."""
    rows = [
        {
            "arm": arm.name, "proxy": proxy["name"], "shares": _listed(proxy["shares"]), "tokens": proxy["tokens"],
            "steps": proxy["steps"], "exaflops": proxy["flops"] / EXA, "repeats_matched": proxy["match_repeats"],
            "set": name, "nats_per_byte": loss,
        }
        for arm in arms
        for proxy in fit_of(study, arm.name).get("proxies", ())
        for name, loss in proxy["losses"].items()
    ]  # fmt: skip
    note = "Scored on what is held out of each source, or on the target; no evaluation set was looked at."
    return Table("proxies", "Proxies that shares were learned from", tuple(rows), note)


def predicted_realised(study: Study, arms: Sequence[ArmFacts]) -> Table:
    """What was predicted of learned shares, and what the runs then reached on the same sets."""
    equal = next((arm.name for arm in arms if _is_equal(study, arm.name)), None)
    rows = [_row(study, arm.name, equal, fit_of(study, arm.name)["learned"]) for arm in arms if fit_of(study, arm.name)]
    note = (
        "Nats per byte, the goal's weighted mean over its sets, at the primary checkpoint. Gains are over equal "
        "shares, above 0 is better; predicted ones by bootstrap (95 %), at a proxy's size, realised ones over seeds. "
        "Inside: whether the realised gain lies in the predicted interval. "
        "Rank correlation: of each proxy's loss with what the others predict for it."
    )
    return Table("predicted_realised", "Learned shares, predicted and realised", tuple(rows), note)


def _row(study: Study, arm: str, equal: str | None, learned: Mapping[str, Any]) -> Row:
    goal, interval = learned["goal"], learned["gain_interval"]
    low, high = cast(tuple[Any, Any], interval or (None, None))
    ours, theirs = (_goal_losses(study, name, goal) if name else {} for name in (arm, equal))
    losses = mean_interval(list(ours.values()), study.recipe.study.confidence)
    gain = mean_interval([-each for each in paired_differences(ours, theirs)], study.recipe.study.confidence)
    inside = None if gain is None or interval is None else bool(low <= gain.mean <= high)
    return {
        "arm": arm, "shares": _listed(learned["shares"]), "goal": _listed(goal),
        "predicted_loss": learned["predicted_loss"], "predicted_gain": learned["predicted_gain"],
        "predicted_gain_low": low, "predicted_gain_high": high,
        "realised_loss": losses.mean if losses else None, "realised_gain": gain.mean if gain else None,
        "realised_gain_low": gain.low if gain else None, "realised_gain_high": gain.high if gain else None,
        "inside": inside, "rank_correlation": learned["rank_correlation"], "note": "; ".join(learned["sentences"]),
    }  # fmt: skip


def _goal_losses(study: Study, arm: str, goal: Mapping[str, float]) -> dict[int, float]:
    """By seed, what an arm reached on the goal; none where its sets are not evaluated, as those of a target."""
    finals = study.finals_of(arm, study.recipe.study.primary.checkpoint)
    levels = {seed: final.levels for seed, final in finals.items()}
    return {
        seed: math.log(2) * math.fsum(weight * known[name]["bits_per_byte"] for name, weight in goal.items())
        for seed, known in levels.items()
        if all("bits_per_byte" in known.get(name, {}) for name in goal)
    }


def _is_equal(study: Study, arm: str) -> bool:
    """Whether an arm reads as many tokens of every source, all along."""
    mixed = next((run.mixture for run in study.runs_of(arm).values()), None)
    return mixed is not None and all(
        math.isclose(share, 1 / len(mixed.sources)) and len(knot.shares) == len(mixed.sources)
        for knot in mixed.knots
        for share in knot.shares.values()
    )


def _listed(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {share:.3f}" for name, share in shares.items())
