"""What a plan of plain text says: published sizes, shares, epochs, proxies, repeats; and the pool that is printed."""

import json

import pytest

from tests_support import SHARED
from text_support import PASSAGES, passages, text_recipe, text_tree
from winnow.errors import RecipeError
from winnow.pipeline import advance
from winnow.recipe.file import parse_recipe
from winnow.text.token_cache import TokenCache
from winnow.verbs.plan import plan

TOKENIZER = SHARED / "models" / "gpt2-tokenizer"
SHARES = {"finepdfs": 0.5, "dclm": 0.3, "edu": 0.2}


def declared(**others):
    """The published study of a GPT-2 of 64 million parameters on a billion tokens of three sources."""
    sources = [
        {"name": name, "licence": "x", "format": "text", "path": f"hf://a/{name}", "examples": 10**6, "tokens": 10**9}
        for name in SHARES
    ]
    architecture = {"model_type": "gpt2", "n_layer": 12, "n_embd": 512, "n_head": 8}
    return parse_recipe({
        "name": "published",
        "pool": {"sources": sources, "text": {"context_tokens": 1024}},
        "base": {"from_scratch": {"architecture": architecture, "tokenizer": {"model": str(TOKENIZER)}}},
        "mixture": SHARES,
        "training": {
            "objective": "pretraining", "method": "full", "per_device_batch_size": 24, "gradient_accumulation_steps": 5
        },
        "budget": {"tokens": 10**9}, "evaluation": {}, "machine": {"flops_per_second": 1e14},
        "study": {"primary": {"aggregate": "in_domain"}},
    } | others)  # fmt: skip


@pytest.mark.skipif(not TOKENIZER.is_dir(), reason=f"no tokenizer at {TOKENIZER}")
def test_the_published_study_has_its_published_sizes():
    planned = plan(declared())
    (arm,) = planned.arms
    assert (planned.parameters, arm.steps, arm.tokens) == (64_085_504, 8_138, 999_997_440)
    assert [each.tokens for each in planned.mixtures] == [499_998_720, 299_999_232, 199_999_488]
    assert [each.epochs for each in planned.mixtures] == pytest.approx([0.5, 0.3, 0.2], abs=1e-5)


@pytest.mark.skipif(not TOKENIZER.is_dir(), reason=f"no tokenizer at {TOKENIZER}")
@pytest.mark.long
def test_a_source_that_is_read_too_often_is_told_and_caps_that_cannot_be_met_are_refused():
    budget = {"tokens": 12 * 10**9}
    planned = plan(declared(budget=budget, mixture="equal"))
    assert not [line for line in planned.warnings if " is read " in line]
    planned = plan(declared(budget=budget))
    assert any("source finepdfs is read 6.0 times" in line for line in planned.warnings)
    with pytest.raises(RecipeError, match="tokens"):
        plan(declared(budget=budget, mixture={"name": "unimax", "options": {"max_epochs": 2}}))


def test_proxies_are_planned_and_their_shares_are_not_known(tmp_path):
    learned = {"name": "mixmin", "options": {"proxies": {"tokens_fraction": 0.1}}}
    vary = {"mixture": {"equal": {"mixture": "equal"}, "notes": {"mixture": learned}}}
    study = text_tree()["study"] | {"controls": False}
    planned = plan(text_recipe(vary=vary, study=study), out=tmp_path / "mixing")
    equal, notes = planned.arms
    assert equal.selection_exaflops == 0
    assert notes.selection_exaflops == pytest.approx(0.1 * len(PASSAGES) * notes.exaflops)
    assert {each.arm for each in planned.mixtures} == {"equal"}
    assert any("learned from 3 proxies" in line for line in planned.warnings)


def test_plan_and_pool_are_printed(command, tmp_path):
    path = tmp_path / "mixing.yaml"
    path.write_text(json.dumps(text_tree()))
    status, out, _ = command("plan", str(path), "--out", str(tmp_path / "mixing"))
    assert status == 0 and "what one run reads:" in out and "60.0%" in out
    status, out, _ = command("pool", str(path), "--out", str(tmp_path / "mixing"))
    assert status == 0 and "documents to train on" in out and all(name in out for name in PASSAGES)
    status, _, err = command("select", str(path), "--out", str(tmp_path / "mixing"))
    assert status == 1 and "nothing is selected in a study of plain text" in err


def test_a_smaller_limit_of_tokens_begins_a_larger_one(tmp_path):
    """Documents are read once for both."""
    tokens = []
    for limit in (500, 1500):
        source = passages("books", *PASSAGES["books"]) | {"limit_tokens": limit}
        pool = text_tree()["pool"] | {"sources": [source, passages("web", *PASSAGES["web"])]}
        recipe = text_recipe(pool=pool, vary={}, mixture="equal", study={"primary": {"aggregate": "in_domain"}})
        walk = advance(recipe, "pool", out=tmp_path / "mixing")
        tokens.append(TokenCache.open(walk.done["tokens.books"].folder).tokens.tolist())
    assert 500 <= len(tokens[0]) < len(tokens[1]) and tokens[1][: len(tokens[0])] == tokens[0]
    assert len(list((tmp_path / ".store" / "documents").glob("*/record.json"))) == 2
