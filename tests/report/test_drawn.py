"""Figures are drawn again where their numbers, their code or their files changed, and only there."""

import dataclasses
import shutil

import pytest
from study_factory import write_study

from winnow.analysis.find import find
from winnow.report import drawn, figures
from winnow.report.write import write_report, write_together
from winnow.store import read_json, write_json

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    return find(write_study(tmp_path_factory.mktemp("study") / "s", seeds=(0,)))


@pytest.fixture(scope="module")
def figures_made(findings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    drawn.bring_figures(folder, findings)
    return folder


@pytest.fixture
def folder(figures_made, tmp_path):
    """A folder of one's own with the figures of the findings."""
    return shutil.copytree(figures_made, tmp_path / "drawn")


@pytest.fixture
def drawings(monkeypatch):
    """Names of the figures that were drawn, one list for each time."""
    seen = []

    def counted(findings, names=figures.NAMES):
        seen.append(list(names))
        return {}

    monkeypatch.setattr(figures, "drawn_figures", counted)
    return seen


def test_an_unchanged_study_draws_nothing(folder, findings, drawings):
    before = {path.name: path.read_bytes() for path in (folder / "figures").iterdir()}
    kept = drawn.bring_figures(folder, findings)
    assert not drawings
    assert kept == {name[:-4]: data.decode() for name, data in before.items() if name.endswith(".svg")}
    assert list(kept) == [name for name in figures.NAMES if name in kept]


def test_the_report_is_the_same_whether_drawn_or_kept(tmp_path, findings):
    folder = write_study(tmp_path / "s", seeds=(0,))
    first = write_report(folder, findings).read_bytes(), (folder / "README.md").read_bytes()
    assert (write_report(folder, findings).read_bytes(), (folder / "README.md").read_bytes()) == first


def test_where_it_ran_changes_no_figure(folder, findings, drawings):
    drawn.bring_figures(folder, dataclasses.replace(findings, settings={"revision": "another"}))
    assert not drawings


def _changed_curve(findings):
    first, *others = findings.curves
    changed = dataclasses.replace(first, validation_loss=(first.validation_loss[0] + 1e-12, *first.validation_loss[1:]))
    return dataclasses.replace(findings, curves=(changed, *others))


def _changed_table(findings):
    table = findings.tables["evaluation"]
    rows = ({**table.rows[0], "loss": 1.5}, *table.rows[1:])
    return dataclasses.replace(
        findings, tables={**findings.tables, "evaluation": dataclasses.replace(table, rows=rows)}
    )


@pytest.mark.parametrize("change", [_changed_curve, _changed_table])
def test_a_changed_number_draws_again(folder, findings, drawings, change):
    drawn.bring_figures(folder, change(findings))
    assert drawings


def test_another_version_draws_again(folder, findings, drawings, monkeypatch):
    monkeypatch.setattr(drawn, "__version__", "0.0.0")
    drawn.bring_figures(folder, findings)
    assert drawings


def _damage(path):
    path.write_bytes(path.read_bytes()[:-9])


def _retell(path):
    """Another list of files under a seal that was not made for it."""
    write_json(path, read_json(path) | {"files": {}})


@pytest.mark.parametrize(
    ("file", "harm"),
    [
        ("loss_curves.png", lambda path: path.unlink()),
        ("final_loss.svg", _damage),
        ("drawn.json", lambda path: path.unlink()),
        ("drawn.json", _damage),
        ("drawn.json", _retell),
        ("drawn.json", lambda path: path.write_text("[]")),
    ],
)
def test_a_missing_or_damaged_file_draws_again(folder, findings, drawings, file, harm):
    harm(folder / "figures" / file)
    drawn.bring_figures(folder, findings)
    assert drawings


def test_a_page_of_several_studies_takes_the_figures_that_lie_there(tmp_path, findings, monkeypatch):
    folder = write_study(tmp_path / "s", seeds=(0,))
    write_report(folder, findings)
    monkeypatch.setattr(figures, "drawn_figures", None)
    page = write_together([(folder, findings), (folder, findings)], tmp_path / "both")
    assert "data:image/svg+xml" in page.read_text()
