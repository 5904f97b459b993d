"""The target sample and the validation split of a pool."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from winnow.errors import DataError, RecipeError, nearest
from winnow.pool.cleaning import rank, sample
from winnow.recipe import PoolRecipe
from winnow.text.examples import Example

NOISE = ("wrong_answer", "off_topic")
"""Planted faults that stay in train: validation has to be worth reaching."""


def choose_target(examples: Sequence[Example], per_source: Mapping[str, int], *, seed: int) -> list[Example]:
    """So many examples of each named source, chosen by the seed."""
    by_source = defaultdict(list)
    for example in examples:
        by_source[example.source].append(example)
    target = []
    for name, size in per_source.items():
        if name not in by_source:
            known = ", ".join(by_source)
            raise RecipeError(f"pool.target names source {name!r}{nearest(name, by_source)}; the pool has {known}")
        if size >= len(by_source[name]):
            found = len(by_source[name])
            raise DataError(f"pool.target wants {size} of the {found} examples of {name!r}; ask for fewer")
        target += sample(by_source[name], size, seed=seed, identity=lambda example: f"target:{example.id}")
    return sorted(target, key=lambda example: example.id)


def hold_out_half(own: Sequence[Example], recipe: PoolRecipe) -> tuple[list[Example], list[Example]]:
    """The target from a file of its own, and what of it is held out: whole groups of near-equal questions.

    About half of the examples, at most `max_validation`. Raises DataError where either part would be empty.
    """
    groups = defaultdict(list)
    for example in own:
        groups[example.group].append(example)
    most, held = min(recipe.max_validation, len(own) / 2), set[str]()
    for name in sorted(groups, key=lambda group: rank(f"target_validation:{group}", recipe.seed)):
        if sum(len(groups[each]) for each in (*held, name)) <= max(most, 1):
            held.add(name)
    parts = ([each for each in own if (each.group in held) is wanted] for wanted in (False, True))
    target, validation = parts
    if not target or not validation:
        raise DataError(
            f"the {len(own)} examples of pool.target, in {len(groups)} groups of near-equal questions, cannot be "
            "halved into a target and a part to choose checkpoints by; give more, or say evaluation.best_by: validation"
        )
    return target, validation


def of_the_targets_kind(validation: Sequence[Example], per_source: Mapping[str, int], *, seed: int) -> list[Example]:
    """As many validation examples as there are in the target's proportions of its sources.

    Raises DataError, naming a source of which none was held out.
    """
    by_source = {name: [each for each in validation if each.source == name] for name in per_source}
    empty = next((name for name, found in by_source.items() if not found), None)
    if empty is not None:
        raise DataError(
            f"the validation split has no example of {empty!r}, which pool.target names; raise "
            "pool.validation_fraction or pool.max_validation, or say evaluation.best_by: validation"
        )
    times = min(len(found) / per_source[name] for name, found in by_source.items())
    chosen = [
        each
        for name, found in by_source.items()
        for each in sample(
            found, max(1, int(times * per_source[name])), seed=seed, identity=lambda each: f"of_target:{each.id}"
        )
    ]
    return sorted(chosen, key=lambda example: example.id)


def split_validation(examples: Sequence[Example], recipe: PoolRecipe) -> tuple[list[Example], list[Example]]:
    """Train and validation: whole groups of near-equal questions, about the same share of every source.

    A group that holds planted noise stays in train. Groups are tried in a seeded order and taken as long as no
    source gets more than its quota. Raises DataError where either split would be empty.
    """
    quotas = validation_quotas(Counter(example.source for example in examples), recipe)
    groups = defaultdict(list)
    for example in examples:
        groups[example.group].append(example)
    taken: Counter[str] = Counter()
    chosen: set[str] = set()
    for name in sorted(groups, key=lambda group: rank(f"validation:{group}", recipe.seed)):
        counts = Counter(example.source for example in groups[name])
        is_clean = all(example.planted not in NOISE for example in groups[name])
        if is_clean and all(taken[source] + count <= quotas[source] for source, count in counts.items()):
            taken += counts
            chosen.add(name)
    train = [example for example in examples if example.group not in chosen]
    validation = [example for example in examples if example.group in chosen]
    if not train or not validation:
        raise DataError(
            f"the pool's {len(examples)} examples in {len(groups)} groups of near-equal questions cannot be split: "
            f"{len(train)} would train, {len(validation)} validate; add data or raise pool.validation_fraction"
        )
    return train, validation


def validation_quotas(sizes: Mapping[str, int], recipe: PoolRecipe) -> dict[str, int]:
    """How many validation examples each source may give, by largest remainders.

    Sources large enough for one get at least one, where `max_validation` allows.
    """
    total = sum(sizes.values())
    wanted = max(1, min(recipe.max_validation, round(total * recipe.validation_fraction)))
    exact = {name: wanted * size / total for name, size in sizes.items()}
    entitled = [name for name, size in sizes.items() if size * recipe.validation_fraction >= 1]
    floor = {name: int(share) for name, share in exact.items()}
    if len(entitled) <= wanted:
        floor |= {name: max(1, floor[name]) for name in entitled}
    for name in sorted(sizes, key=lambda name: (floor[name] - exact[name], name)):
        if sum(floor.values()) < wanted:
            floor[name] += 1
    while sum(floor.values()) > wanted:  # entitlements went beyond the total: the largest give way
        floor[max(floor, key=lambda name: (floor[name], name))] -= 1
    return floor
