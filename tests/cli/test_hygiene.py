"""`winnow pool` of a recipe with `pool.hygiene`."""

import json

import pytest

from tests_support import SMALLEST
from winnow.cli import main as cli


@pytest.fixture
def pool(monkeypatch, capsys, tmp_path):
    """Standard output of `winnow pool` with these options."""

    def build(*options):
        monkeypatch.setattr("sys.argv", ["winnow", "pool", str(SMALLEST), "--out", str(tmp_path / "s"), *options])
        with pytest.raises(SystemExit) as left:
            cli.main()
        out, err = capsys.readouterr()
        assert not left.value.code, err
        return out

    return build


@pytest.mark.slow
def test_tables_of_contamination_copies_and_texts_are_printed(pool):
    options = ["--set", "pool.hygiene={duplicates: drop_exact}"]
    out = pool(*options)
    found = json.loads(pool(*options, "--json"))["hygiene"]
    assert {row["source"] for row in found["duplicates"]} == {"market", "school"}
    for words in ("they stand in an evaluation set", "equal_question", "questions asked again", "with LaTeX", "en "):
        assert words in out
    assert f"{found['sources'][0]['words']:,}" in out
    assert "equal_question" not in pool()


def test_noncommercial_sources_are_marked(pool):
    source = "{name: market, licence: CC-BY-NC-4.0, problems: {examples: 60}}"
    assert "CC-BY-NC-4.0 (non-commercial)" in pool("--set", f"pool.sources=[{source}]", "--set", "pool.target=null")
