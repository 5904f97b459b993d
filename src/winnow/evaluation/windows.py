"""Plain text as evaluation sets: documents cut into windows of one length, without overlap.

The first token of a window is no target, since nothing stands before it, and no end token is. Beside each window stand
the bytes that its targets' text has, so that models with other tokenizers can be compared.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnow.columns import read_columns
from winnow.errors import DataError
from winnow.evaluation.sets import EvaluationSet
from winnow.models.rows import rows_of
from winnow.records import Stored
from winnow.text.tokenizers import encode_with_ends

TOKENS_OF = "tokens."
"""How the roles of inputs begin that hold the tokens of a source."""
VALIDATION, TEXTS, DOCUMENTS = "validation.parquet", "texts.parquet", "documents.parquet"


def in_domain_sets(inputs: Mapping[str, Stored], tokenizer: Any, *, context_tokens: int) -> list[EvaluationSet]:
    """What is held out of each source that a run trains on."""
    found = []
    for role, stored in inputs.items():
        if role.startswith(TOKENS_OF):
            table = read_columns(stored.folder / VALIDATION, ["id", "text"])
            documents = zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True)
            found.append(window_set(role.removeprefix(TOKENS_OF), documents, tokenizer, context_tokens=context_tokens))
    return found


def target_set(documents: Stored, tokenizer: Any, *, context_tokens: int) -> EvaluationSet:
    """The text that shares are learned for, by its source's name."""
    table = read_columns(documents.folder / DOCUMENTS, ["id", "text"])
    rows = zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True)
    return window_set(documents.numbers["source"], rows, tokenizer, context_tokens=context_tokens)


def out_of_domain_sets(tests: Stored, tokenizer: Any, *, context_tokens: int) -> list[EvaluationSet]:
    """The text that a recipe names beside its sources; none where it names none."""
    if not (tests.folder / TEXTS).is_file():
        return []
    table = read_columns(tests.folder / TEXTS, ["source", "id", "text"])
    by_set = dict[str, list[tuple[str, str]]]()
    for name, identity, text in zip(*(column.to_pylist() for column in table.columns), strict=True):
        by_set.setdefault(name, []).append((identity, text))
    return [window_set(name, each, tokenizer, context_tokens=context_tokens) for name, each in by_set.items()]


def window_set(
    name: str, documents: Iterable[tuple[str, str]], tokenizer: Any, *, context_tokens: int
) -> EvaluationSet:
    """The windows of these documents, ids and texts, in the order of ids. Raises DataError where there is no target."""
    names, rows, sizes = list[str](), list[NDArray[np.int32]](), list[int]()
    for identity, text in sorted(documents):
        ids, ends = encode_with_ends(tokenizer, text)
        at = byte_ends(text, ends)
        for start in range(0, len(ids) - 1, context_tokens):
            window = ids[start : start + context_tokens]
            if len(window) > 1:
                names.append(f"{identity}@{start}")
                rows.append(np.array(window, dtype=np.int32))
                sizes.append(int(at[start + len(window) - 1] - at[start]))
    if not names:
        raise DataError(f"evaluation text {name!r} has no two tokens in a row; give more text")
    count = len(names)
    return EvaluationSet(
        name, rows_of(names, rows, np.ones(count, dtype=np.int64)), [[]] * count, [""] * count, [0] * count,
        is_open=(True,) * count, texts=("",) * count, target_bytes=tuple(sizes),
    )  # fmt: skip


def byte_ends(text: str, ends: list[int]) -> NDArray[np.int64]:
    """[tokens]: where tokens that end before these characters of a text end in its UTF-8."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    widths = 1 + (codes > 0x7F).astype(np.int64) + (codes > 0x7FF) + (codes > 0xFFFF)
    found: NDArray[np.int64] = np.concatenate([[0], np.cumsum(widths)])[np.array(ends, dtype=np.int64)]
    return found
