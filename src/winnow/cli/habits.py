"""Ways of asking that people bring from other tools: understood where they are plain, else answered with the right one.

winnow my.yaml                  winnow run my.yaml
winnow run --config my.yaml     winnow run my.yaml
winnow select list              winnow select --list
winnow eval my.yaml             there is no verb 'eval'; winnow evaluate RECIPE scores the checkpoints
"""

from collections.abc import Collection, Sequence

from winnow.errors import nearest, visible

RECIPE_ENDINGS = ".yaml", ".yml"
CONFIG = "--config"
MEANT = {
    "winnow run RECIPE does the whole study": (
        "fit", "finetune", "fine-tune", "sft", "start", "launch", "resume", "continue", "study", "exec", "go",
    ),
    "winnow evaluate RECIPE scores the checkpoints": ("eval", "test", "score", "benchmark", "bench", "predict"),
    "winnow select --list shows the selectors": ("ls", "list", "selectors", "methods"),
    "winnow plan RECIPE says what it would cost": ("estimate", "cost", "check", "validate", "dry-run", "dryrun"),
    "winnow report STUDY makes tables and page again": ("show", "view", "open", "results", "tables", "plot", "summary"),
    "winnow watch STUDY shows a study while it runs": ("status", "monitor", "tail", "progress", "serve", "ui"),
    "winnow select RECIPE --arm ARM --export DIR writes an arm's rows": ("export", "save", "dump"),
    "winnow publish STUDY --repo USER/NAME pushes a study": ("push", "upload", "share"),
    "winnow compare RUNS... --baseline ARM compares runs": ("diff", "versus", "vs"),
    "winnow pool RECIPE builds the pool": ("data", "dataset", "prepare", "preprocess", "tokenize", "filter", "dedup"),
    "winnow init DATA... --model NAME writes a first recipe": ("new", "create", "quickstart", "setup", "configure"),
    "winnow --version prints the version": ("version",),
    "winnow --help shows all verbs": ("help",),
}  # fmt: skip
"""What does it here -> what it is called elsewhere."""


def as_meant(arguments: Sequence[str], verbs: Collection[str]) -> list[str]:
    """The arguments as winnow takes them; what has one meaning alone is put right."""
    words = _without_config(arguments)
    if words and words[0] not in verbs and words[0].lower().endswith(RECIPE_ENDINGS):
        return ["run", *words]
    if words[:2] == ["select", "list"]:
        return ["select", "--list", *words[2:]]
    return words


def _without_config(arguments: Sequence[str]) -> list[str]:
    """A recipe given by an option stands behind the verb instead."""
    words = list(arguments)
    for place, word in enumerate(words):
        if word == CONFIG and place + 1 < len(words):
            recipe, rest = words[place + 1], words[:place] + words[place + 2 :]
        elif word.startswith(f"{CONFIG}="):
            recipe, rest = word.removeprefix(f"{CONFIG}="), words[:place] + words[place + 1 :]
        else:
            continue
        has_verb = bool(rest) and not rest[0].startswith("-")
        return [*rest[:has_verb], recipe, *rest[has_verb:]]
    return words


def hint(arguments: Sequence[str], verbs: Collection[str]) -> str | None:
    """What to say of a verb that there is not; None where there is no such word."""
    word = arguments[0] if arguments else "-"
    if word.startswith("-") or word in verbs:
        return None
    meant = next((what for what, others in MEANT.items() if word.lower() in others), None)
    known = f"winnow has {', '.join(sorted(verbs))}"
    return f"there is no verb {visible(word)!r}{'' if meant else nearest(word, verbs)}; {meant or known}"
