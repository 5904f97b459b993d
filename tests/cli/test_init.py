"""`winnow init`: a recipe from data files and a model that plans, runs, and leaks nothing."""

import gzip
import json

import pytest

from winnow.pool.cleaning import question_key
from winnow.recipe.file import load_recipe
from winnow.verbs.first_sizes import BATCH, EVALUATIONS, guess_size

THINGS = ["apples", "boats", "coins", "drums", "eggs", "flutes", "geese", "hats", "inks", "jars", "kites", "lamps"]
WAYS = ["count", "sort", "paint", "wash", "lend", "sell", "hide", "weigh", "throw", "buy"]
ALPACA = [
    {"instruction": f"Tell me how to {way} the {thing}.", "input": "", "output": f"You {way} {thing} one by one."}
    for way in WAYS
    for thing in THINGS
]
GSM8K = [
    {"question": f"They {way} 3 {thing} a day. How many in two days?", "answer": "2 * 3 = 6\n#### 6"}
    for way in WAYS[:6]
    for thing in THINGS[:10]
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A folder with a Llama of random weights, whose modules have other names than GPT-2's."""
    from transformers import LlamaConfig, LlamaForCausalLM

    from winnow.recipe import TokenizerRecipe
    from winnow.text.tokenizers import eos_id, train_tokenizer

    folder = tmp_path_factory.mktemp("models") / "toy"
    tokenizer = train_tokenizer([row["output"] for row in ALPACA], TokenizerRecipe(vocab_size=300), 128)
    end = eos_id(tokenizer)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=128, bos_token_id=end, eos_token_id=end, pad_token_id=end,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder with two data files in it, in which the command runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "apples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ALPACA))
    (tmp_path / "gsm8k").mkdir()
    lines = "".join(json.dumps(row) + "\n" for row in GSM8K)
    (tmp_path / "gsm8k" / "train.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    return tmp_path


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_recipe_is_written_and_what_was_guessed_is_said(command, here, model):
    code, out, _ = command("init", "apples.jsonl", "gsm8k/train.jsonl.gz", "--model", model)
    assert code == 0
    assert "apples.jsonl: format alpaca" in out and "next: winnow plan study.yaml" in out
    recipe = load_recipe("study.yaml")
    assert [source.name for source in recipe.pool.sources] == ["apples", "gsm8k"]
    assert [source.format for source in recipe.pool.sources] == ["alpaca", "gsm8k"]
    assert recipe.pool.max_tokens == 128
    assert [each if isinstance(each, str) else each.selector for each in recipe.selection.arms] == [
        "full", "random", "herding",
    ]  # fmt: skip
    assert recipe.study.primary.arm == "herding_0.2"
    text = (here / "study.yaml").read_text()
    assert "# columns instruction, input, output" in text and "# llama" in text and "drawn by a hash" in text


def test_held_out_rows_are_usable_few_and_the_same_again(command, here, model):
    command("init", "apples.jsonl", "--model", model)
    held = rows_of(here / "study.apples.heldout.jsonl")
    assert len(held) == 12  # a tenth
    assert all(row in ALPACA for row in held)
    first = (here / "study.apples.heldout.jsonl").read_bytes()
    (here / "apples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in reversed(ALPACA)))
    command("init", "apples.jsonl", "--model", model, "--out", "again.yaml")
    assert (here / "again.apples.heldout.jsonl").read_bytes() == first


def test_with_a_target_what_is_measured_is_of_its_kind(command, here, model):
    files = ["apples.jsonl", "gsm8k/train.jsonl.gz"]
    assert command("init", *files, "--model", model, "--target", "gsm8k/train.jsonl.gz")[0] == 0
    recipe = load_recipe("study.yaml")
    assert [each.name for each in recipe.evaluation.sets] == ["gsm8k_heldout"]
    assert recipe.pool.target.source.format == "gsm8k"
    assert recipe.study.primary.arm == "herding_target_0.2"
    assert len(rows_of(here / "study.gsm8k.heldout.jsonl")) == 30  # a half


def test_a_file_to_measure_on_is_taken_as_it_is(command, here, model):
    assert command("init", "apples.jsonl", "--model", model, "--eval", "gsm8k/train.jsonl.gz")[0] == 0
    recipe = load_recipe("study.yaml")
    assert [each.path for each in recipe.evaluation.sets] == ["gsm8k/train.jsonl.gz"]
    assert not list(here.glob("*.heldout.jsonl"))


@pytest.mark.slow
def test_the_recipe_plans_and_runs_and_no_held_out_question_is_trained_on(command, here, model):
    import pyarrow.parquet as pq

    assert command("init", "apples.jsonl", "gsm8k/train.jsonl.gz", "--model", model, "--out", "mine.yaml")[0] == 0
    fast = ["--set", "pool.sample=null", "--set", "study.seeds=[0]", "--set", "pool.target=null"]
    code, out, err = command("plan", "mine.yaml", *fast)
    assert code == 0, err
    assert "mine: 4 arms x 1 seed(s)" in out
    code, out, err = command("run", "mine.yaml", *fast, "--workers", 1)
    assert code == 0, err
    kept = {question_key(q) for path in (here / "runs/.store/pool").rglob("*.parquet")
            for q in pq.read_table(path)["question"].to_pylist()}  # fmt: skip
    held = [row for path in here.glob("mine.*.heldout.jsonl") for row in rows_of(path)]
    asked = {question_key(row.get("question") or row["instruction"]) for row in held}
    assert len(asked) == len(held) == 18
    assert kept and not kept & asked
    statistics = json.loads(next((here / "runs/.store/pool").rglob("statistics.json")).read_text())
    assert statistics["removed_overlaps_total"] == 18
    settings = load_recipe(here / "runs" / "mine" / "recipe.yaml").training.lora
    assert settings.target_modules == ("q_proj", "v_proj")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["apples.jsonl", "--model", "./nowhere"], "no model folder"),
        (["nowhere.jsonl", "--model", "MODEL"], "nowhere.jsonl"),
        (["hf://owner/name", "--model", "MODEL"], "is at a hub"),
        (["text.jsonl", "--model", "MODEL"], "plain documents"),
        (["few.jsonl", "--model", "MODEL"], "too few to hold 5 out"),
        (["apples.jsonl", "--model", "MODEL", "--fraction", "2"], "(0, 1]"),
        (["apples.jsonl", "--model", "gsm8k"], "config.json"),
    ],
)
def test_what_cannot_be_written_is_one_line_and_leaves_nothing(command, here, model, arguments, said):
    (here / "text.jsonl").write_text('{"text": "Once."}\n')
    (here / "few.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ALPACA[:9]))
    before = sorted(here.iterdir())
    code, _, err = command("init", *[model if word == "MODEL" else word for word in arguments])
    assert code == 1
    assert said in err and len(err.strip().splitlines()) == 1
    assert sorted(here.iterdir()) == before


@pytest.mark.parametrize("taken", ["study.yaml", "study.apples.heldout.jsonl"])
def test_nothing_is_overwritten(command, here, model, taken):
    (here / taken).write_text("mine")
    before = sorted(here.iterdir())
    code, _, err = command("init", "apples.jsonl", "--model", model)
    assert code == 1 and f"{taken} is there already" in err
    assert (here / taken).read_text() == "mine" and sorted(here.iterdir()) == before


def test_files_of_one_name_get_names_of_their_own(command, here, model):
    (here / "more").mkdir()
    (here / "more" / "apples.jsonl").write_text((here / "apples.jsonl").read_text())
    assert command("init", "apples.jsonl", "more/apples.jsonl", "--model", model)[0] == 0
    assert [source.name for source in load_recipe("study.yaml").pool.sources] == ["apples", "apples_2"]


def test_a_larger_model_or_less_time_means_fewer_rows(here, model):
    from winnow.pool.guessing import guess_source

    guesses = [guess_source(here / "apples.jsonl")]
    hour, quarter = (guess_size("owner/model-135M", minutes, guesses) for minutes in (6000, 1500))
    assert hour.parameters == 135_000_000
    assert hour.sample == pytest.approx(4 * quarter.sample, rel=0.1)
    assert hour.every_steps == hour.sample // BATCH // EVALUATIONS
    assert guess_size("owner/model-1.5b", 1, guesses).sample == 80
    assert guess_size("owner/model", 15, guesses).sample is None
    assert guess_size(str(model), 15, guesses).model_type == "llama"


def test_the_weights_of_a_folder_are_counted(model):
    from transformers import AutoModelForCausalLM

    from winnow.models.families import num_parameters

    assert num_parameters(str(model)) == AutoModelForCausalLM.from_pretrained(model).num_parameters()


def test_a_recipe_of_five_lines_is_enough(command, here, model):
    (here / "five.yaml").write_text(
        "name: five\n"
        "pool: {sources: [{name: apples, path: apples.jsonl, format: alpaca, licence: CC0-1.0}]}\n"
        f"base: {{model: {model}}}\n"
        "budget: {pool_epochs: 1}\n"
        "evaluation: {sets: [{name: eggs, path: gsm8k/train.jsonl.gz, format: gsm8k, licence: MIT}]}\n"
    )
    code, out, err = command("plan", "five.yaml", "--set", "pool.max_tokens=128")
    assert code == 0, err
    assert "herding_0.1" in out
