"""The benchmarks by lm-eval's names: prompts, splits and metrics are lm-eval's, the data local or the hub's.

    with repeatable():
        for part in load("mmlu", data_dir=Path("../shared/data")): ...    # one lm-eval task per subject

A task that cannot run here raises DataError saying why: data out of reach, a package that is missing.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lm_eval.tasks
import numpy as np
from datasets import Dataset
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks import TaskManager
from lm_eval.tasks._yaml_loader import load_yaml

from winnow.errors import DataError
from winnow.evaluation.benchmarks.local_data import FILES, Row, local_files, read_splits
from winnow.recipe import BENCHMARKS

FEWSHOT_SEED = 1234
"""lm-eval's own, so that it draws the same examples."""
NEEDS_SENTENCES = "length_constraints:number_sentences", "change_case:capital_word_frequency"
"""Instructions of IFEval that are checked with a tokenizer that nltk fetches."""
CONFIGS = {
    "hellaswag": "hellaswag/hellaswag.yaml",
    "arc_easy": "arc/arc_easy.yaml",
    "arc_challenge": "arc/arc_challenge.yaml",
    "piqa": "piqa/piqa.yaml",
    "winogrande": "winogrande/default.yaml",
    "truthfulqa_mc1": "truthfulqa/truthfulqa_mc1.yaml",
    "truthfulqa_mc2": "truthfulqa/truthfulqa_mc2.yaml",
    "mmlu": "mmlu/default/mmlu_*.yaml",
    "commonsense_qa": "commonsense_qa/default.yaml",
    "boolq": "super_glue/boolq/default.yaml",
    "lambada_openai": "lambada/lambada_openai.yaml",
    "gsm8k": "gsm8k/gsm8k.yaml",
    "minerva_math500": "minerva_math/minerva_math500.yaml",
    "ifeval": "ifeval/ifeval.yaml",
}
"""Task -> where lm-eval describes it."""


@dataclass(frozen=True)
class LoadedTask:
    """One lm-eval task, ready to be asked."""

    subset: str
    """Of its benchmark; empty where there are none."""
    task: ConfigurableTask
    left_out: str = ""
    """Which items cannot be checked here, and why."""


def load(
    name: str, *, data_dir: Path | None, num_fewshot: int | None = None, limit: int | None = None
) -> list[LoadedTask]:
    """The lm-eval tasks of a benchmark, from local files or the hub; `num_fewshot` null for the usual number.

    With a `limit` no more of the local items are prepared. Raises DataError, without the task's name, where it cannot
    run here.
    """
    try:
        return _load(name, data_dir, num_fewshot, limit)
    except DataError:
        raise
    # lm-eval and datasets raise whatever their own libraries do; which of them it was is all that matters here.
    except Exception as error:
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        where = "lm-eval's hub data" if data_dir is None else f"data in {data_dir}"
        raise DataError(f"{where} cannot be used: {type(error).__name__}: {first[:200]}") from error


def _load(name: str, data_dir: Path | None, num_fewshot: int | None, limit: int | None) -> list[LoadedTask]:
    shots = BENCHMARKS[name] if num_fewshot is None else num_fewshot
    configs = config_of(name)
    left_out = ""
    if data_dir is not None:
        local = read_splits(local_files(data_dir, FILES[name], needs_optional=shots > 0), FILES[name])
        if name == "ifeval":
            local, left_out = _checkable(local)
        if (column := FILES[name].subset_column) is not None:
            configs, left_out = _with_rows(configs, local["test"], column)
        configs = [_with_local_data(config, local, FILES[name].subset_column, limit) for config in configs]
    elif name == "ifeval":
        configs = [config | {"process_docs": _only_checkable} for config in configs]
    found = []
    manager = TaskManager(include_defaults=False)
    for config in configs:
        (task,) = manager.load([config])["tasks"].values()
        task.set_config(key="num_fewshot", value=shots)
        task.set_fewshot_seed(seed=FEWSHOT_SEED)
        subset = str(config.get("dataset_name")) if len(configs) > 1 else ""
        found.append(LoadedTask(subset, task, left_out))
    return found


def config_of(name: str) -> list[dict[str, Any]]:
    """lm-eval's own configurations of a benchmark, one per subset."""
    root = Path(lm_eval.tasks.__file__).parent
    return [load_yaml(place) for place in sorted(root.glob(CONFIGS[name]))]


def _with_rows(configs: list[dict[str, Any]], rows: list[Row], column: str) -> tuple[list[dict[str, Any]], str]:
    """The subsets that have items here, and what is left out."""
    there = {row[column] for row in rows}
    kept = [config for config in configs if config["dataset_name"] in there]
    if not kept:
        raise DataError(f"no item's {column} is one that lm-eval knows")
    gone = f"{len(configs) - len(kept)} of {len(configs)} subsets have no items here"
    return kept, gone if len(kept) < len(configs) else ""


def _with_local_data(
    config: dict[str, Any], local: dict[str, list[Row]], subset_column: str | None, limit: int | None
) -> dict[str, Any]:
    """The configuration reading these rows; splits that are not there are not asked for."""
    subset = config.get("dataset_name")
    chosen = {
        split: [row for row in rows if subset_column is None or row[subset_column] == subset]
        for split, rows in local.items()
    }
    asked = config["test_split"] if config.get("test_split") in chosen else config["validation_split"]
    chosen[asked] = chosen[asked][:limit]
    gone = [key for key in ("training_split", "validation_split", "fewshot_split") if config.get(key) not in chosen]
    prepare = config.get("process_docs")

    def datasets(**_: Any) -> dict[str, Dataset]:
        return {split: Dataset.from_list(rows) for split, rows in chosen.items()}

    own = {"custom_dataset": datasets, "dataset_kwargs": None, "process_docs": prepare and _Once(prepare)}
    return config | dict.fromkeys(gone) | own


class _Once:
    """A preparation of whole splits that is done once for each; lm-eval asks for it again and again."""

    def __init__(self, prepare: Callable[[Dataset], Dataset]) -> None:
        self.prepare = prepare
        self.done: dict[int, tuple[Dataset, Dataset]] = {}

    def __call__(self, dataset: Dataset) -> Dataset:
        if id(dataset) not in self.done:
            self.done[id(dataset)] = dataset, self.prepare(dataset)  # both kept, so that no id comes twice
        return self.done[id(dataset)][1]


def _checkable(local: dict[str, list[Row]]) -> tuple[dict[str, list[Row]], str]:
    """The rows of IFEval whose instructions can be checked here, and what is left out."""
    if _has_sentence_tokenizer():
        return local, ""
    rows = local["train"]
    kept = [row for row in rows if not set(NEEDS_SENTENCES) & set(row["instruction_id_list"])]
    why = (
        f"{len(rows) - len(kept)} of {len(rows)} items ask for {' or '.join(NEEDS_SENTENCES)}, which is checked with "
        "nltk's punkt_tab; it is not here and could not be fetched"
    )
    return {"train": kept}, why


def _only_checkable(dataset: Dataset) -> Dataset:
    if _has_sentence_tokenizer():
        return dataset
    return dataset.filter(lambda row: not set(NEEDS_SENTENCES) & set(row["instruction_id_list"]))


def _has_sentence_tokenizer() -> bool:
    """Whether nltk has its sentence tokenizer; lm-eval's import of the checkers has tried to fetch it."""
    import langdetect
    from lm_eval.tasks.ifeval import instructions_util

    langdetect.DetectorFactory.seed = 0
    try:
        return bool(instructions_util.count_sentences("One. Two.") == 2)
    except LookupError:
        return False


@contextmanager
def repeatable() -> Iterator[None]:
    """Inside the block whatever draws at random, as IFEval's checkers may, draws the same; the states come back."""
    states = random.getstate(), np.random.get_state()
    random.seed(0)
    np.random.seed(FEWSHOT_SEED)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
