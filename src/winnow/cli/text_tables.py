"""Plain-text tables of studies of plain text: what each arm would read, and what the sources hold."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from winnow.cli.tables import marked_licence, table_lines

if TYPE_CHECKING:
    from winnow.verbs.plan import Plan


def mixture_lines(plan: "Plan") -> list[str]:
    """What one run of each arm reads of every source; nothing where the plan knows of none."""
    if not plan.mixtures:
        return []
    heads = ["arm", "source", "share", "tokens", "unique tokens", "epochs", "effective tokens"]
    rows = [
        [
            each.arm, each.source, f"{each.share:.1%}", f"{each.tokens:,}", f"{each.unique_tokens:,}",
            f"{each.epochs:.3g}", f"{each.effective_tokens:,}",
        ]
        for each in plan.mixtures
    ]  # fmt: skip
    return ["", "what one run reads:", *table_lines(heads, rows)]


def text_pool_lines(statistics: Mapping[str, Any]) -> list[str]:
    """The sources of plain text, for people."""
    keys = "read", "repeats", "overlaps", "left_out", "documents", "tokens", "validation_documents", "validation_tokens"
    heads = ["source", "licence", "read", "repeated", "in evaluation sets", "left out", "train", "tokens", "validation",
             "validation tokens"]  # fmt: skip
    rows = [
        [source["name"], marked_licence(source["licence"]), *(f"{source[key]:,}" for key in keys)]
        for source in statistics["sources"]
    ]
    total = f"{statistics['documents']:,} documents to train on, {statistics['tokens']:,} tokens, end tokens included"
    return [*table_lines(heads, rows), total]
