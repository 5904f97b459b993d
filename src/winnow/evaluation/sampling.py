"""The sampling stage: several answers to each prompt of the evaluation sets, each judged, none thrown away.

Tables make of them how often one of k answers is right, and how many different ones there are.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from winnow.errors import DataError
from winnow.evaluation.measures.exact_match import is_right
from winnow.evaluation.scoring import answer_in
from winnow.evaluation.sets import EvaluationSet, tokenised_sets
from winnow.models.flops import flop_model
from winnow.models.generate import context_of
from winnow.models.loading import load_model
from winnow.models.sampling import Drawn, draw_samples
from winnow.recipe.measuring import SamplePart
from winnow.records import Context, Cost, Outcome, Stored
from winnow.store import write_json
from winnow.text.chat_templates import left_template
from winnow.text.tokenizers import eos_id, tokenizer_of

ANSWERS = "answers.parquet"
COLUMNS = pa.schema(
    [
        ("set", pa.string()), ("id", pa.string()), ("sample", pa.int64()), ("output", pa.string()),
        ("extracted", pa.string()), ("is_right", pa.bool_()), ("target", pa.string()),
    ]
)  # fmt: skip


def sample_answers(part: SamplePart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """So many answers to each prompt with a final answer. Inputs: `run`, `tests`, `tokenizer`.

    Leaves `answers.parquet`, a row an answer, and `sampling.json`. Raises DataError where no item has a final answer.
    """
    started = time.perf_counter()
    torch.set_num_threads(part.threads)
    tokenizer, model = tokenizer_of(inputs["tokenizer"]), load_model(inputs["run"], part.checkpoint)
    folder = inputs["tests"].folder
    table = pq.read_table(folder / "tests.parquet")
    sets = tokenised_sets(table, tokenizer, max_tokens=context_of(model), template=left_template(folder))
    asked = [
        chosen for items in sets if part.sets is None or items.name in part.sets for chosen in [_final(items, part)]
    ]
    asked = [items for items in asked if items.answers]
    if not asked:
        raise DataError("evaluation.sampling: no item of its sets has a final answer, so none can be right; remove it")
    rows, cost = list[dict[str, Any]](), Cost()
    for done, items in enumerate(asked):
        context.progress.update(done, len(asked), items.name)
        drawn = draw(model, items, part, eos_id=eos_id(tokenizer))
        rows += judged(items, drawn, tokenizer)
        cost += _cost(model, items, drawn)
    pq.write_table(pa.Table.from_pylist(rows, schema=COLUMNS), context.folder / ANSWERS, compression="zstd")
    facts = {"checkpoint": part.checkpoint, "num_samples": part.num_samples, "temperature": part.temperature}
    facts |= {"items": len(rows) // part.num_samples, "right": sum(row["is_right"] for row in rows)}
    write_json(context.folder / "sampling.json", facts)
    cost += Cost(seconds=time.perf_counter() - started)
    return Outcome(outputs=(ANSWERS, "sampling.json"), numbers=facts, costs={"evaluate": cost})


def _final(items: EvaluationSet, part: SamplePart) -> EvaluationSet:
    """The first items with final answers, by id: a fixed random sample."""
    return items.take(items.final[: part.limit])


def draw(model: Any, items: EvaluationSet, part: SamplePart, *, eos_id: int) -> Drawn:
    """The answers of one set."""
    return draw_samples(
        model, items.prompts, keys=[f"{items.name}:{name}" for name in items.rows.names], num_samples=part.num_samples,
        seed=part.seed, temperature=part.temperature, max_new_tokens=part.max_new_tokens,
        eos_id=eos_id if items.stop_id is None else items.stop_id, batch_size=part.batch_size,
    )  # fmt: skip


def judged(items: EvaluationSet, drawn: Drawn, tokenizer: Any) -> Iterator[dict[str, Any]]:
    """A row for each answer."""
    for place, samples in enumerate(drawn.samples):
        outputs: Sequence[str] = tokenizer.batch_decode(samples, skip_special_tokens=True)
        for sample, output in enumerate(outputs):
            extracted = answer_in(output, items.num_options[place], items)
            yield {
                "set": items.name, "id": items.rows.names[place], "sample": sample, "output": output,
                "extracted": extracted, "is_right": is_right(extracted, items.answers[place]),
                "target": items.answers[place],
            }  # fmt: skip


def _cost(model: Any, items: EvaluationSet, drawn: Drawn) -> Cost:
    """Each prompt is read for each of its answers."""
    lengths = np.array([
        len(prompt) + len(sample)
        for prompt, samples in zip(items.prompts, drawn.samples, strict=True) for sample in samples
    ])  # fmt: skip
    return Cost(flops=float(flop_model(model).forward(lengths).sum()), tokens=int(lengths.sum()))
