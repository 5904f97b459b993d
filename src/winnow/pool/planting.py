"""Noise planted into a pool's training rows on purpose, to see what a selection makes of it: `pool.plant`.

    noisy = plant(train, PlantRecipe(wrong_answers=0.1, copies=0.1), [], completion="rationale", taken=ids)

A planted row takes the place of another of the same source, so that the pool and each source in it keep their sizes
and budgets compare. Which rows give way is decided by the seed and their ids alone. `Example.planted` names the
fault; a selector never sees it.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from string import ascii_uppercase

from winnow.errors import DataError
from winnow.pool.cleaning import rank
from winnow.recipe import PlantRecipe
from winnow.text.answers import INSIDE, MARKER, normalise_answer
from winnow.text.examples import CompletionKind, Example, build_example, prompt_of

WRONG_ANSWER, OFF_TOPIC, COPY = "wrong_answer", "off_topic", "copy"
SAID = r"\b(?:answer|ans|option|choice)\b\W*(?:is\b\W*)?"
"""What stands before an option letter that a rationale names as its answer."""


def plant(
    train: Sequence[Example],
    recipe: PlantRecipe,
    off_topic: Sequence[Example],
    *,
    completion: CompletionKind,
    taken: Collection[str],
) -> list[Example]:
    """The training rows with noise in the places of some of them, sorted by id; as many of each source as before.

    `off_topic` are the rows that off-topic ones are drawn from, `taken` ids that no planted row may get. Raises
    DataError where there are too few rows to plant so much.
    """
    order = sorted(train, key=lambda example: rank(f"plant:{example.id}", recipe.seed))
    choices, spellings = wrong_choices(train), written_answers(train)
    wrong = _first([each for each in order if choices[each.id]], recipe.wrong_answers, len(train), "wrong_answers")
    gone = {each.id for each in wrong}
    rest = [each for each in order if each.id not in gone]
    strange = _first(rest, recipe.off_topic, len(train), OFF_TOPIC)
    rest = rest[len(strange) :]
    copied = _first(rest, recipe.copies, len(train), "copies")
    clean = rest[len(copied) :]
    made = [
        *(wrong_answer(each, _pick(choices[each.id], each, recipe.seed), completion, spellings) for each in wrong),
        *_strangers(strange, off_topic, recipe.seed, completion),
        *_copies(copied, clean, recipe.copied_rows),
    ]
    return sorted([*clean, *_with_own_ids(made, taken)], key=lambda example: example.id)


def wrong_choices(examples: Iterable[Example]) -> dict[str, list[str]]:
    """Id -> plausible wrong answers: the letters of its other options, or the other answers of its source.

    Open text has none, and is none.
    """
    rows = list(examples)
    by_source = defaultdict(set)
    for each in rows:
        if not each.options and not each.is_open:
            by_source[each.source].add(each.answer)
    found = {}
    for each in rows:
        known = ascii_uppercase[: len(each.options)] if each.options else sorted(by_source[each.source])
        found[each.id] = [] if each.is_open else [answer for answer in known if answer != each.answer]
    return found


def written_answers(examples: Iterable[Example]) -> dict[str, str]:
    """Normalised answer -> how a completion writes it, as "Paris" where it is "paris"; the first of several by id."""
    rows = (each for each in examples if not each.is_open and MARKER in each.completion)
    ordered = sorted(rows, key=lambda each: each.id, reverse=True)
    return {each.answer: each.completion.split(MARKER)[-1].strip() for each in ordered}


def wrong_answer(
    example: Example, answer: str, completion: CompletionKind, written: Mapping[str, str] | None = None
) -> Example:
    """The example with another final answer, also where its rationale last mentions the right one.

    `written` tells how right answers are written: a wrong one in small letters could be told by them.
    """
    spelled = (written or {}).get(answer, answer)
    rationale = swap_last_mention(example.rationale, example.answer, spelled)
    made = build_example(
        example.source, example.question, answer=answer, rationale=rationale, options=example.options,
        completion=completion, planted=WRONG_ANSWER, written=spelled,
    )  # fmt: skip
    return replace(made, group=example.group)


def swap_last_mention(rationale: str, old: str, new: str) -> str:
    """The rationale with its last mention of a normalised answer swapped; as it is where it mentions none.

    An option letter counts as a mention after a word such as "answer", or as the last word.
    """
    if len(old) == 1 and old.isalpha():
        spans = [found.span(1) for found in re.finditer(rf"{SAID}({old})\b", rationale, re.IGNORECASE)]
        spans += [found.span(1) for found in re.finditer(rf"\b({old})\W*\Z", rationale, re.IGNORECASE)]
    elif re.search(r"\d", old):
        numbers = (found for found in INSIDE.finditer(rationale) if normalise_answer(found[0]) == old)
        spans = [(found.start() + _sign_or_digit(found[0]), found.end()) for found in numbers]
    else:
        spans = [found.span() for found in re.finditer(rf"\b{re.escape(old)}\b", rationale, re.IGNORECASE)]
    if not spans:
        return rationale
    start, end = max(spans)
    said = new.lower() if rationale[start:end].islower() else new
    return f"{rationale[:start]}{said}{rationale[end:]}"


def _sign_or_digit(number: str) -> int:
    found = re.search(r"[-−.\d]", number)
    assert found is not None
    return found.start()


def _strangers(
    places: Sequence[Example], off_topic: Sequence[Example], seed: int, completion: CompletionKind
) -> list[Example]:
    """Distinct off-topic rows under the names of the sources in whose places they stand."""
    drawn = sorted(off_topic, key=lambda example: rank(f"off_topic:{example.id}", seed))[: len(places)]
    if len(drawn) < len(places):
        raise DataError(
            f"pool.plant.off_topic needs {len(places)} rows and its source has {len(drawn)} that fit into "
            "pool.max_tokens; give a larger source or lower the share"
        )
    return [
        build_example(
            place.source, row.question, answer=row.answer, rationale=row.rationale, options=row.options,
            completion=completion, planted=OFF_TOPIC, is_open=row.is_open,
            prompt=None if row.prompt == prompt_of(row.question, row.options) else row.prompt,
        )
        for place, row in zip(places, drawn, strict=True)
    ]  # fmt: skip


def _copies(places: Sequence[Example], clean: Sequence[Example], copied_rows: int) -> list[Example]:
    """Copies of a few clean rows, each of the source in whose place it stands, dealt out in turn.

    The `copied_rows` are shared among the sources as their copies are; each source that has copies has at least one.
    """
    originals = defaultdict(list)
    for example in clean:
        originals[example.source].append(example)
    wanted, made = Counter(place.source for place in places), []
    for source, times in sorted(wanted.items()):
        if not originals[source]:
            raise DataError(f"pool.plant leaves no clean row of source {source!r} to copy; lower its shares")
        few = originals[source][: max(1, round(copied_rows * times / len(places)))]
        made += [replace(few[index % len(few)], planted=COPY) for index in range(times)]
    return made


def _with_own_ids(made: Iterable[Example], taken: Collection[str]) -> list[Example]:
    """The rows with ids of their own: where one is taken, it ends in #2, #3."""
    used, numbered = set(taken), []
    for example in sorted(made, key=lambda each: (each.id, each.planted or "")):
        base, number, identity = example.id.partition("#")[0], 1, example.id
        while identity in used:
            number += 1
            identity = f"{base}#{number}"
        used.add(identity)
        numbered.append(replace(example, id=identity))
    return numbered


def _first(rows: Sequence[Example], share: float, total: int, what: str) -> Sequence[Example]:
    """The first rows, a share of the total."""
    size = int(share * total + 0.5)
    if size > len(rows):
        raise DataError(f"pool.plant.{what} asks for {size} rows and {len(rows)} can be changed so; lower its share")
    return rows[:size]


def _pick(choices: Sequence[str], example: Example, seed: int) -> str:
    return choices[int.from_bytes(rank(f"wrong:{example.id}", seed)[:8]) % len(choices)]
