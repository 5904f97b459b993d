import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
sys.path.insert(0, str(Path(__file__).parent))
import toys
from toys import EOS, choice_examples, token_table, toy_examples, toy_model, toy_tokenizer, whole_batch

from winnow.evaluation.scoring import score_set
from winnow.evaluation.sets import tokenised_sets
from winnow.models.forward import Losses
from winnow.models.rows import sft_rows

one_cpu_thread = toys.one_cpu_thread


@pytest.fixture(scope="session")
def examples():
    return [*toy_examples(3), *choice_examples()]


@pytest.fixture(scope="session")
def expert(examples):
    """A toy model that knows all examples by heart."""
    torch.set_num_threads(1)
    model = toy_model()
    batch, losses = whole_batch(sft_rows(token_table(examples), loss_on="completion")), Losses(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(200):
        loss = losses.of_targets(batch).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if loss < 0.02:
            break
    return model.eval()


@pytest.fixture
def make_sets(examples):
    """The examples as evaluation sets, some columns of their table replaced."""

    def build(max_tokens=96, **columns):
        table = token_table(examples)
        for name, values in columns.items():
            table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), [values])
        return tokenised_sets(table, toy_tokenizer(), max_tokens=max_tokens)

    return build


@pytest.fixture
def score():
    def run(model, items, batch_size=8):
        return score_set(model, items, toy_tokenizer(), eos_id=EOS, max_new_tokens=30, batch_size=batch_size)

    return run
