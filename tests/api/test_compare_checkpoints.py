import json
import shutil

import pytest

import winnow
from tests_support import SMALLEST, copy_store
from winnow.compare_api.checkpoints import checkpoint_folders
from winnow.errors import DataError, RecipeError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def store(finished_study, tmp_path_factory):
    return copy_store(finished_study, tmp_path_factory.mktemp("studies"))


@pytest.fixture(scope="module")
def checkpoints(store, tmp_path_factory):
    """The base model of a study as two arms of two seeds: `full` is it, `worse` has random weights."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = next((store / "train").glob("*/last/config.json")).parent
    folder = tmp_path_factory.mktemp("checkpoints")
    model, tokenizer = AutoModelForCausalLM.from_pretrained(base), AutoTokenizer.from_pretrained(base)
    for seed in (0, 1):
        shutil.copytree(base, folder / f"full_s{seed}")
        torch.manual_seed(seed)
        for weight in model.parameters():
            torch.nn.init.normal_(weight, std=0.02)
        model.save_pretrained(folder / f"worse_s{seed}")
        tokenizer.save_pretrained(folder / f"worse_s{seed}")
    (folder / "notes").mkdir()
    return folder


@pytest.fixture(scope="module")
def compared(checkpoints, store):
    recipe = winnow.load_recipe(SMALLEST)
    return winnow.compare_checkpoints(checkpoints, recipe, baseline="full", store=store)


def test_checkpoints_are_scored_and_compared_over_seeds_and_items(compared):
    worse = compared.findings.verdict.primary
    assert (compared["worse"].verdict, worse.num_items) == ("worse", 30)
    assert worse.over_items.half_width >= worse.gain.half_width
    assert "worse against full, loss (micro, 2 seeds): worse by" in compared.verdict
    assert compared.notes[-1].startswith("The interval covers other seeds on these 30 items")


def test_their_page_and_tables_are_written(compared, tmp_path):
    page = compared.write(tmp_path)
    assert compared.verdict in page.read_text().replace("&#39;", "'")
    assert "gain_nats_over_items" in (tmp_path / "comparisons.csv").read_text()


def test_what_was_scored_once_is_not_scored_again(compared, checkpoints, store):
    before = sorted((store / "evaluate").iterdir())
    recipe = winnow.load_recipe(SMALLEST)
    found = winnow.compare_checkpoints(checkpoints, recipe, baseline="full", metric="exact_match", store=store)
    assert sorted((store / "evaluate").iterdir()) == before
    assert found.findings.metric == "exact_match"
    with pytest.raises(RecipeError, match="aggregate is 'hard'; the evaluation has easy, micro, macro"):
        winnow.compare_checkpoints(checkpoints, recipe, baseline="full", aggregate="hard", store=store)


def test_folders_are_read_by_their_names(checkpoints, tmp_path):
    assert list(checkpoint_folders(checkpoints)) == [("full", 0), ("full", 1), ("worse", 0), ("worse", 1)]
    with pytest.raises(DataError, match=r"holds no checkpoints; put each run into a folder .* named <arm>_s<seed>"):
        checkpoint_folders(tmp_path)


def test_the_command_prints_verdict_and_page(tmp_path, capsys):
    from winnow.cli.main import app

    rows = [{"arm": arm, "seed": seed, "metric": "loss", "value": value + 0.01 * seed**2}
            for arm, value in (("full", 2.0), ("mine", 1.5)) for seed in range(3)]  # fmt: skip
    (tmp_path / "runs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    asked = ["compare", str(tmp_path / "runs.jsonl"), "--baseline", "full", "--out", str(tmp_path / "out")]
    app(asked, standalone_mode=False)
    printed = capsys.readouterr().out
    assert "mine against full, loss (last checkpoint, 3 seeds): better by 0.5" in printed
    assert f"page: {tmp_path}/out/comparison.html" in printed
    app([*asked, "--json"], standalone_mode=False)
    found = json.loads(capsys.readouterr().out)
    assert found["arms"]["mine"]["verdict"] == "better"
    assert found["arms"]["mine"]["difference"] == pytest.approx(-0.5)
