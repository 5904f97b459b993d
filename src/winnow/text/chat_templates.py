"""Where the chat template of a recipe comes from, where it is left for the stages that use it, and how it is made to
give the same text on any day: `timeless(template)`."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from winnow.errors import RecipeError

TEMPLATE = "chat_template.jinja"
"""File of an artifact that holds the recipe's chat template."""

CLOCK = "strftime_now"
"""The function by which templates ask for today's date: those of Llama 3.2, Mistral Small and Granite do."""
CHAT_DATE = "26 Jul 2024"
"""What they are told, at midnight, whatever the day: the date that Llama's templates name where there is no clock."""
DIRECTIVES = {
    "a": "Fri", "A": "Friday", "b": "Jul", "B": "July", "c": "Fri Jul 26 00:00:00 2024", "C": "20", "d": "26",
    "D": "07/26/24", "e": "26", "f": "000000", "F": "2024-07-26", "g": "24", "G": "2024", "h": "Jul", "H": "00",
    "I": "12", "j": "208", "k": " 0", "l": "12", "m": "07", "M": "00", "n": "\n", "p": "AM", "P": "am",
    "r": "12:00:00 AM", "R": "00:00", "s": "1721952000", "S": "00", "t": "\t", "T": "00:00:00", "u": "5", "U": "29",
    "V": "30", "w": "5", "W": "30", "x": "07/26/24", "X": "00:00:00", "y": "24", "Y": "2024", "z": "", "Z": "",
}  # fmt: skip
"""CHAT_DATE as strftime writes it in English; written out, since strftime follows the locale and the time zone."""
BLOCK_TAGS = re.compile(r"\{%[-+]?\s*(?:end)?generation\s*[-+]?%\}")


def read_template(given: str | None) -> str | None:
    """The template that a recipe gives: itself, or what is in the file that it names. Raises RecipeError."""
    if given is None or "{{" in given or "{%" in given:
        return given
    try:
        return Path(given).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(
            f"pool.chat_template is {given!r}, neither a template (nothing in it stands in {{{{ }}}} or {{% %}}) nor a "
            f"file that can be read ({error}); give one of them, or null for the tokenizer's own"
        ) from error


def left_template(folder: Path) -> str | None:
    """The template in an artifact's folder; None where the tokenizer's own is used."""
    return (folder / TEMPLATE).read_text(encoding="utf-8") if (folder / TEMPLATE).is_file() else None


def check_template(template: str) -> None:
    """Raises RecipeError where a template is none, or a plain conversation cannot be laid out by it.

    A template may ask for what only some conversations have; what it says with `raise_exception` of this one is no
    mistake of the template.
    """
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment, SecurityError

    class RefusedError(Exception):
        pass

    def refuse(message: Any) -> None:
        raise RefusedError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals |= {"raise_exception": refuse, "strftime_now": lambda form: "today"}
    text = re.sub(r"\{%-?\s*(end)?generation\s*-?%\}", "", template)  # transformers' own tags
    try:
        environment.from_string(text).render(
            messages=[{"role": "user", "content": "2 + 3?"}, {"role": "assistant", "content": "5"}],
            bos_token="<s>", eos_token="</s>", pad_token="</s>", add_generation_prompt=False,
        )  # fmt: skip
    except RefusedError:
        return
    except (TemplateError, SecurityError, TypeError, ValueError, LookupError, ArithmeticError, RecursionError) as error:
        raise RecipeError(
            f"pool.chat_template cannot lay out a conversation: {error}; mend it, or give null for the tokenizer's own"
        ) from error


@lru_cache
def timeless(template: str) -> str:
    """The template with CHAT_DATE for today: the same conversation has the same text on any day, on any machine.

    Raises RecipeError where the template draws at random.
    """
    if drawn := _drawn(template):
        raise RecipeError(
            f"the chat template draws at random ({drawn}), so that the same conversation has other tokens each time; "
            "give one that does not as pool.chat_template"
        )
    return _clock() + template if CLOCK in template else template


def _clock() -> str:
    """A macro that stands in the way of the function that asks the clock; it prints nothing itself.

    What follows each percent sign is looked up: Jinja takes a second for a chain of as many replacements.
    """
    flags = ("", str), ("-", lambda text: text.lstrip("0 ") or text[-1:]), ("^", str.upper)
    told = {f"{flag}{key}": write(text) for flag, write in flags for key, text in DIRECTIVES.items()}
    looked_up = "".join(
        f"{{% elif part[:{length}] in told %}}{{{{ told[part[:{length}]] ~ part[{length}:]|replace('\\x00', '%') }}}}"
        for length in (2, 1)
    )
    return (
        f"{{% macro {CLOCK}(format) %}}{{% set told = {told!r} %}}"
        "{% for part in format.replace('%%', '\\x00').split('%') %}"
        "{% if loop.first %}{{ part|replace('\\x00', '%') }}"
        f"{looked_up}{{% else %}}{{{{ '%' ~ part|replace('\\x00', '%') }}}}"
        "{% endif %}{% endfor %}{% endmacro %}\n"
    )


def _drawn(template: str) -> str | None:
    """What of Jinja's random filter or text a template uses; a template that is none is not looked into."""
    from jinja2 import Environment, TemplateSyntaxError, nodes

    try:
        tree = Environment(extensions=["jinja2.ext.loopcontrols"]).parse(BLOCK_TAGS.sub("", template))
    except (TemplateSyntaxError, RecursionError):
        return None
    filters = list(tree.find_all(nodes.Filter))
    mapped = [each for found in filters if found.name == "map" for each in found.find_all(nodes.Const)]
    if any(found.name == "random" for found in filters) or any(each.value == "random" for each in mapped):
        return "the filter `random`"
    return "`lipsum`" if any(name.name == "lipsum" for name in tree.find_all(nodes.Name)) else None
