"""What figures have in common: an arm's colour and dash, and letters that can be read."""

import re

import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text
from study_factory import EFFECTS, write_study
from varied_factory import ADAPTERS, RATES, write_varied

from winnow.analysis.find import find
from winnow.findings import ArmFacts
from winnow.report.figures import NAMES, drawn_figures
from winnow.report.page_data import DASHES, NAMED, page_data
from winnow.report.styles import BLACK, COLOURS, GREY, SMALL, arm_styles
from winnow.report.templating import asset

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    """Six arms, of which one leads only where its selection is free: every figure shows others."""
    effects = EFFECTS | {"source_matched_herding_0.25": 0.03, "herding_0.5": 0.2}
    return find(write_study(tmp_path_factory.mktemp("study") / "s", effects=effects, primary={"metric": "exact_match"}))


@pytest.fixture(scope="module")
def figures(findings, tmp_path_factory):
    varied = find(write_varied(tmp_path_factory.mktemp("varied") / "s", {"rate": RATES, "adapter": ADAPTERS}))
    return drawn_figures(findings, NAMES) | {f"varied {name}": made for name, made in drawn_figures(varied).items()}


def arms_in(figure, names):
    """Arm -> colour of its line in a legend, or of its line at the place where an axis names it."""
    found = {}
    for legend in figure.legends:
        labels = [text.get_text() for text in legend.get_texts()]
        for label, handle in zip(labels, legend.legend_handles, strict=True):
            found |= {name: to_hex(handle.get_color()) for name in names if label.split("  ")[-1] == name}
    for axis in figure.axes:
        places = {
            round(y): label.get_text() for y, label in zip(axis.get_yticks(), axis.get_yticklabels(), strict=True)
        }
        for line in axis.lines if set(places.values()) & set(names) else ():
            name = places.get(round(float(line.get_ydata()[0])))
            found |= {name: to_hex(line.get_color())} if name in names and len(set(line.get_ydata())) == 1 else {}
    return found


def test_an_arm_has_one_colour_in_all_figures_and_on_the_page(findings, figures):
    styles = arm_styles(findings.arms)
    named = {name: arms_in(figure, styles) for name, figure in figures.items() if not name.startswith("varied")}
    assert {name for name, found in named.items() if found} >= {"loss_curves", "crossover", "final_loss", "primary"}
    for name, found in named.items():
        assert found == {arm: styles[arm][0].lower() for arm in found}, name
    for arm in page_data(findings)["arms"]:
        colour, line = styles[arm["name"]]
        assert arm["colour"] == (NAMED.get(colour) or f"c{COLOURS.index(colour)}") and arm["dash"] == DASHES[line]


def test_figures_have_the_colours_of_the_page():
    css = str(asset("templates/page.css")).partition("@media")[0]
    shown = dict(re.findall(r"--(full|random|c\d): (#[0-9a-f]{6})", css))
    drawn = {f"c{place}": colour for place, colour in enumerate(COLOURS)} | {"full": BLACK, "random": GREY}
    assert {name: colour.lower() for name, colour in drawn.items()} == shown


def test_arms_beyond_the_palette_differ_in_their_dash():
    arms = [ArmFacts(f"{name}_0.1", name, 0.1, None, False, (0,)) for name in "abcdefghijklmnopqrstuvwx"]
    assert len(set(arm_styles(arms).values())) == 24 and len({colour for colour, _ in arm_styles(arms).values()}) == 8


def test_no_letters_are_smaller_than_eight_points(figures):
    assert SMALL == 8 and any(name.startswith("varied grid") for name in figures)
    small = {
        (name, text.get_text(), text.get_fontsize())
        for name, figure in figures.items()
        for text in figure.findobj(Text) if text.get_text() and text.get_visible() and text.get_fontsize() < 8
    }  # fmt: skip
    assert small == set()


def test_winners_are_numbered_as_in_the_legend(findings, figures):
    figure = figures["crossover"]
    labels = dict(text.get_text().split("  ") for text in figure.legends[0].get_texts())
    cells = [text.get_text().split(" ")[0] for text in figure.axes[2].texts]
    winners = [row["winner"] for row in findings.tables["crossover"].rows]
    assert [labels.get(cell) for cell in cells] == winners and "herding_0.5" in winners
