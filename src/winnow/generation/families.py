"""The families of one step, easiest first, and the list of all. How to read a row: `family.py`."""

from winnow.generation.families_multi import MULTI_STEP_FAMILIES
from winnow.generation.family import FACTOR, FULL, Family

EASY = (
    Family(
        name="addition",
        wordings=(
            "{name} has {first} {thing}. {other} gives {name} {second} more. How many {thing} does {name} have now?",
            "{name} had {first} {thing} and found {second} more in the {place}. "
            "How many {thing} does {name} have in all?",
            "There are {first} {thing} in the {place}. {name} brings {second} more. How many {thing} are there now?",
            "How many {thing} does {name} have after picking {first} in the morning and {second} at night?",
        ),
        numbers={"first": FULL, "second": FULL},
        steps=("answer = first + second",),
    ),
    Family(
        name="combining",
        wordings=(
            "{name} has {first} {thing} and {other} has {second}. How many {thing} do they have together?",
            "One of the {container} holds {first} {thing}. Another holds {second}. How many {thing} are in both?",
            "{name} sold {first} {thing} and {other} sold {second} {thing}. What is the total number of {thing} sold?",
        ),
        numbers={"first": FULL, "second": FULL},
        steps=("answer = first + second",),
    ),
    Family(
        name="subtraction",
        wordings=(
            "{name} had {start} {thing} and gave {gone} to {other}. How many {thing} does {name} have left?",
            "There were {start} {thing} in the {place}. {name} took {gone} away. How many {thing} remain?",
            "{name} lost {gone} of {start} {thing} in the {place}. How many {thing} are left?",
            "How many {thing} are left when {name} sells {gone} out of {start} {thing}?",
        ),
        numbers={"gone": FULL, "left": FULL},
        given=("start = gone + left",),
        steps=("answer = start - gone",),
    ),
    Family(
        name="comparison",
        wordings=(
            "{name} has {more} {thing}. {other} has {fewer} {thing}. "
            "How many more {thing} does {name} have than {other}?",
            "{name} counted {fewer} {thing} and {other} counted {more}. How many fewer {thing} did {name} count?",
            "The {place} has {more} {thing} and {name} has only {fewer}. What is the difference?",
        ),
        numbers={"fewer": FULL, "gap": FULL},
        given=("more = fewer + gap",),
        steps=("answer = more - fewer",),
    ),
    Family(
        name="missing_part",
        wordings=(
            "{name} wants {goal} {thing} and has {have}. How many more {thing} does {name} need?",
            "{name} needs {goal} {thing} for the {place}. {name} already has {have}. How many are missing?",
            "There is room for {goal} {thing} in the {place}. {have} are there. "
            "How many more {thing} can {name} put there?",
        ),
        numbers={"have": FULL, "rest": FULL},
        given=("goal = have + rest",),
        steps=("answer = goal - have",),
    ),
    Family(
        name="older",
        wordings=(
            "{name} is {age} years old. {other} is {gap} years older. How old is {other}?",
            "{other} is {gap} years older than {name}, who is {age}. What is the age of {other}?",
            "{name} is {age} years old now. How old will {name} be in {gap} years?",
        ),
        numbers={"age": FULL, "gap": FULL},
        steps=("answer = age + gap",),
    ),
    Family(
        name="change",
        wordings=(
            "{name} pays for {thing} that cost {price} dollars with {paid} dollars. "
            "How many dollars does {name} get back?",
            "{name} had {paid} dollars and spent {price} dollars on {thing}. How many dollars are left?",
            "Some {thing} cost {price} dollars. {name} has {paid} dollars. "
            "How much money will {name} have after buying them?",
        ),
        numbers={"price": FULL, "left": FULL},
        given=("paid = price + left",),
        steps=("answer = paid - price",),
    ),
)

SINGLE_STEP = (
    Family(
        name="equal_groups",
        wordings=(
            "{name} has {groups} {container} with {each} {thing} in each. How many {thing} does {name} have?",
            "There are {each} {thing} in each of {groups} {container}. How many {thing} are there?",
            "{name} buys {groups} {container} of {thing}. Each holds {each} {thing}. How many is that?",
        ),
        numbers={"groups": FACTOR, "each": FACTOR},
        steps=("answer = groups * each",),
    ),
    Family(
        name="sharing",
        wordings=(
            "{name} shares {total} {thing} equally among {people} children. How many {thing} does each child get?",
            "{people} friends split {total} {thing} evenly. How many {thing} does each friend get?",
            "{name} puts {total} {thing} into {people} {container}, the same number in each. "
            "How many {thing} go in each?",
        ),
        numbers={"people": FACTOR, "each": FACTOR},
        given=("total = people * each",),
        steps=("answer = total / people",),
    ),
    Family(
        name="times_as_many",
        wordings=(
            "{name} has {few} {thing}. {other} has {times} times as many. How many {thing} does {other} have?",
            "{other} has {times} times as many {thing} as {name}, who has {few}. How many {thing} does {other} have?",
            "The {place} sold {few} {thing} on Monday and {times} times as many on Friday. "
            "How many {thing} did it sell on Friday?",
        ),
        numbers={"few": FACTOR, "times": FACTOR},
        steps=("answer = few * times",),
    ),
    Family(
        name="cost",
        wordings=(
            "{name} buys {count} {thing} at {price} dollars each. How many dollars does {name} pay?",
            "The {thing} cost {price} dollars each. What do {count} {thing} cost in dollars?",
            "{name} sells {count} {thing} for {price} dollars each. How many dollars does {name} earn?",
        ),
        numbers={"count": FACTOR, "price": FACTOR},
        steps=("answer = count * price",),
    ),
    Family(
        name="rate_and_time",
        wordings=(
            "{name} walks {speed} miles an hour for {hours} hours. How many miles does {name} walk?",
            "{name} can pack {speed} {thing} an hour. How many {thing} can {name} pack in {hours} hours?",
            "{name} reads {speed} pages a day. How many pages does {name} read in {hours} days?",
        ),
        numbers={"speed": FACTOR, "hours": FACTOR},
        steps=("answer = speed * hours",),
    ),
    Family(
        name="area",
        wordings=(
            "The {place} is {length} meters long and {width} meters wide. What is its area in square meters?",
            "{name} paints a wall {length} meters long and {width} meters high. "
            "How many square meters does {name} paint?",
            "A rug is {width} feet by {length} feet. How many square feet of floor does it cover?",
        ),
        numbers={"length": FACTOR, "width": FACTOR},
        steps=("answer = length * width",),
    ),
    Family(
        name="unit_conversion",
        wordings=(
            "{name} needs {count} {unit} to sort the {thing}. How many {part} is that?",
            "How many {part} are there in {count} {unit}?",
            "{name} works in the {place} for {count} {unit}. How many {part} does {name} work?",
        ),
        numbers={"count": FACTOR},
        scenes=(
            {"unit": "weeks", "part": "days", "size": 7},
            {"unit": "years", "part": "months", "size": 12},
            {"unit": "hours", "part": "minutes", "size": 60},
            {"unit": "days", "part": "hours", "size": 24},
        ),
        steps=("answer = count * size",),
    ),
)

FAMILIES: dict[str, Family] = {family.name: family for family in (*EASY, *SINGLE_STEP, *MULTI_STEP_FAMILIES)}

ALL_FAMILIES = tuple(FAMILIES)
EASY_FAMILIES = tuple(family.name for family in EASY)
