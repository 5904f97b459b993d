"""The built-in data: seeded grade-school word problems, clean or with planted faults.

    from winnow.generation.problems import EASY_FAMILIES, generate_problems

    rows = generate_problems(examples=500, seed=0, families=EASY_FAMILIES, near_copies=0.15)

The same arguments give the same rows on every machine. What a family is stands in `family.py`, the
families themselves in `families.py` and `families_multi.py`.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle, islice
from random import Random

from winnow.errors import RecipeError, nearest
from winnow.generation.families import ALL_FAMILIES, EASY_FAMILIES, FAMILIES
from winnow.generation.family import Family, Problem, draw_problem
from winnow.generation.off_topic import draw_off_topic
from winnow.generation.planting import near_copies as copy_nearly
from winnow.generation.planting import wrong_answer

__all__ = ["ALL_FAMILIES", "EASY_FAMILIES", "Problem", "generate_problems"]

MIN_LARGEST_NUMBER = 5
MAX_REDRAWS = 100
"""Where so many draws in a row were seen before, the space is taken as used up: a row may repeat."""


def generate_problems(
    *,
    examples: int,
    seed: int,
    families: Sequence[str] | None = None,
    near_copies: float = 0.0,
    wrong_answers: float = 0.0,
    off_topic: float = 0.0,
    largest_number: int = 20,
) -> list[Problem]:
    """So many problems, spread evenly over the families (all by default), in shuffled order.

    The three shares lie in [0, 1] and are realised exactly, up to rounding. Questions differ, but
    for near copies, where the families have enough of them. `largest_number` bounds the numbers
    drawn; totals, products and prices that follow from them can be larger. Raises RecipeError.
    """
    shares = {"near_copies": near_copies, "wrong_answers": wrong_answers, "off_topic": off_topic}
    check_amounts(examples, largest_number, shares)
    chosen = [find_family(name) for name in (ALL_FAMILIES if families is None else families)]
    if not chosen:
        raise RecipeError(f"families is empty; name at least one of {', '.join(ALL_FAMILIES)}")
    num_copies, num_wrong, num_off_topic, num_clean = split_examples(examples, shares)
    random = Random(seed)
    problems = distinct([partial(draw_problem, each, random, largest_number=largest_number) for each in chosen])
    clean = list(islice(problems, num_clean))
    wrong = [wrong_answer(problem, random) for problem in islice(problems, num_wrong)]
    chat = list(islice(distinct([partial(draw_off_topic, random)]), num_off_topic))
    rows = [*clean, *wrong, *chat, *copy_nearly(clean, num_copies, random)]
    random.shuffle(rows)
    return rows


def distinct(draws: Sequence[Callable[[], Problem]]) -> Iterator[Problem]:
    """Problems from each draw in turn, without end; new questions as long as they are found."""
    seen: set[str] = set()
    for draw in cycle(draws):
        problem = draw()
        for _ in range(MAX_REDRAWS):
            if problem.question not in seen:
                break
            problem = draw()
        seen.add(problem.question)
        yield problem


def split_examples(examples: int, shares: dict[str, float]) -> tuple[int, int, int, int]:
    """How many near copies, wrong answers, off-topic and clean rows there are."""
    left, counts = examples, []
    for share in shares.values():
        counts.append(min(left, round(share * examples)))
        left -= counts[-1]
    num_copies, num_wrong, num_off_topic = counts
    if num_copies and not left:
        raise RecipeError(f"near_copies is {shares['near_copies']}, but no clean row is left to copy")
    return num_copies, num_wrong, num_off_topic, left


def find_family(name: str) -> Family:
    """The family of this name; raises RecipeError where there is none."""
    if name not in FAMILIES:
        known = ", ".join(ALL_FAMILIES)
        raise RecipeError(f"unknown family {name!r}{nearest(name, ALL_FAMILIES)}; known: {known}")
    return FAMILIES[name]


def check_amounts(examples: int, largest_number: int, shares: dict[str, float]) -> None:
    """Raises RecipeError where an amount is out of its range."""
    if examples < 0:
        raise RecipeError(f"examples is {examples}; it must be 0 or more")
    if largest_number < MIN_LARGEST_NUMBER:
        raise RecipeError(f"largest_number is {largest_number}; it must be {MIN_LARGEST_NUMBER} or more")
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise RecipeError(f"{name} is {share}; it must lie in [0, 1]")
    total = sum(shares.values())
    if total > 1 + 1e-9:
        raise RecipeError(f"{' + '.join(shares)} is {total:g}; it must not exceed 1")
