"""What a careful reader has to know of a study of plain text: sentences made from checks of its records."""

from collections.abc import Iterator, Sequence

from winnow.analysis.benchmarks_reference import NAME, reference_sentences
from winnow.analysis.study_folder import Study
from winnow.analysis.study_records import MixtureRead
from winnow.findings import ArmFacts, Table
from winnow.mixing.repeats import MANY_EPOCHS
from winnow.text.printing import fixed

FEW_TOKENS = 20_000
"""Held-out tokens of a source below which it is said."""
SAME_TOTALS = 0.01
"""Difference in a source's share from which two arms do not read the same."""
DECAYING = "linear", "cosine"


def text_limitations(study: Study, arms: Sequence[ArmFacts], beside: Table | None) -> tuple[str, ...]:
    """One sentence for each check that found something; `beside` is the table of benchmarks beside a reference."""
    rows = beside.rows if beside is not None and beside.name == NAME else ()
    told = reference_sentences(rows, study.recipe.study.confidence)
    if not study.recipe.is_text:
        return tuple(told)
    read = {arm.name: mixed for arm in arms if (mixed := _read(study, arm.name)) is not None}
    checks = (_size(study), _held_out(study), _shared(study), _repeats(read), _schedules(study, read), told)
    return tuple(sentence for check in checks for sentence in check)


def _read(study: Study, arm: str) -> MixtureRead | None:
    return next((run.mixture for run in study.runs_of(arm).values()), None)


def _size(study: Study) -> Iterator[str]:
    run = next(iter(study.runs.values()), None)
    if run is not None:
        yield (
            f"Which mixture is best can change with size: these runs train {run.parameters['trainable']:,} parameters "
            f"on {run.plan.tokens:,} tokens. Losses are per token of one tokenizer; across tokenizers compare bits per "
            "byte."
        )


def _held_out(study: Study) -> Iterator[str]:
    held = {each["name"]: each.get("validation_tokens") for each in study.pool.get("pool", {}).get("sources", ())}
    few = {name: tokens for name, tokens in held.items() if tokens is not None and tokens < FEW_TOKENS}
    if few:
        named = ", ".join(f"{name} {tokens:,} tokens" for name, tokens in few.items())
        yield f"Little text is held out ({named}): levels in domain hold for these documents, and are noisy."


def _shared(study: Study) -> Iterator[str]:
    for each in study.pool.get("pool", {}).get("shared", ()):
        yield (
            f"{' and '.join(each['sources'])} have {each['documents']:,} documents in common: their shares say less "
            "than they seem to."
        )


def _repeats(read: dict[str, MixtureRead]) -> Iterator[str]:
    often = [
        f"{arm} reads {each.source} {fixed(each.epochs, 1)} times"
        for arm, mixed in read.items()
        for each in mixed.sources
        if each.epochs > MANY_EPOCHS
    ]
    if often:
        yield f"Text is read more than {MANY_EPOCHS} times, where it is worth less than new text: {', '.join(often)}."


def _schedules(study: Study, read: dict[str, MixtureRead]) -> Iterator[str]:
    changing = [arm for arm, mixed in read.items() if _changes(mixed)]
    alone = [arm for arm in changing if not any(_same(read[arm], mixed) for mixed in read.values())]
    if alone:
        yield (
            f"{', '.join(alone)}: no arm reads the same totals all along, so that when a source is read is not told "
            "apart from how much of it."
        )
    decaying = sorted({str(study.recipe.training.schedule)} & set(DECAYING))
    if changing and decaying:
        yield (
            f"Shares change ({', '.join(changing)}) while the learning rate decays ({decaying[0]}): what comes last is "
            "learned at the lowest rate. Compare under a constant one, too, before saying that order does not matter."
        )


def _changes(mixed: MixtureRead) -> bool:
    return any(knot.shares != mixed.knots[0].shares for knot in mixed.knots)


def _same(mixed: MixtureRead, other: MixtureRead) -> bool:
    """Whether `other` keeps its shares, and they are the totals of `mixed`."""
    shares = {each.source: each.realised_share for each in other.sources}
    return not _changes(other) and all(
        abs(each.realised_share - shares.get(each.source, 0.0)) < SAME_TOTALS for each in mixed.sources
    )
