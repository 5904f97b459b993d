"""The recipes of the README and the docs, as they stand: names of files and models are replaced by small local ones."""

import json
import re
from collections import Counter

import pytest
from ruamel.yaml import YAML

from tests_support import ROOT, SHARED
from winnow.pipeline import checked, models_checked, run, selector_traits
from winnow.recipe.file import parse_recipe, put_overrides
from winnow.recipe.row_templates import columns_of
from winnow.study.graph import expand

PAGES = {"README.md": 2, "docs/ten-recipes.md": 10, "docs/coming-from.md": 5}
"""Page -> how many whole recipes it has."""
BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
MOST_LINES = 13
TEMPLATE = (
    "{% for m in messages %}{{ m.role + ': ' + m.content + (eos_token if m.role == 'assistant' else '') + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
WORDS = [
    "red", "blue", "green", "black", "white", "grey", "brown", "pink", "gold", "dark", "light", "cold", "warm", "soft",
    "hard", "deep", "wide", "tall",
]  # fmt: skip


def recipes_of(page):
    """Name -> tree of each whole recipe in a page."""
    trees = [YAML(typ="safe").load(text) for text in BLOCK.findall((ROOT / page).read_text())]
    return {tree["name"]: tree for tree in trees if {"name", "pool", "budget"} <= tree.keys()}


EXAMPLES = {name: tree for page in PAGES for name, tree in recipes_of(page).items()}


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A GPT-2 and a Llama of one layer with random weights, the second with a chat template."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    from winnow.recipe import TokenizerRecipe
    from winnow.text.tokenizers import train_tokenizer

    folder = tmp_path_factory.mktemp("models")
    tokenizer = train_tokenizer([" ".join(WORDS), "What is 12 plus 3?"], TokenizerRecipe(vocab_size=300), 512)
    ends = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), tokenizer.eos_token_id)
    torch.manual_seed(0)
    sizes = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 512}
    GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), **sizes, **ends)).save_pretrained(folder / "gpt2")
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    LlamaForCausalLM(
        LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=2048, **sizes, **ends)
    ).save_pretrained(folder / "llama")
    tokenizer.save_pretrained(folder / "gpt2")
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder / "llama")
    return folder


def row(source, n, kind):
    """A row as the source's format has it; `kind` keeps rows of different files apart."""
    asked = f"{kind}: what follows {WORDS[n % 18]} {WORDS[n * 5 % 17]} and {n}?"
    said = f"{WORDS[n * 7 % 18]} {WORDS[n * 3 % 17]} {n + 1} in a {kind} way that takes more than six words"
    turns = [("user", asked), ("assistant", said)]
    made = {
        "gsm8k": {"question": asked, "answer": f"{n} + 1 = {n + 1}\n#### {n + 1}"},
        "alpaca": {"instruction": asked, "input": "", "output": said},
        "prompt_completion": {"prompt": asked, "completion": said},
        "chat": {"messages": [{"role": role, "content": text} for role, text in turns]},
        "sharegpt": {"conversations": [{"from": role, "value": text} for role, text in turns]},
    }.get(source.get("format"))
    if made is None and "fields" in source:
        fields = source["fields"]
        made = {fields["question"]: asked, fields["answer"]: str(n + 1), fields.get("rationale", "_"): f"{n} + 1"}
    if made is None:
        made = dict.fromkeys(columns_of(source["prompt"]), asked) | dict.fromkeys(
            columns_of(source["completion"]), said
        )
    return made | dict.fromkeys(source.get("scores", {}).values(), n % 7)


def write_files(sources, *, rows, kind):
    """A small file for each source, in place of its own."""
    for source in (each for each in sources if "path" in each):
        place = f"made/{kind}_{source['name']}.jsonl"
        with open(place, "w") as file:  # noqa: PTH123
            file.writelines(json.dumps(row(source, n, f"{kind} {source['name']}")) + "\n" for n in range(rows))
        source["path"] = place


@pytest.fixture
def local(models, tmp_path, monkeypatch):
    """Makes the recipe of an example, its files and models replaced by small ones, with overrides."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "made").mkdir()

    def make(name, overrides=(), rows=40):
        tree = json.loads(json.dumps(EXAMPLES[name]))
        write_files(tree["pool"]["sources"], rows=rows, kind="pool")
        write_files(tree["evaluation"]["sets"], rows=8, kind="test")
        if "model" in tree["base"]:
            tree["base"]["model"] = str(models / ("gpt2" if "gpt2" in tree["base"]["model"] else "llama"))
        for source, count in tree["pool"].get("target", {}).get("per_source", {}).items():
            tree["pool"]["target"]["per_source"][source] = min(count, 4)
        return parse_recipe(put_overrides(tree, overrides), name)

    return make


def test_each_page_has_its_recipes_and_no_two_are_called_alike():
    assert {page: len(recipes_of(page)) for page in PAGES} == PAGES
    assert max(Counter(name for page in PAGES for name in recipes_of(page)).values()) == 1


def test_ten_recipes_are_short():
    blocks = BLOCK.findall((ROOT / "docs" / "ten-recipes.md").read_text())
    assert max(len(block.splitlines()) for block in blocks) <= MOST_LINES


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_recipe_is_understood_as_it_stands(name):
    recipe = parse_recipe(json.loads(json.dumps(EXAMPLES[name])), name)
    graph = expand(recipe, selector_traits())
    arms = {arm.name for arm in graph.arms}
    primary = recipe.study.primary
    assert primary.arm is None or primary.arm in arms
    assert primary.baseline in arms or recipe.vary


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_nothing_is_wrong_with_a_recipe_on_small_local_data(local, name):
    """As `winnow plan` and the first seconds of `winnow run` look at it: rows, models, adapters, options."""
    recipe = local(name)
    if recipe.evaluation.benchmarks is not None:
        pytest.importorskip("lm_eval", reason="lm-eval is not installed")
    models_checked(checked(recipe, is_trained=True))()


SHORTER = [
    "study.seeds=[0]", "evaluation.every_steps=4", "evaluation.sample=4", "evaluation.max_new_tokens=4",
    "budget.pool_epochs=1",
]  # fmt: skip
RUN = {
    "my-study": [*SHORTER, "selection.fractions=[0.25]", "study.primary.arm=herding_0.25"],
    "from-nothing": ["study.seeds=[0]", "pool.sources.0.problems.examples=80", "base.pretrain.budget.tokens=4000"],
    "from-llama-factory": SHORTER,
    "from-axolotl": SHORTER,
    "from-trl": SHORTER,
    "from-lm-eval": [*SHORTER, f"evaluation.benchmarks.data_dir={SHARED / 'data'}", "evaluation.benchmarks.limit=3"],
    "from-data-juicer": SHORTER,
}
"""Example -> what makes it shorter."""


@pytest.mark.long
@pytest.mark.parametrize("name", RUN)
def test_a_recipe_runs_to_its_report(local, tmp_path, name):
    if name == "from-lm-eval":
        pytest.importorskip("lm_eval", reason="lm-eval is not installed")
        if not (SHARED / "data" / "arc_easy").is_dir():
            pytest.skip(f"needs the benchmarks' items in {SHARED / 'data'}")
    findings = run(local(name, RUN[name]), out=tmp_path / "runs" / "s")
    assert findings.verdict.sentence
    assert {"report.html", "README.md", "tables"} <= {path.name for path in (tmp_path / "runs" / "s").iterdir()}


@pytest.mark.slow
def test_the_python_of_the_page_for_newcomers_runs(tmp_path, monkeypatch, capsys):
    pytest.importorskip("datasets", reason="datasets is not installed")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "coming-from.md").read_text()
    code = re.search(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[1]
    exec(compile(code, "docs/coming-from.md", "exec"), {})
    assert capsys.readouterr().out.startswith("50 ")


def test_keys_and_selectors_in_the_tables_for_newcomers_exist():
    """Whatever the last column names is a key of a recipe, a selector or a command."""
    text = (ROOT / "docs" / "coming-from.md").read_text()
    reference = (ROOT / "docs" / "recipe.md").read_text() + (ROOT / "docs" / "selectors.md").read_text()
    known = set(re.findall(r"^\| `(\w+)` \|", reference, re.MULTILINE)) | set(
        re.findall(r"^### (\w+)$", reference, re.M)
    )
    cells = [line.split(" | ")[-1] for line in text.splitlines() if line.startswith("| ") and "|---" not in line]
    dotted = [word for cell in cells for word in re.findall(r"`\.?([a-z_][\w.]*)[`:]", cell)]
    lost = {part for word in dotted for part in word.split(".")} - known
    values = {"lora", "full", "completion", "drop", "drop_exact", "drop_near", "column", "random", "top_k", "band"}
    sections = {"base", "pool", "training", "budget", "evaluation", "study", "trackers", "loss", "length", "ifd"}
    assert lost - values - sections == set()
    assert len(dotted) > 30
