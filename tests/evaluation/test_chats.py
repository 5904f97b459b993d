"""Evaluation sets of conversations: prompt, last answer, where it stops, when it is right."""

import numpy as np
import pytest
from toys import naive_losses, toy_model

from winnow.errors import DataError
from winnow.evaluation.sets import tokenised_sets
from winnow.models.generate import Generated
from winnow.models.rows import pad
from winnow.text.examples import build_example, to_table

TEMPLATE = (
    "{% for m in messages %}{{ m.role + ': ' + m.content + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
TALKS = [
    (("user", f"{n} + 1?"), ("assistant", "Wait."), ("user", "Well?"), ("assistant", f"Done.\n#### {n + 1}"))
    for n in range(4)
]


@pytest.fixture
def tokenizer():
    from winnow.recipe import TokenizerRecipe
    from winnow.text.tokenizers import train_tokenizer

    made = train_tokenizer(["user: Tom has 12 eggs"], TokenizerRecipe(vocab_size=265), 96)
    made.add_special_tokens({"additional_special_tokens": ["<|end|>"]})
    return made


@pytest.fixture
def items(tokenizer):
    table = to_table(build_example("talks", "?", answer=str(n + 1), messages=talk) for n, talk in enumerate(TALKS))
    (made,) = tokenised_sets(table, tokenizer, max_tokens=96, template=TEMPLATE)
    return made


def test_only_the_last_answer_is_scored_and_all_before_it_is_the_prompt(items, tokenizer):
    for at in range(len(TALKS)):
        prompt, row = tokenizer.decode(items.prompts[at]), items.rows.row(at)
        assert prompt.endswith("user: Well?<|end|>\nassistant: ") and "Wait.<|end|>" in prompt
        assert tokenizer.decode(row[len(items.prompts[at]) :]).endswith(f"#### {items.answers[at]}<|end|>")
        assert items.rows.target_from[at] == len(items.prompts[at])
    assert items.stop_id == tokenizer.convert_tokens_to_ids("<|end|>") != tokenizer.eos_token_id
    assert items.sample(2).stop_id == items.stop_id


def test_its_loss_is_a_plain_cross_entropy_of_the_last_answer(items, tokenizer, monkeypatch):
    from winnow.evaluation import scoring

    asked = {}

    def generate(model, prompts, *, eos_id, **_):
        asked["eos_id"] = eos_id
        said = [f"So\n#### {answer}" for answer in items.answers[:2]] + ["no idea", f"{items.answers[3]} eggs"]
        return Generated([tokenizer(text)["input_ids"] for text in said], 0)

    monkeypatch.setattr(scoring, "generate_greedy", generate)
    model = toy_model(spread=0.2)
    scored = scoring.score_set(model, items, tokenizer, eos_id=0, max_new_tokens=9, batch_size=4)
    naive = [sum(naive_losses(model, items.rows.row(i), len(items.prompts[i]))) for i in range(4)]
    assert scored.losses.tolist() == pytest.approx(naive, rel=1e-5)
    assert asked["eos_id"] == items.stop_id
    assert scored.correct.tolist() == [True, True, False, True]
    assert scored.extracted[2] == "no idea"


def test_a_mask_puts_targets_into_earlier_turns(tokenizer):
    import pyarrow as pa

    from winnow.models.rows import sft_rows
    from winnow.text.chat import ChatTemplate

    row = ChatTemplate(tokenizer, TEMPLATE).encode(TALKS[0], name="x").cut(96)
    table = pa.table(
        {
            "id": ["chat", "plain"], "prompt_ids": [row.prompt_ids, [5, 6]],
            "completion_ids": [row.completion_ids, [7]], "is_target": [row.is_target, None],
        }
    )  # fmt: skip
    rows = sft_rows(table, loss_on="completion")
    batch = pad(rows, np.array([0, 1]))
    assert batch.is_target[0].tolist() == row.is_target
    assert batch.is_target[1, :4].tolist() == [False, False, True, False]
    again = pad(rows.take([1, 0]), np.array([1]))
    assert again.is_target[0].tolist() == row.is_target
    assert pad(sft_rows(table, loss_on="all"), np.array([0])).is_target[0, 1:].all()
    with pytest.raises(DataError, match="no token of example chat is a target; its mask is all zero"):
        sft_rows(table.set_column(3, "is_target", [[[False] * len(row.is_target), None]]), loss_on="completion")
