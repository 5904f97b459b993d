"""After training: chat, merge, and the scores of any model."""

import io
import json
import shutil

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from bad_inputs_support import assert_one_line
from tests_support import SMALLEST
from winnow.errors import ArtifactError, RecipeError
from winnow.recipe import SourceRecipe
from winnow.study_files import read_settings
from winnow.verbs.chat import Chat, layout_of, template_layout
from winnow.verbs.checkpoints import Checkpoint, choose, open_checkpoint

pytestmark = pytest.mark.slow
ARM = "herding_0.25"
QUESTION = "Tom has 3 apples and buys 4 more. How many has he?"


@pytest.fixture(scope="module")
def merged(finished_study, tmp_path_factory):
    """The herding arm as one whole model."""
    from winnow.verbs.checkpoints import merge

    return merge(choose(finished_study, arm=ARM), tmp_path_factory.mktemp("merged") / "model")


def peft_logits(study, text):
    """Of the adapter on its base as PEFT computes them, nothing merged."""
    from peft import PeftModel

    tokenizer = AutoTokenizer.from_pretrained(study / "adapters" / f"{ARM}_best")
    base = AutoModelForCausalLM.from_pretrained(study / "base")
    model = PeftModel.from_pretrained(base, study / "adapters" / f"{ARM}_best").eval()
    with torch.no_grad():
        return model(**tokenizer(text, return_tensors="pt")).logits


def test_a_merged_model_needs_transformers_alone_and_computes_what_the_adapter_does(finished_study, merged):
    model, tokenizer = AutoModelForCausalLM.from_pretrained(merged).eval(), AutoTokenizer.from_pretrained(merged)
    assert not (merged / "adapter_config.json").exists() and type(model).__name__ == "GPT2LMHeadModel"
    with torch.no_grad():
        logits = model(**tokenizer(QUESTION, return_tensors="pt")).logits
    torch.testing.assert_close(logits, peft_logits(finished_study, QUESTION), atol=1e-4, rtol=0)
    base = AutoModelForCausalLM.from_pretrained(finished_study / "base").eval()
    with torch.no_grad():
        assert (logits - base(**tokenizer(QUESTION, return_tensors="pt")).logits).abs().max() > 1e-3


def test_a_merged_model_scores_what_the_study_recorded(command, finished_study, merged, tmp_path):
    said = ["--recipe", SMALLEST, "--store", tmp_path / "store", "--out", tmp_path / "scores"]
    code, out, err = command("evaluate", "--model", merged, *said, "--json")
    assert code == 0, err
    recorded = json.loads((finished_study / "records" / f"evaluation.{ARM}_best.json").read_text())
    assert json.loads(out)["micro"]["loss"] == pytest.approx(recorded["micro"]["loss"], abs=1e-5)
    assert json.loads(out)["sets"]["easy"]["items"] == 30
    assert json.loads((tmp_path / "scores" / "evaluation.json").read_text())["micro"] == json.loads(out)["micro"]
    code, out, _ = command("evaluate", "--model", merged, *said)
    assert out.splitlines()[0].split() == (
        ["set", "items", "loss", "exact", "match", "(%)", "random", "level", "(%)", "constant", "level", "(%)"]
    )
    assert out.splitlines()[1].startswith(f"easy      30  {recorded['micro']['loss']:.4f}")


def test_a_precision_and_a_folder_that_is_there(command, finished_study, merged, tmp_path):
    words = ["merge", finished_study, "--arm", ARM, "--checkpoint", "last", "--precision", "bfloat16", "--json"]
    code, out, _ = command(*words, "--out", tmp_path / "half")
    assert code == 0
    told = {"model": str(tmp_path / "half"), "arm": ARM, "seed": 0, "checkpoint": "last"}
    assert json.loads(out) == told
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "half", dtype="auto").dtype == torch.bfloat16
    before = {path: path.stat().st_mtime_ns for path in merged.rglob("*")}
    assert_one_line(*refused(command, "merge", finished_study, "--arm", ARM, "--out", merged), "is there already")
    assert {path: path.stat().st_mtime_ns for path in merged.rglob("*")} == before
    assert command(*words, "--out", tmp_path / "x", "--precision", "int8")[0] == 2


def refused(command, *words):
    code, _, err = command(*words)
    return code, err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--arm", "herding"], ["--arm herding is no finished arm (did you mean 'herding_0.25'?)", "full"]),
        (["--arm", ARM, "--seed", 7], ["--seed 7 is no finished run of herding_0.25; it has 0"]),
        (["--arm", ARM, "--checkpoint", "first"], ["--checkpoint is 'first'; it must be best or last"]),
    ],
)
def test_what_the_study_does_not_have_is_one_line(command, finished_study, tmp_path, options, said):
    code, err = refused(command, "merge", finished_study, *options, "--out", tmp_path / "m")
    assert_one_line(code, err, *said, folder=tmp_path)
    assert not (tmp_path / "m").exists()


def test_weights_that_are_gone_or_damaged_are_named(finished_study, tmp_path):
    study = shutil.copytree(finished_study, tmp_path / "s")
    weights = study / "adapters" / f"{ARM}_best" / "adapter_model.safetensors"
    data = weights.read_bytes()
    weights.unlink()
    weights.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ArtifactError, match=r"herding_0.25_best/adapter_model.safetensors is damaged"):
        choose(study, arm=ARM)
    assert choose(study, arm="full").name == "full_best"  # whose weights are whole
    shutil.rmtree(weights.parent)
    with pytest.raises(ArtifactError, match="is missing; run the study again"):
        choose(study, arm=ARM)


def test_a_study_without_weights_says_how_to_get_them_back(finished_study, monkeypatch):
    from winnow.analysis import study_folder

    study = study_folder.load(finished_study)
    bare = study.recipe.model_copy(update={"study": study.recipe.study.model_copy(update={"keep": "none"})})
    monkeypatch.setattr("winnow.verbs.checkpoints.load", lambda folder: study_folder.Study(
        study.folder, bare, study.settings, study.stages, study.runs, study.finals, study.selections))  # fmt: skip
    with pytest.raises(RecipeError, match="keeps no checkpoints .* --set study.keep=null brings the others back"):
        choose(finished_study, arm=ARM)


def test_an_adapter_of_a_stage_stands_on_that_stage(finished_study):
    study = choose(finished_study, arm=ARM).study
    settings = read_settings(finished_study) | {"base_paths": {ARM: "base_sft"}}
    moved = type(study)(study.folder, study.recipe, settings, {}, study.runs, {}, {})
    assert Checkpoint(moved, ARM, 0, "best").base == "base_sft"
    assert Checkpoint(moved, "full", 0, "best").base == str(finished_study / "base")


# ------------------------------------------------------------------------------------------------- chat


def test_each_line_of_standard_input_is_answered_greedily(command, finished_study, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{QUESTION}\n\n  \nAnn has 2 pens.\n"))
    code, out, err = command("chat", finished_study, "--arm", "full", "--json", "--max-new-tokens", 12)
    assert code == 0, err
    answers = [json.loads(line) for line in out.splitlines()]
    assert [each["prompt"] for each in answers] == [QUESTION, "Ann has 2 pens."]
    chosen = choose(finished_study, arm="full")
    model, tokenizer = open_checkpoint(chosen), AutoTokenizer.from_pretrained(chosen.folder)
    inputs = tokenizer(f"Question: {QUESTION}\nAnswer:", return_tensors="pt")
    ids = model.generate(**inputs, max_new_tokens=12, do_sample=False, pad_token_id=tokenizer.eos_token_id)
    written = tokenizer.decode(ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    assert answers[0]["answer"] == written.strip()


def test_a_session_at_a_terminal_ends_with_an_empty_line(command, finished_study, monkeypatch):
    typed = iter([QUESTION, ""])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: next(typed))
    code, out, err = command("chat", finished_study, "--arm", "full", "--max-new-tokens", 4)
    assert code == 0 and "full_best; an empty line ends" in err
    assert len(out.strip().splitlines()) <= 4 and next(typed, None) is None


def test_samples_differ_within_a_session_and_come_again_in_the_next(finished_study):
    chosen = choose(finished_study, arm="full")
    sessions = [Chat(chosen, temperature=2.0, max_new_tokens=16) for _ in range(2)]
    first, second = ([chat.answer(QUESTION), chat.answer(QUESTION)] for chat in sessions)
    assert first == second and first[0] != first[1]


def test_answers_that_leave_no_room_are_one_line(command, finished_study, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("hi\n"))
    code, err = refused(command, "chat", finished_study, "--arm", "full", "--max-new-tokens", 9999)
    assert_one_line(code, err, "--max-new-tokens is 9999; the model takes 256 tokens")


def source(**how):
    return SourceRecipe.model_validate({"name": "s", "licence": "unknown", "path": "x.jsonl"} | how)


def test_a_line_is_laid_out_as_the_rows_of_the_pool_are():
    templates = {"prompt": "{instruction}\n\n{context}\n{{!}}", "completion": "{response}"}
    assert layout_of(source(**templates))("Add.") == "Add.\n\n\n{!}"
    assert layout_of(source(format="gsm8k"))("2 + 3?") == "Question: 2 + 3?\nAnswer:"
    assert layout_of(source(format="prompt_completion"))("2 + 3 =") == "2 + 3 ="
    assert template_layout("Q: {q}\nagain: {q}")("x") == "Q: x\nagain: x"
    with pytest.raises(RecipeError, match="has no place for what is said"):
        template_layout("Q:")
    with pytest.raises(RecipeError, match="--template has a lone {"):
        template_layout("Q: {")


# ------------------------------------------------------------------------------------------------- evaluate


def rows_file(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


ITEMS = {
    "gsm8k": [{"question": f"What is {n} + 1?", "answer": f"{n} + 1 = {n + 1}\n#### {n + 1}"} for n in range(4)],
    "fields": [{"question": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(4)],
    "alpaca": [{"instruction": f"Write {n}.", "output": f"It is {n}, and nothing else at all here."} for n in range(4)],
    "prompt_completion": [{"prompt": f"{n} and", "completion": f" {n + 1} are two numbers in a row, as ever."}
                          for n in range(4)],
}  # fmt: skip


@pytest.mark.parametrize("shape", ITEMS)
def test_files_are_read_by_their_columns(command, merged, tmp_path, shape):
    from winnow.verbs.evaluate_model import recipe_for

    path = rows_file(tmp_path / f"{shape} items.jsonl", *ITEMS[shape])
    assert recipe_for("m", [str(path)]).evaluation.sets[0].format == shape
    words = ["--store", tmp_path / "store", "--set", "evaluation.max_new_tokens=4", "--json"]
    code, out, err = command("evaluate", "--model", merged, "--sets", path, *words)
    assert code == 0, err
    told = json.loads(out)["sets"][f"{shape}_items"]
    assert told["items"] == 4 and told["loss"] > 0
    assert (told["exact_match"] is None) == (shape in ("alpaca", "prompt_completion"))


def test_files_of_one_name_stay_apart(tmp_path):
    from winnow.verbs.evaluate_model import recipe_for

    paths = [tmp_path / place / "test.jsonl" for place in "ab"]
    for path in paths:
        path.parent.mkdir()
        rows_file(path, *ITEMS["gsm8k"])
    assert [each.name for each in recipe_for("m", list(map(str, paths))).evaluation.sets] == ["test_1", "test_2"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"a": 1, "b": 2}], ["has the columns a, b", "--format"]),
        ([], ["has no rows"]),
    ],
)
def test_sets_that_cannot_be_read_are_one_line_before_anything_is_made(command, merged, tmp_path, rows, said):
    path = rows_file(tmp_path / "items.jsonl", *rows)
    code, err = refused(command, "evaluate", "--model", merged, "--sets", path, "--store", tmp_path / "store")
    assert_one_line(code, err, *said, folder=tmp_path)
    assert not (tmp_path / "store").exists()


def test_other_refusals_of_evaluate_are_one_line(command, merged, tmp_path):
    path = rows_file(tmp_path / "items.jsonl", *ITEMS["gsm8k"])
    store = ["--store", tmp_path / "store"]
    told = {
        "--sets nowhere.jsonl is no file": [merged, "--sets", "nowhere.jsonl"],
        "unknown format 'gsm8'": [merged, "--sets", path, "--format", "gsm8"],
        "is no model folder": [tmp_path, "--sets", path],
        "holds no evaluation": [merged, "--sets", path, "--out", merged],
    }
    for said, words in told.items():
        code, err = refused(command, "evaluate", "--model", *words, *store)
        assert_one_line(code, err, said, folder=tmp_path)
    assert not (tmp_path / "store").exists()
    assert command("evaluate", "--model", merged)[0] == 2
    assert command("evaluate", SMALLEST, "--sets", path)[0] == 2
    assert command("evaluate")[0] == 2
