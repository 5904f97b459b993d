"""Tables of studies that pretrain on plain text: what runs read, and what they reached in and out of domain."""

from collections.abc import Sequence
from typing import cast

import numpy as np

from winnow.analysis.cost import arm_charge
from winnow.analysis.learned_mixtures import learned_tables
from winnow.analysis.measured_mixtures import measured_mixtures
from winnow.analysis.quality import compare
from winnow.analysis.scores import Final
from winnow.analysis.study_folder import Study
from winnow.analysis.study_records import MixtureRead
from winnow.analysis.tables import Row, with_bounds
from winnow.findings import ArmFacts, Table
from winnow.ledger import total
from winnow.mixing.repeats import MANY_EPOCHS
from winnow.mixing.schedule import Between, Knot, Schedule, accumulated
from winnow.recipe import IN_DOMAIN, OUT_OF_DOMAIN
from winnow.records import ZERO_SHOT
from winnow.study_files import CHECKPOINTS
from winnow.text.printing import EXA

BITS = "bits_per_byte"
LEVELS = "loss", "perplexity", BITS


def mixture_tables(study: Study, arms: Sequence[ArmFacts], baseline: str) -> tuple[Table, ...]:
    """All of them; of examples, what the arms read whose sources have shares, if any."""
    if not study.recipe.is_text:
        read = mixtures(study, arms)
        return (read,) if read.rows else ()
    return (
        mixture_sweep(study, arms, baseline),
        mixtures(study, arms),
        text_losses(study, arms),
        *learned_tables(study, arms),
        on_the_way(study, arms),
        measured_mixtures(study, arms),
    )


def mixtures(study: Study, arms: Sequence[ArmFacts]) -> Table:
    """What the runs of each arm read of every source; the same for all seeds."""
    licences = {source.name: source.licence for source in study.recipe.pool.sources}
    rows = [
        {
            "arm": arm.name, "source": read.source, "asked_share": read.asked_share,
            "realised_share": read.realised_share, "tokens": read.tokens, "unique_tokens": read.unique_tokens,
            "epochs": read.epochs, "effective_tokens": round(read.effective_tokens), "licence": licences[read.source],
        }
        for arm in arms
        for run in list(study.runs_of(arm.name).values())[:1] if run.mixture is not None
        for read in run.mixture.sources
    ]  # fmt: skip
    note = (
        "Shares of the tokens of a run, end tokens included. Effective tokens: unique text that would be worth as much "
        f"(Muennighoff et al. 2023); repeated text is worth about as much as new text up to {MANY_EPOCHS} epochs."
    )
    return Table("mixtures", "What each arm read", tuple(rows), note)


def mixture_sweep(study: Study, arms: Sequence[ArmFacts], baseline: str) -> Table:
    """A row for each arm: what it reached in and out of domain, against the baseline, and what it took."""
    rows = [row for arm in arms if (row := _sweep_row(study, arm, arms, baseline)) is not None]
    asked = study.recipe.study.primary
    note = (
        f"At the {asked.checkpoint} checkpoint, mean over seeds. In domain: what is held out of each source, every "
        "source counting alike; out of domain: evaluation.text likewise. The gain is that of the declared comparison "
        f"({asked.metric.replace('_', ' ')}, {asked.aggregate.replace('_', ' ')}) over {baseline}, corrected for the "
        "number of arms; above 0 is better. Charged: with what learning the shares took."
    )
    return Table("mixture_sweep", "Mixtures compared", tuple(rows), note)


def _sweep_row(study: Study, arm: ArmFacts, arms: Sequence[ArmFacts], baseline: str) -> Row | None:
    asked, runs = study.recipe.study.primary, study.runs_of(arm.name)
    finals = list(study.finals_of(arm.name, asked.checkpoint).values())
    if not finals:
        return None
    num_comparisons = max(1, sum(each.name != baseline and bool(each.seeds) for each in arms))
    against = None if arm.name == baseline else compare(
        study, arm.name, baseline, question=asked, confidence=study.recipe.study.confidence,
        num_comparisons=num_comparisons,
    )  # fmt: skip
    gain = against.gain if against else None
    mixed = next((run.mixture for run in runs.values() if run.mixture is not None), None)
    spent = total(run.costs["train"] for run in runs.values())
    ours, others = (_levels(finals, name, study.recipe.study.confidence) for name in (IN_DOMAIN, OUT_OF_DOMAIN))
    return {
        "arm": arm.name, "schedule": mixed.schedule if mixed else None, "seeds": len(finals),
        **ours, **others,
        "perplexity_ratio": perplexity_ratio(others[f"{OUT_OF_DOMAIN}_perplexity"], ours[f"{IN_DOMAIN}_perplexity"]),
        "gain": gain.mean if gain else None, "gain_low": gain.low if gain else None,
        "gain_high": gain.high if gain else None, "verdict": against.kind if against else "baseline",
        "tokens": round(spent.tokens / len(runs)), "exaflops": spent.flops / len(runs) / EXA,
        "charged_exaflops": arm_charge(study, arm.name).whole.flops / len(runs) / EXA,
        "seconds": spent.seconds / len(runs),
    }  # fmt: skip


def _levels(finals: Sequence[Final], name: str, confidence: float) -> Row:
    """Means over seeds of an average over sets, bits with their interval; None where the study has no such sets."""
    known = [final.levels.get(name, {}) for final in finals]
    found = {level: with_bounds(level, [each.get(level) for each in known], confidence) for level in LEVELS}
    bounded = {f"{name}_{key}": value for key, value in found[BITS].items()}
    return {f"{name}_{level}": found[level][level] for level in LEVELS if level != BITS} | bounded


def perplexity_ratio(out_of_domain: float | None, in_domain: float | None) -> float | None:
    """How many times the perplexity of others' text is that of the sources' own; None where one is not known."""
    return None if out_of_domain is None or in_domain is None else out_of_domain / in_domain


def text_losses(study: Study, arms: Sequence[ArmFacts]) -> Table:
    """Loss, perplexity and bits per byte of every set of text, before and after training."""
    rows = _set_rows(study, ZERO_SHOT, "start", [study.zero_shot]) if study.zero_shot else []
    for arm in arms:
        for checkpoint in CHECKPOINTS:
            rows += _set_rows(study, arm.name, checkpoint, list(study.finals_of(arm.name, checkpoint).values()))
    note = (
        "Mean over seeds with its interval. Windows of pool.text.context_tokens without overlap; the first token of a "
        "window is no target, end tokens are not counted. Bytes: of the targets' text as UTF-8."
    )
    return Table("text_losses", "Loss of every set of text", tuple(rows), note)


def _set_rows(study: Study, arm: str, checkpoint: str, finals: Sequence[Final]) -> list[Row]:
    names = [name for sets in study.recipe.text_sets.values() for name in sets]
    return [
        {
            "arm": arm, "checkpoint": checkpoint, "set": name, "seeds": len(finals),
            "tokens": finals[0].sets[name].target_tokens, "bytes": finals[0].sets[name].target_bytes,
            **{key: value for level in LEVELS for key, value in with_bounds(
                level, [final.sets[name].levels.get(level) for final in finals], study.recipe.study.confidence
            ).items()},
        }
        for name in names if finals and name in finals[0].sets
    ]  # fmt: skip


def on_the_way(study: Study, arms: Sequence[ArmFacts]) -> Table:
    """Of each arm and source the share asked and read, between points of a run."""
    rows: list[Row] = []
    for arm in arms:
        run = next((run for run in study.runs_of(arm.name).values() if run.mixture is not None), None)
        if run is not None and run.mixture is not None:
            rows += _points(arm.name, run.mixture, row_tokens=run.plan.tokens / run.plan.visits)
    note = "Shares of the rows between two points."
    return Table("mixture_points", "What each arm read, over its run", tuple(rows), note)


def _points(arm: str, mixed: MixtureRead, *, row_tokens: float) -> list[Row]:
    """A row for each source and stretch between two points."""
    names, ends = [read.source for read in mixed.sources], np.array(mixed.rows, dtype=np.float64)
    schedule = Schedule(tuple(Knot(knot.at, knot.shares) for knot in mixed.knots), cast(Between, mixed.between))
    asked = np.diff(accumulated(schedule, names, ends, ends[-1]), axis=0) / np.diff(ends)[:, None]
    read = np.diff(np.array(mixed.rows_by_source), axis=0) / np.diff(ends)[:, None]
    return [
        {
            "arm": arm, "source": name, "from_tokens": round(ends[place] * row_tokens),
            "until_tokens": round(ends[place + 1] * row_tokens), "asked_share": float(asked[place, number]),
            "realised_share": float(read[place, number]),
        }
        for number, name in enumerate(names)
        for place in range(len(ends) - 1)
    ]  # fmt: skip
