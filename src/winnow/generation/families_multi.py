"""The families of two and three steps. How to read a row: `family.py`."""

from winnow.generation.family import FACTOR, FULL, Family

TWO_STEPS = (
    Family(
        name="gain_and_loss",
        wordings=(
            "{name} had {start} {thing}, found {found} more and then lost {lost}. "
            "How many {thing} does {name} have now?",
            "There were {start} {thing} in the {place}. {name} brought {found} and {other} took {lost}. "
            "How many {thing} are there now?",
            "A bus left the {place} with {start} people. {found} got on and {lost} got off. "
            "How many people are on the bus?",
        ),
        numbers={"found": FULL, "lost": FULL, "more": FULL},
        given=("start = lost + more",),
        steps=("most = start + found", "answer = most - lost"),
    ),
    Family(
        name="buy_and_change",
        wordings=(
            "{name} buys {count} {thing} at {price} dollars each and pays with {money} dollars. "
            "How many dollars does {name} get back?",
            "{name} has {money} dollars. {name} buys {count} {thing} for {price} dollars each. "
            "How many dollars are left?",
            "The {thing} cost {price} dollars each. How many dollars of {money} are left after {name} buys {count}?",
        ),
        numbers={"count": FACTOR, "price": FACTOR, "left": FULL},
        given=("paid = count * price", "money = paid + left"),
        steps=("cost = count * price", "answer = money - cost"),
    ),
    Family(
        name="perimeter",
        wordings=(
            "The {place} is {length} meters long and {width} meters wide. How many meters of fence go around it?",
            "{name} walks once around a field {length} meters long and {width} meters wide. "
            "How many meters does {name} walk?",
            "A picture is {length} inches by {width} inches. How many inches of frame go around it?",
        ),
        numbers={"length": FULL, "width": FULL},
        steps=("half = length + width", "answer = 2 * half"),
    ),
    Family(
        name="ages",
        wordings=(
            "{name} is {age} years old and {other} is {gap} years older. How old will {other} be in {years} years?",
            "{other} is {gap} years older than {name}, who is {age}. "
            "What will be the age of {other} after {years} years?",
            "In {years} years, how old is {other}, who is {gap} years older than {name}? {name} is {age} now.",
        ),
        numbers={"age": FULL, "gap": FULL, "years": FULL},
        steps=("older = age + gap", "answer = older + years"),
    ),
    Family(
        name="fraction_of",
        wordings=(
            "{name} has {total} {thing} and gives a {share} of them to {other}. How many {thing} does {name} keep?",
            "A {share} of the {total} {thing} in the {place} were sold. How many {thing} remain?",
            "{name} ate a {share} of {total} {thing}. How many {thing} are left?",
        ),
        numbers={"each": FACTOR},
        scenes=(
            {"share": "half", "parts": 2},
            {"share": "third", "parts": 3},
            {"share": "quarter", "parts": 4},
            {"share": "fifth", "parts": 5},
        ),
        given=("total = parts * each",),
        steps=("part = total / parts", "answer = total - part"),
    ),
    Family(
        name="recipe_scaling",
        wordings=(
            "A recipe for {people} people needs {eggs} eggs. How many eggs are needed for {guests} people?",
            "{name} uses {eggs} cups of flour for {people} cakes. How many cups do {guests} cakes need?",
            "{people} {container} hold {eggs} {thing}. How many {thing} do {guests} {container} hold?",
        ),
        numbers={"people": FACTOR, "each": FACTOR, "extra": FACTOR},
        given=("eggs = people * each", "guests = people + extra"),
        steps=("one = eggs / people", "answer = one * guests"),
    ),
    Family(
        name="pooled_sharing",
        wordings=(
            "{name} has {first} {thing} and {other} has {second}. They share them equally "
            "among {people} children. How many {thing} does each child get?",
            "{first} red and {second} blue {thing} go into {people} {container}, the same number in each. "
            "How many {thing} are in each?",
            "{name} picked {first} {thing} and then {second} more, and split all of them "
            "among {people} friends. How many did each friend get?",
        ),
        numbers={"people": FACTOR, "each": FACTOR, "first": FACTOR},
        # Each child gets `each + first`, so that what is left for the second part is above zero.
        given=("share = each + first", "whole = people * share", "second = whole - first"),
        steps=("total = first + second", "answer = total / people"),
    ),
)

THREE_STEPS = (
    Family(
        name="earnings",
        wordings=(
            "{name} works {morning} hours in the morning and {evening} hours at night for {wage} dollars "
            "an hour, and spends {spent} dollars. How many dollars are left?",
            "For {wage} dollars an hour {name} works {morning} hours on Monday and {evening} on Friday. "
            "The bus costs {spent} dollars. How many dollars does {name} keep?",
            "{name} earns {wage} dollars an hour in the {place}. How many dollars does {name} have after "
            "{morning} hours, then {evening} hours, and a lunch of {spent} dollars?",
        ),
        numbers={"morning": FACTOR, "evening": FACTOR, "wage": FACTOR, "extra": FACTOR},
        # Spending under two hours' wage, of at least four hours worked.
        given=("lunch = extra % wage", "spent = lunch + wage"),
        steps=("hours = morning + evening", "pay = hours * wage", "answer = pay - spent"),
    ),
    Family(
        name="two_purchases",
        wordings=(
            "{name} buys {count} {thing} at {price} dollars each and {bags} bags at {fee} dollars each. "
            "How many dollars does {name} pay?",
            "{name} sold {count} {thing} for {price} dollars each. {other} sold {bags} books for {fee} "
            "dollars each. How many dollars did they earn together?",
            "What is the cost of {count} {thing} at {price} dollars and {bags} cups at {fee} dollars?",
        ),
        numbers={"count": FACTOR, "price": FACTOR, "bags": FACTOR, "fee": FACTOR},
        steps=("first = count * price", "second = bags * fee", "answer = first + second"),
    ),
    Family(
        name="discount",
        wordings=(
            "The {thing} cost {price} dollars. {name} pays {percent} percent less. How many dollars does {name} pay?",
            "A coat for {price} dollars is sold at {percent} percent off. What is the new price in dollars?",
            "The {place} takes {percent} percent off a ticket of {price} dollars. How many dollars does {name} pay?",
        ),
        numbers={"saving": FACTOR},
        scenes=(
            {"percent": 10, "parts": 10},
            {"percent": 20, "parts": 5},
            {"percent": 25, "parts": 4},
            {"percent": 50, "parts": 2},
        ),
        given=("price = saving * parts",),
        steps=("share = 100 / percent", "saved = price / share", "answer = price - saved"),
    ),
    Family(
        name="average",
        wordings=(
            "{name} found {first} {thing} on Monday, {second} on Tuesday and {third} on Friday. "
            "How many {thing} did {name} find on average?",
            "Three {container} hold {first}, {second} and {third} {thing}. What is the average number?",
            "{name} read {first} pages, then {second}, then {third}. What is the average of the three?",
        ),
        numbers={"first": FULL, "second": FULL, "few": FACTOR},
        # The third number is raised until the sum of all three can be divided by 3.
        given=(
            "two = first + second",
            "rest = two % 3",
            "lift = 3 - rest",
            "triple = 3 * few",
            "third = triple + lift",
        ),
        steps=("pair = first + second", "sum = pair + third", "answer = sum / 3"),
    ),
    Family(
        name="leftover",
        wordings=(
            "{name} packs {total} {thing} into {container} of {size}. "
            "How many {thing} are left over when no more can be filled?",
            "{name} has {total} {thing} and makes as many groups of {size} as possible. How many {thing} remain?",
            "{total} people leave the {place} in full cars of {size}. How many people are left behind?",
        ),
        numbers={"boxes": FACTOR, "size": FACTOR, "extra": FULL},
        given=("packed = boxes * size", "rest = extra % size", "total = packed + rest"),
        steps=("full = total // size", "used = full * size", "answer = total - used"),
    ),
)

MULTI_STEP_FAMILIES = (*TWO_STEPS, *THREE_STEPS)
