"""Local files in the place of a task's hub data: where they stand, and the hub's columns made of theirs.

    splits = read_splits(Path("../shared/data"), FILES["hellaswag"])    # {"validation": [row, ...]}

Each file is `<data_dir>/<file>.jsonl`, `.jsonl.gz`, `.jsonl.zst` or `.parquet`. Rows may have the hub's columns, which
stay as they are, or the ones that an adapter below knows.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from winnow.errors import DataError
from winnow.store import hash_file

Row = dict[str, Any]
ENDINGS = ".jsonl.gz", ".jsonl", ".jsonl.zst", ".parquet"


def _as_it_is(row: Row) -> Row:
    return row


@dataclass(frozen=True)
class LocalData:
    """The files of one task."""

    splits: Mapping[str, str]
    """Split, as lm-eval names it -> file, without its ending."""
    columns: tuple[str, ...]
    """The hub's columns that the task reads."""
    adapt: Callable[[Row], Row] = _as_it_is
    """From a stored row to the hub's columns."""
    subset_column: str | None = None
    """Column that tells the subsets of a task apart, where one file holds them all."""
    optional: frozenset[str] = frozenset({"train"})
    """Splits that only few-shot examples need."""


def labelled_choices(row: Row) -> Row:
    """ARC: a list of choices and the number of the right one."""
    if "gold" not in row:
        return row
    labels = list(ascii_uppercase[: len(row["choices"])])
    return {
        "id": row["id"],
        "question": row["question"],
        "choices": {"text": row["choices"], "label": labels},
        "answerKey": labels[row["gold"]],
    }


def hellaswag(row: Row) -> Row:
    """The form without the activity's label: `query`, `choices`, `gold`."""
    if "endings" in row:
        return row
    activity, _, context = row["query"].partition(": ")
    return {
        "activity_label": activity, "ctx_a": context, "ctx_b": "", "endings": row["choices"], "label": row["gold"],
    }  # fmt: skip


def truthfulqa(row: Row) -> Row:
    """Each answer's truth by its text, instead of two lists."""
    names = [name for name in ("mc1_targets", "mc2_targets") if "choices" not in row[name]]
    lists = {name: {"choices": list(row[name]), "labels": list(row[name].values())} for name in names}
    return row | lists


def mmlu(row: Row) -> Row:
    """The right choice as a letter instead of a number."""
    return row | {"answer": "ABCD".index(row["answer"])} if isinstance(row["answer"], str) else row


def commonsense_qa(row: Row) -> Row:
    """The question and its choices as the authors' files nest them."""
    question = row["question"]
    if isinstance(question, str):
        return row
    choices = {key: [choice[key] for choice in question["choices"]] for key in ("label", "text")}
    return {"id": row["id"], "question": question["stem"], "choices": choices, "answerKey": row["answerKey"]}


def boolq(row: Row) -> Row:
    """The answer as a word instead of a number."""
    return row if "label" in row else row | {"label": int(str(row["answer"]).casefold() in ("true", "1", "yes"))}


def lambada(row: Row) -> Row:
    """The last word apart from what stands before it."""
    return row if "text" in row else {"text": f"{row['context']} {row['continuation']}"}


def math_500(row: Row) -> Row:
    """Without a worked solution: the answer in a box, which is all that the task reads of it."""
    return row if "solution" in row else row | {"solution": rf"\boxed{{{row['answer']}}}"}


ARC_COLUMNS = "question", "choices", "answerKey"
TRUTHFULQA_COLUMNS = "question", "mc1_targets", "mc2_targets"
FILES = {
    "hellaswag": LocalData(
        {"validation": "hellaswag/val", "train": "hellaswag/train"},
        ("activity_label", "ctx_a", "ctx_b", "endings", "label"), hellaswag,
    ),
    "arc_easy": LocalData({"test": "arc_easy/test", "train": "arc_easy/train"}, ARC_COLUMNS, labelled_choices),
    "arc_challenge": LocalData(
        {"test": "arc_challenge/test", "train": "arc_challenge/train"}, ARC_COLUMNS, labelled_choices
    ),
    "piqa": LocalData({"validation": "piqa/dev", "train": "piqa/train"}, ("goal", "sol1", "sol2", "label")),
    "winogrande": LocalData(
        {"validation": "winogrande/dev", "train": "winogrande/train_xl"}, ("sentence", "option1", "option2", "answer")
    ),
    "truthfulqa_mc1": LocalData({"validation": "truthfulqa/mc"}, TRUTHFULQA_COLUMNS, truthfulqa),
    "truthfulqa_mc2": LocalData({"validation": "truthfulqa/mc"}, TRUTHFULQA_COLUMNS, truthfulqa),
    "mmlu": LocalData(
        {"test": "mmlu/test", "dev": "mmlu/dev"}, ("subject", "question", "choices", "answer"), mmlu,
        subset_column="subject", optional=frozenset({"dev"}),
    ),
    "commonsense_qa": LocalData(
        {"validation": "commonsense_qa/dev", "train": "commonsense_qa/train"}, ARC_COLUMNS, commonsense_qa
    ),
    "boolq": LocalData(
        {"validation": "boolq/dev", "train": "boolq/train"}, ("question", "passage", "label"), boolq
    ),
    "lambada_openai": LocalData({"test": "lambada/test_openai"}, ("text",), lambada),
    "gsm8k": LocalData({"test": "gsm8k/test", "train": "gsm8k/train"}, ("question", "answer")),
    "minerva_math500": LocalData({"test": "math/test500"}, ("problem", "solution"), math_500),
    "ifeval": LocalData(
        {"train": "ifeval/input_data"}, ("prompt", "instruction_id_list", "kwargs"), optional=frozenset()
    ),
}  # fmt: skip
"""Task -> its files."""


def local_files(data_dir: Path, data: LocalData, *, needs_optional: bool) -> dict[str, Path]:
    """Split -> file. Raises DataError naming the first one that is missing."""
    found = {}
    for split, name in data.splits.items():
        if split in data.optional and not needs_optional:
            continue
        place = _place(data_dir, name)
        if place is None:
            raise DataError(f"{data_dir / name} has no file ({', '.join(ENDINGS)})")
        found[split] = place
    return found


def file_digests(data_dir: Path, task: str) -> dict[str, str | None]:
    """File of a task -> its hash, null where it is not there."""
    places = {name: _place(data_dir, name) for name in FILES[task].splits.values()}
    return {name: None if place is None else hash_file(place) for name, place in places.items()}


def _place(data_dir: Path, name: str) -> Path | None:
    places = [data_dir / f"{name}{ending}" for ending in ENDINGS]
    return next((place for place in places if place.is_file()), None)


def read_splits(files: Mapping[str, Path], data: LocalData) -> dict[str, list[Row]]:
    """Split -> rows with the hub's columns. Raises DataError where a file is no such file or lacks a column."""
    found = {}
    for split, place in files.items():
        try:
            found[split] = [data.adapt(row) for row in _rows(place)]
        except (KeyError, ValueError, TypeError, AttributeError, OSError) as error:
            reason = f"column {error} is missing" if isinstance(error, KeyError) else str(error)
            raise DataError(f"{place} cannot be read as this task's rows: {reason}") from error
        if not found[split]:
            raise DataError(f"{place} has no rows")
        lacking = [column for column in data.columns for row in found[split] if column not in row]
        if lacking:
            raise DataError(f"{place} has rows without {lacking[0]!r}; the task reads {', '.join(data.columns)}")
    return found


def _rows(place: Path) -> Iterable[Row]:
    if place.suffix == ".parquet":
        rows: list[Row] = pq.read_table(place).to_pylist()
        return rows
    with pa.input_stream(str(place), compression="detect") as stream:
        lines = stream.read().decode("utf-8").split("\n")  # a row may hold other line ends
    return [json.loads(line) for line in lines if line.strip()]
