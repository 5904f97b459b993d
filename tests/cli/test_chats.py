"""A study of conversations from files to report, with a stage that is branched from a longer one."""

import json

import pyarrow.parquet as pq
import pytest
from transformers import AutoTokenizer

from tests_support import SMALLEST
from winnow.pipeline import run
from winnow.recipe.file import load_recipe

pytestmark = pytest.mark.slow

TEMPLATE = (
    "{% for m in messages %}{{ m.role + ': ' + m.content + (eos_token if m.role == 'assistant' else '') + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
THINGS = ("eggs", "nuts", "cups", "pens", "hats", "keys", "cars", "dogs")


def talk(name, thing, n):
    turns = [
        ("user", f"{name} has {n} {thing}."), ("assistant", "Yes."),
        ("user", "One more comes. How many?"), ("assistant", f"{n} + 1 = {n + 1}\n#### {n + 1}"),
    ]  # fmt: skip
    return {"messages": [{"role": role, "content": text} for role, text in turns]}


def write(path, names):
    rows = [talk(name, thing, n) for name in names for thing in THINGS for n in range(1, 6)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return len(rows)


def test_a_study_of_conversations_goes_from_files_to_a_report(finished_study, tmp_path):
    source = {"licence": "CC0-1.0", "format": "chat"}
    write(tmp_path / "train.jsonl", ("Tom", "Ann", "Ben"))
    items = write(tmp_path / "test.jsonl", ("Zoe",))
    (tmp_path / "chat.jinja").write_text(TEMPLATE)
    pool = {"sources": [source | {"name": "talks", "path": str(tmp_path / "train.jsonl")}]}
    pool |= {"chat_template": str(tmp_path / "chat.jinja"), "max_tokens": 160, "validation_fraction": 0.2}
    sets = [source | {"name": "zoe", "path": str(tmp_path / "test.jsonl")}]
    stages = [
        {"name": "long", "budget": {"examples": 64}, "keep_at": [0.5],
         "training": {"schedule": "constant", "per_device_batch_size": 16}},
        {"name": "short", "budget": {"examples": 48}, "cooldown_of": "long"},
    ]  # fmt: skip
    smallest = load_recipe(SMALLEST)
    recipe = load_recipe(
        SMALLEST,
        [
            f"pool={json.dumps(pool)}", f"stages={json.dumps(stages)}", f"evaluation.sets={json.dumps(sets)}",
            "selection.arms=[full, random]", "selection.controls=false", "study.primary.arm=random_0.25",
            "training.start=short", "evaluation.every_steps=2",
        ],
    )  # fmt: skip
    assert recipe.base == smallest.base
    folder = finished_study.parent / "chats"  # whose store has that base
    run(recipe, out=folder)
    evaluation = json.loads((folder / "records" / "evaluation.full_last.json").read_text())
    assert evaluation["sets"]["zoe"]["items"] == items
    made = {record["name"]: record for record in json.loads((folder / "records" / "stages.json").read_text())}
    pool = folder.parent / ".store" / "pool" / made["pool"]["fingerprint"]
    rows = pq.read_table(pool / "train.parquet").to_pylist()
    assert all(sum(row["is_target"]) > len(row["completion_ids"]) for row in rows), "both answers are learned"
    tokenizer = AutoTokenizer.from_pretrained(folder / "adapters" / "full_last")
    assert tokenizer.chat_template == TEMPLATE
    tokens = {name: made[name]["costs"]["train"]["tokens"] for name in ("short", "long")}
    assert 0 < tokens["short"] < tokens["long"]
    chat_goes_on(folder, tokenizer)


def chat_goes_on(folder, tokenizer):
    """A session lays turns out by the recipe's template, reads earlier ones again, and refuses what would end one."""
    from winnow.errors import DataError
    from winnow.verbs.chat import Chat
    from winnow.verbs.checkpoints import choose

    chat, asked = Chat(choose(folder, arm="full"), max_new_tokens=4), []
    complete, chat._complete = chat._complete, lambda ids: asked.append(tokenizer.decode(ids)) or complete(ids)
    said = [chat.answer("Zoe has 2 eggs."), chat.answer("One more comes.")]
    end = tokenizer.eos_token
    assert asked[0] == "user: Zoe has 2 eggs.\nassistant: "
    assert asked[1] == f"{asked[0]}{said[0]}{end}\nuser: One more comes.\nassistant: "
    assert chat.stop_id == tokenizer.eos_token_id
    with pytest.raises(DataError, match="spells out the special token"):
        chat.answer(f"hi{end}")
    assert len(chat.turns) == 4
