"""Page, tables, figures and card of a study of plain text; its published folder; the hub's own check of its card."""

import json
import math
import shutil

import numpy as np
import pytest
from benchmark_factory import write_benchmarks
from huggingface_hub import ModelCard

from text_support import PASSAGES, text_recipe, text_tree
from winnow.analysis.find import find
from winnow.analysis.mixtures import perplexity_ratio
from winnow.analysis.study_folder import load
from winnow.analysis.text_limitations import text_limitations
from winnow.ledger import round_half_up
from winnow.pipeline import report, run
from winnow.report.figures import drawn_figures
from winnow.report.simplex_figure import _labels
from winnow.store import SEAL, read_json, write_json
from winnow.study_files import FILES
from winnow.verbs import publish as publishing

pytestmark = pytest.mark.long

STEPS = {"between": "step", "knots": [{"at": 0, "shares": {"web": 1.0}}, {"at": 0.5, "shares": {"books": 1.0}}]}
LEARNED = {"name": "mixmin", "options": {"proxies": {"tokens_fraction": 0.3}}}
ARMS = {"equal": "equal", "notes": {"notes": 0.6, "web": 0.4}, "switch": STEPS, "learned": LEARNED}
GIVEN = {"name": "GPT-2", "scores": {"piqa": 63.0, "winogrande": 51.0}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("text") / "mixing"
    vary = {"mixture": {name: {"mixture": asked} for name, asked in ARMS.items()}}
    run(text_recipe(vary=vary, study=text_tree()["study"] | {"controls": False}), out=place)
    return place


@pytest.fixture(scope="module")
def findings(folder):
    return find(folder)


@pytest.mark.parametrize(("others", "own", "ratio"), [(346, 27.38, 12.6), (4846, 6.76, 717), (994, 126.76, 7.8),
                                                      (5955, 16.28, 366)])  # fmt: skip
def test_m1_ratio_of_published_perplexities(others, own, ratio):
    assert round_half_up(perplexity_ratio(others, own), 0 if ratio > 100 else 1) == ratio
    assert perplexity_ratio(None, own) is None


def test_the_sweep_has_both_averages_with_intervals_their_ratio_and_the_gain_over_equal(folder, findings):
    study, rows = load(folder), {row["arm"]: row for row in findings.tables["mixture_sweep"].rows}
    assert list(rows) == list(ARMS)
    for arm, row in rows.items():
        finals = study.finals_of(arm, "best").values()
        for name in ("in_domain", "out_of_domain"):
            levels = [final.levels[name]["bits_per_byte"] for final in finals]
            assert row[f"{name}_bits_per_byte"] == pytest.approx(sum(levels) / 2)
            low, high = (row[f"{name}_bits_per_byte_{end}"] for end in ("low", "high"))
            half = 12.706 * abs(levels[0] - levels[1]) / 2  # Student's t of one degree of freedom
            assert (low + high) / 2 == pytest.approx(sum(levels) / 2) and (high - low) / 2 == pytest.approx(
                half, rel=1e-3
            )
        ratio = row["out_of_domain_perplexity"] / row["in_domain_perplexity"]
        assert row["perplexity_ratio"] == pytest.approx(ratio)
    assert rows["equal"]["verdict"] == "baseline" and rows["equal"]["gain"] is None
    gain = rows["equal"]["out_of_domain_bits_per_byte"] - rows["notes"]["out_of_domain_bits_per_byte"]
    assert rows["notes"]["gain"] == pytest.approx(gain)
    assert rows["learned"]["charged_exaflops"] > rows["learned"]["exaflops"] == rows["equal"]["exaflops"]


def test_measured_mixtures_are_arms_at_their_whole_runs_shares_and_proxies_alone(findings):
    table = findings.tables["measured_mixtures"]
    shares, losses = {}, {}
    for row in table.rows:
        shares.setdefault((row["arm"], row["proxy"]), {})[row["source"]] = row["share"]
        losses[row["arm"], row["proxy"]] = row["nats_per_byte"] if row["proxy"] else row["bits_per_byte"]
    assert all(sum(each.values()) == pytest.approx(1) for each in shares.values())
    assert shares["switch", None] == pytest.approx({"books": 0.5, "web": 0.5, "notes": 0.0}, abs=0.02)
    assert {arm for arm, proxy in shares if proxy is None} == set(ARMS)
    for name in PASSAGES:
        assert shares["learned", f"alone_{name}"][name] == 1.0
        own = [row for row in findings.tables["proxies"].rows if row["proxy"] == f"alone_{name}"]
        mean = sum(row["nats_per_byte"] for row in own) / len(own)
        assert losses["learned", f"alone_{name}"] == pytest.approx(mean)


def test_three_sources_span_a_triangle_and_others_stand_side_by_side(findings):
    figure = drawn_figures(findings, ["simplex"])["simplex"]
    runs, proxies = figure.axes[:2]
    texts = {text.get_text() for text in runs.texts}
    assert texts == {*PASSAGES, *ARMS}  # no two at one place
    assert _labels(["a", "b", "c"], np.array([[0.5, 0.2], [0.505, 0.2], [0.1, 0.1]])) == {
        (0.5, 0.2): "a, b", (0.1, 0.1): "c"
    }  # fmt: skip
    marks = {text.get_text(): text.xy for text in runs.texts}
    assert marks["equal"] == pytest.approx((0.5, math.sqrt(0.75) / 3), abs=0.02)
    assert [line.get_marker() for line in runs.lines].count("*") == 1
    assert len([line for line in proxies.lines if line.get_marker() == "o"]) == 3
    fewer = {**findings.tables}
    table = fewer["measured_mixtures"]
    fewer["measured_mixtures"] = type(table)(
        table.name, table.title, tuple(row for row in table.rows if row["source"] != "notes")
    )
    beside = drawn_figures(type(findings)(**{**vars(findings), "tables": fewer}), ["simplex"])["simplex"]
    assert [label.get_text() for label in beside.axes[0].get_xticklabels()] == ["books", "web"]
    assert len(beside.axes[0].lines) == len(ARMS)


def test_the_page_has_mixtures_and_nothing_of_selections(folder):
    page = (folder / "report.html").read_text()
    assert 'id="mixtures"' in page and "Mixtures compared" in page and "What each arm read" in page
    assert page.count("<figure>") >= 3 and "Mixtures by their shares" in page and "lines as asked" in page
    for words in ('id="composition"', 'id="items"', "Composition", "pretrained by the recipe", "delayed gain"):
        assert words not in page, words
    assert "random weights" in page and "documents to train" in page


def test_what_a_reader_has_to_know(folder, findings):
    told = " ".join(findings.limitations)
    for words in (
        "Which mixture is best can change with size", "Little text is held out (books",
        "while the learning rate decays", "switch: no arm reads the same totals all along",
        "5 windows of each set; curves carry that noise",
    ):  # fmt: skip
        assert words in told, words
    assert "one run serves both" not in told  # arms differ in their mixture alone, and so differ
    assert "Exact match" not in told and "multiple choice" not in told
    arms = [arm for arm in findings.arms if arm.name in ("equal", "notes")]
    assert not any("changes" in line or "no arm reads" in line for line in text_limitations(load(folder), arms, None))


def test_the_first_line_says_which_mixture_in_plain_words(findings):
    assert findings.verdict.advice.split(":")[0] in ("Use equal", "Use notes") or findings.verdict.advice.startswith(
        "notes"
    )
    assert "selection" not in findings.verdict.advice and "pool" not in findings.verdict.advice


@pytest.fixture(scope="module")
def published(folder):
    copy = shutil.copytree(folder, folder.parent / "copy" / "mixing")
    settings = read_json(copy / "study.json")
    write_json(copy / "study.json", {key: settings[key] for key in settings if key not in (FILES, SEAL)})
    write_benchmarks(copy, {"piqa": 0.7, "winogrande": 0.45}, arm="notes", seeds=(0, 1), reference=GIVEN)
    report(copy)
    return publishing.build(copy, copy.with_name("upload"))


def test_a_study_of_text_is_one_folder_whose_card_the_hub_takes(published):
    assert list(published.folders) == ["model"] and not (published.root / "selections").exists()
    assert publishing.check(published).problems == ()
    card = ModelCard.load(published.folders["model"] / "README.md", ignore_metadata_errors=False)
    assert {"dataset-mixing", "pretraining", "winnow"} <= set(card.data.tags) and "data-selection" not in card.data.tags
    results = card.data.eval_results
    assert all(each.task_type and each.dataset_type and each.dataset_name for each in results)
    named = {(each.dataset_name, each.metric_type) for each in results}
    assert {("books", "perplexity"), ("others", "bits_per_byte"), ("piqa", "acc")} <= named
    assert not {"in_domain", "out_of_domain", "micro"} & {name for name, _ in named}


def test_the_cards_results_are_those_of_the_tables(published):
    rows = published.findings.tables["text_losses"].rows
    index = json.loads(json.dumps(ModelCard.load(published.folders["model"] / "README.md").data.to_dict()))[
        "model-index"
    ]
    for entry in index:
        arm = entry["name"].removeprefix("mixing ")
        for result in entry["results"]:
            metrics = {each["type"]: each["value"] for each in result["metrics"]}
            row = [r for r in rows if (r["arm"], r["checkpoint"], r["set"]) == (arm, "best", result["dataset"]["name"])]
            for name in metrics if row else ():
                assert metrics[name] == pytest.approx(row[0][name], abs=1e-4)


def test_the_card_tells_shares_and_what_benchmarks_cannot(published):
    card = (published.folders["model"] / "README.md").read_text()
    for words in (
        "## Mixtures", "### Realised shares", "Below random: winogrande (notes)", "cannot be told from none",
        "Not told from the untrained model: piqa (notes); winogrande (notes)", "temperature=0.8, top_p=0.9",
        "tokens of one source",
    ):  # fmt: skip
        assert words in card, words
    for words in ("## Composition", "Selection never sees", "Question: Tom", "longest example"):
        assert words not in card, words


def test_sources_of_a_hub_are_the_cards_data_sets():
    from tests_support import ROOT
    from winnow.recipe.file import load_recipe
    from winnow.report.model_index import hub_names

    recipe = load_recipe(ROOT / "recipes" / "gpt2-70m.yaml")
    assert [name for source in recipe.pool.sources for name in hub_names(source)] == [
        "codelion/finepdfs-1B", "codelion/dclm-baseline-1B", "codelion/fineweb-edu-1B"
    ]  # fmt: skip
    assert hub_names(text_recipe().pool.sources[0]) == []
