"""Evaluation on the way of a run on plain text: windows of what is held out of each source, and of other text."""

from collections.abc import Mapping

import pyarrow.parquet as pq

from winnow.evaluation.probe import build_probe
from winnow.evaluation.sets import tokenised_sets
from winnow.evaluation.windows import in_domain_sets, out_of_domain_sets
from winnow.recipe import EvaluationRecipe
from winnow.records import Probe, Stored
from winnow.text.chat_templates import left_template
from winnow.text.tokenizers import eos_id, tokenizer_of


def text_probe(
    recipe: EvaluationRecipe, inputs: Mapping[str, Stored], tests: Stored | None, *, context_tokens: int
) -> Probe:
    """A probe whose validation loss is the mean over sources, each counting alike; without `tests` it sees no other."""
    tokenizer = tokenizer_of(inputs["tokenizer"])
    own = in_domain_sets(inputs, tokenizer, context_tokens=context_tokens)
    others = []
    if tests is not None:
        table, template = pq.read_table(tests.folder / "tests.parquet"), left_template(tests.folder)
        others = out_of_domain_sets(tests, tokenizer, context_tokens=context_tokens)
        others += tokenised_sets(table, tokenizer, max_tokens=context_tokens, template=template)
    return build_probe(
        sets=[each.sample(recipe.sample) for each in (*own, *others)], held_out={},
        validates=[each.name for each in own], tokenizer=tokenizer, eos_id=eos_id(tokenizer),
        max_new_tokens=recipe.max_new_tokens, batch_size=recipe.batch_size, measures=recipe.asked,
    )  # fmt: skip
