"""Tables of sampled answers: `pass_at_k`, how often one of k is right, and `diversity`, how many differ.

pass_at_k(n=8, right=4, k=2)            # 0.785714
unique_of([30, 10, 5, 5], 5)            # 2.5288
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from math import comb, sqrt
from statistics import fmean, stdev
from typing import Any

from winnow.analysis.study_folder import Study
from winnow.analysis.tables import with_bounds, within_unit
from winnow.columns import read_columns
from winnow.errors import DataError
from winnow.findings import ArmFacts, Table
from winnow.kinds import KINDS
from winnow.records import ZERO_SHOT

Row = dict[str, Any]
Answers = list[tuple[str, bool]]
"""Of one item: outputs, and whether each is right."""


def pass_at_k(*, n: int, right: int, k: int) -> float:
    """The chance that one of k of n answers, drawn without replacement, is right: 1 - C(n - right, k) / C(n, k).

    Unbiased (Chen et al. 2021, section 2.1). Raises DataError for k above n, of which n answers say nothing.
    """
    if not 1 <= k <= n:
        raise DataError(f"pass@{k} is asked of {n} answers; k has to lie in 1 to {n}")
    return 1 - comb(n - right, k) / comb(n, k)


def unique_of(counts: Sequence[int], m: int) -> float:
    """How many different ones m of these answers hold in the mean, `counts` of each kind (rarefaction, Hurlbert 1971).

    Raises DataError for m above the number of answers.
    """
    n = sum(counts)
    if not 0 <= m <= n:
        raise DataError(f"different ones of {m} are asked of {n} answers; take {n} or fewer")
    return sum(1 - comb(n - count, m) / comb(n, m) for count in counts)


def sampled_tables(study: Study, arms: Sequence[ArmFacts]) -> tuple[Table, ...]:
    """Both tables; none where the recipe asks for no samples."""
    asked = study.recipe.evaluation.sampling
    if asked is None:
        return ()
    found = {name: answers_of(study, name) for name in (ZERO_SHOT, *(arm.name for arm in arms))}
    known = {name: by_seed for name, by_seed in found.items() if by_seed}
    confidence = study.recipe.study.confidence
    passed = [row for name, by_seed in known.items() for row in _passed(name, by_seed, asked.k, confidence)]
    different = [row for name, by_seed in known.items() for row in _different(name, by_seed, asked.k)]
    passes_note = (
        f"Of {asked.num_samples} answers a prompt at temperature {asked.temperature:g}; unbiased. Mean over seeds with "
        "its interval; stderr is over items, mean of the seeds."
    )
    differ_note = (
        "Different outputs among m of an item's answers, in the mean over draws of m, items and seeds: of all, and of "
        "the right and the wrong ones apart, since an arm that is right more often repeats itself more often. Items: "
        "those that have m such answers."
    )
    return (
        Table("pass_at_k", "How often one of k answers is right", tuple(passed), passes_note),
        Table("diversity", "How many answers differ", tuple(different), differ_note),
    )


def answers_of(study: Study, arm: str) -> dict[int, list[Answers]]:
    """By seed, of each item its answers; none where the arm was not sampled. Of the untrained model under seed 0."""
    runs = {0: None} if arm == ZERO_SHOT else {seed: seed for seed in sorted(study.runs_of(arm))}
    checkpoint, found = study.recipe.study.primary.checkpoint, {}
    for seed, name in runs.items():
        stage = f"sample.{arm}" if name is None else f"sample.{arm}.s{seed}"
        if stage in study.stages:
            path = study.path_of(KINDS["sample"].items, arm, name, checkpoint)
            items = dict[tuple[str, str], Answers]()
            for row in read_columns(path, ["set", "id", "output", "is_right"]).to_pylist():
                items.setdefault((row["set"], row["id"]), []).append((row["output"].strip(), row["is_right"]))
            found[seed] = list(items.values())
    return found


def _passed(arm: str, by_seed: dict[int, list[Answers]], ks: Sequence[int], confidence: float) -> Iterator[Row]:
    for k in ks:
        shares = [
            [pass_at_k(n=len(item), right=sum(right for _, right in item), k=k) for item in items]
            for items in by_seed.values()
        ]
        errors = [stdev(each) / sqrt(len(each)) if len(each) > 1 else None for each in shares]
        known = [each for each in errors if each is not None]
        row = with_bounds("pass_share", [fmean(each) for each in shares], confidence)
        yield {
            "arm": arm, "k": k, "items": len(shares[0]), "seeds": len(shares), **within_unit(row, "pass_share"),
            "stderr_share": fmean(known) if known else None,
        }  # fmt: skip


def _different(arm: str, by_seed: dict[int, list[Answers]], ms: Sequence[int]) -> Iterator[Row]:
    for among, wanted in (("all", (True, False)), ("right", (True,)), ("wrong", (False,))):
        kept = [[output for output, right in item if right in wanted] for items in by_seed.values() for item in items]
        for m in ms:
            enough = [unique_of(list(Counter(outputs).values()), m) for outputs in kept if len(outputs) >= m]
            yield {
                "arm": arm, "among": among, "m": m, "items": len(enough) / len(by_seed),
                "different": fmean(enough) if enough else None,
            }  # fmt: skip
