"""Which requests go to a teacher, round by round, until enough problems are there.

Every request is a pure function of its number, the seed and the answers before it, and rounds are worked off in the
order of those numbers: whether answers came in another order, or from an earlier attempt, changes nothing.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from winnow.generation.harvest import Candidate, Harvest
from winnow.generation.parsing import Parsed, parse_problems, parse_program, parse_questions
from winnow.generation.prompts import Kind, write_prompt
from winnow.generation.teachers.interface import Answer, Request
from winnow.recipe import SyntheticRecipe
from winnow.store import hash_json

LARGEST_ROUND = 256
"""Requests of a round, without those that follow from its answers."""
BARREN_REQUESTS = 20
"""After so many requests in a row that gave nothing new, generation ends: more would not help."""

Ask = Callable[[Sequence[Request]], list[Answer]]
Seeds = Sequence[tuple[str, str]]
"""Ids and texts of the questions to start from."""


def gather(recipe: SyntheticRecipe, seeds: Seeds, ask: Ask, harvest: Harvest) -> None:
    """Ask until the harvest has enough, or nothing new comes any more."""
    first = barren = 0
    while harvest.lacking and barren < BARREN_REQUESTS:
        size, before = round_size(recipe, harvest, first), len(harvest.rows)
        requests = [first_request(recipe, seeds, number) for number in range(first, first + size)]
        candidates = [found for request, answer in answered(requests, ask) for found in read(request, answer, harvest)]
        harvest.take(with_programs(recipe, candidates, ask, harvest))
        first += size
        barren = barren + size if len(harvest.rows) == before else 0


def answered(requests: Sequence[Request], ask: Ask) -> list[tuple[Request, Answer]]:
    """The requests with their answers."""
    return list(zip(requests, ask(requests), strict=True))


def round_size(recipe: SyntheticRecipe, harvest: Harvest, asked: int) -> int:
    """Requests that should give what is lacking, going by what those before gave."""
    per_request = len(harvest.rows) / asked if asked and harvest.rows else recipe.problems_per_request
    return max(1, min(LARGEST_ROUND, round(harvest.lacking / per_request + 0.5)))


def first_request(recipe: SyntheticRecipe, seeds: Seeds, number: int) -> Request:
    """The request of this number: its kind by the recipe's shares, its question drawn at random."""
    random = Random(f"{recipe.seed}:request:{number}")
    drawn = random.random()
    kind: Kind = "one_step"
    if drawn < recipe.irrelevant_share:
        kind = "irrelevant"
    elif drawn < recipe.irrelevant_share + recipe.reworded_share:
        kind = "reworded"
    seed_id, question = random.choice(seeds)
    return build_request(recipe, str(number), kind, question, seed_id, recipe.problems_per_request)


def build_request(
    recipe: SyntheticRecipe, request_id: str, kind: Kind, question: str, seed_id: str, count: int
) -> Request:
    """The request with its prompt and a seed of its own."""
    return Request(
        id=request_id, kind=kind, prompt=write_prompt(kind, question, count), question=question, seed_id=seed_id,
        count=count, temperature=recipe.temperature,
        seed=int(hash_json([recipe.seed, request_id])[:7], 16),
    )  # fmt: skip


def read(request: Request, answer: Answer, harvest: Harvest) -> list[Candidate]:
    """The problems in an answer whose question is of use; all else is counted."""
    parsed = parse(parse_problems if request.kind == "one_step" else parse_questions, answer)
    harvest.count_parsed(request, parsed)
    found = [
        Candidate(f"{request.id}/{place}", request.kind, request.seed_id, question, program)
        for place, (question, program) in enumerate(parsed.problems)
    ]
    return [candidate for candidate in found if harvest.is_of_use(candidate.question)]


def parse(parser: Callable[[str], Parsed], answer: Answer) -> Parsed:
    """What the parser finds in an answer; one that was given up counts under its reason."""
    return Parsed(malformed=Counter({answer.finish_reason: 1})) if answer.is_given_up else parser(answer.text)


def with_programs(
    recipe: SyntheticRecipe, candidates: Sequence[Candidate], ask: Ask, harvest: Harvest
) -> list[Candidate]:
    """The candidates with a program each, and with more of them where the majority decides."""
    wanted = recipe.majority_of or 1
    requests = [
        build_request(recipe, program_id(candidate, place), "program", candidate.question, candidate.seed_id, 1)
        for candidate in candidates
        for place in range(1 if candidate.program else 0, wanted)
    ]
    written: dict[str, list[str]] = {candidate.id: [] for candidate in candidates}
    for request, answer in answered(requests, ask):
        parsed = parse(parse_program, answer)
        harvest.count_parsed(request, parsed)
        written["/".join(request.id.split("/")[:2])] += [program for _, program in parsed.problems]
    return [each.with_programs(written[each.id]) for each in candidates if each.program or written[each.id]]


def program_id(candidate: Candidate, place: int) -> str:
    """Id of the request for a candidate's program; of the second and later ones with their number."""
    return candidate.id if place == 0 else f"{candidate.id}/{place}"
