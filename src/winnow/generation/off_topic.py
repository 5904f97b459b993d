"""Questions that have nothing to do with numbers, in the same format as the problems."""

from random import Random

from winnow.generation.family import Problem
from winnow.generation.words import CAPITALS, COLOURS, NAMES, PLACES, SOUNDS

OFF_TOPIC = "off_topic"

SUBJECTS = (
    (
        CAPITALS,
        "The capital of {subject} is {fact}.",
        ("what is the capital of {subject}?", "which city is the capital of {subject}?"),
    ),
    (
        COLOURS,
        "The colour of {subject} is {fact}.",
        ("what colour is {subject}?", "which colour does {subject} have?"),
    ),
    (
        SOUNDS,
        "The sound of the {subject} is that it {fact}.",
        ("what does the {subject} do when it is heard?", "what sound does the {subject} make?"),
    ),
)
"""Facts, the sentence that tells one, and the ways to ask for it."""

OPENINGS = (
    "{name} asks {other}: ",
    "In the {place} {name} wonders, ",
    "{name} and {other} meet in the {place}. One of them asks: ",
    "Please tell {name}: ",
)


def draw_off_topic(random: Random) -> Problem:
    """One question about a capital, a colour or an animal; it has no program."""
    facts, sentence, wordings = random.choice(SUBJECTS)
    subject, fact = random.choice(list(facts.items()))
    name, other = random.sample(NAMES, 2)
    opening = random.choice(OPENINGS).format(name=name, other=other, place=random.choice(PLACES))
    return Problem(
        question=opening + random.choice(wordings).format(subject=subject),
        rationale=sentence.format(subject=subject, fact=fact),
        answer=fact,
        program="",
        family=OFF_TOPIC,
        steps=0,
        planted="off_topic",
    )
