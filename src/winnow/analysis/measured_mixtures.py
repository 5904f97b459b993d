"""All mixtures that a study measured, with what each reached: its arms, and the proxies that shares were learned from.

What the figure `simplex` draws: a row for each mixture and source.
"""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from winnow.analysis.learned_mixtures import fit_of
from winnow.analysis.study_folder import Study
from winnow.analysis.tables import Row
from winnow.findings import ArmFacts, Table
from winnow.recipe import IN_DOMAIN, OUT_OF_DOMAIN

METRIC = "bits_per_byte"
COLUMNS = "arm", "proxy", "source", "share", "where", "nats_per_byte", METRIC, "is_learned"


def measured_mixtures(study: Study, arms: Sequence[ArmFacts]) -> Table:
    """Arms with their share of the whole run, and proxies; arms in bits per byte, proxies in nats, as their goal is."""
    where = _average(study)
    rows = [row for arm in arms for row in (*_of_arm(study, arm.name, where), *_of_proxies(study, arm.name))]
    note = (
        f"Arms: {where.replace('_', ' ')}, mean over seeds at the primary checkpoint; of shares that change, the share "
        "of the whole run. Proxies are short runs, and their losses, on the goal, are not those of arms."
    )
    return Table("measured_mixtures", "Mixtures that were measured", tuple(rows), note, columns=COLUMNS)


def _average(study: Study) -> str:
    """The declared average where that is one of text, else others' text, else what is held out."""
    asked, known = study.recipe.study.primary.aggregate, study.recipe.text_sets
    if asked in known:
        return asked
    return OUT_OF_DOMAIN if OUT_OF_DOMAIN in known else IN_DOMAIN


def _of_arm(study: Study, arm: str, where: str) -> Iterator[Row]:
    finals = study.finals_of(arm, study.recipe.study.primary.checkpoint).values()
    levels = [final.levels[where][METRIC] for final in finals if METRIC in final.levels.get(where, {})]
    read = next((run.mixture for run in study.runs_of(arm).values() if run.mixture is not None), None)
    for each in read.sources if read is not None and levels else ():
        yield {
            "arm": arm, "proxy": None, "source": each.source, "share": each.realised_share, "where": where,
            "nats_per_byte": None, METRIC: fmean(levels), "is_learned": bool(fit_of(study, arm)),
        }  # fmt: skip


def _of_proxies(study: Study, arm: str) -> Iterator[Row]:
    fit = fit_of(study, arm)
    goal: Mapping[str, float] = fit["learned"]["goal"] if fit else {}
    for proxy in fit.get("proxies", ()):
        loss = sum(weight * proxy["losses"][name] for name, weight in goal.items())
        for source in study.recipe.pool.sources:
            yield {
                "arm": arm, "proxy": proxy["name"], "source": source.name,
                "share": proxy["shares"].get(source.name, 0.0), "where": "goal", "nats_per_byte": loss, METRIC: None,
                "is_learned": False,
            }  # fmt: skip
