"""Where the chat template of a recipe comes from, and where it is left for the stages that use it."""

from pathlib import Path

from winnow.errors import RecipeError

TEMPLATE = "chat_template.jinja"
"""File of an artifact that holds the recipe's chat template."""


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
