"""The table of spectra, from planted rows."""

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))
from study_factory import stage
from varied_factory import write_varied

from winnow.analysis.find import find
from winnow.evaluation.spectra import COLUMNS
from winnow.store import read_json, write_json

ROW = {
    "path": "layers.0.q", "layer": 0, "module": "q", "rows": 8, "columns": 4, "bound": 4, "rank90": 2, "rank90_base": 3,
    "rank90_tuned": 3, "rank90_random": 3, "stable_rank": 1.5, "relative_size": 0.1, "noise_floor": 1e-8,
    "intruders": 0,
    "singular_values": [1.0, 0.5],
}  # fmt: skip


@pytest.fixture
def tabled(tmp_path):
    """The rows of the table, of a study in which every run of the first arm left these rows."""

    def make(rows_of_seed):
        write_varied(tmp_path)
        yaml = YAML()
        recipe = yaml.load((tmp_path / "recipe.yaml").read_text())
        recipe["evaluation"]["spectra"] = {}
        yaml.dump(recipe, tmp_path / "recipe.yaml")
        stages = read_json(tmp_path / "records/stages.json")
        for seed in (0, 1, 2):
            run = f"full_epochs1{'' if seed == 0 else f'_s{seed}'}_best"
            path = tmp_path / f"records/items/spectra.{run}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.Table.from_pylist(rows_of_seed(seed), schema=COLUMNS), path)
            stages.append(stage(f"spectra.full_epochs1.s{seed}", "spectra", {}, arm="full_epochs1", seed=seed))
        write_json(tmp_path / "records/stages.json", stages)
        return find(tmp_path).tables["spectra"].rows

    return make


def test_rows_are_means_by_module_over_layers_and_seeds(tabled):
    def rows(seed):
        return [ROW | {"layer": layer, "rank90": 2 + layer, "intruders": seed} for layer in (0, 1)] + [
            ROW | {"module": "up", "relative_size": 2e-8}
        ]

    first, second = tabled(rows)
    assert (first["arm"], first["module"], first["matrices"], first["seeds"]) == ("full_epochs1", "q", 2, 3)
    assert first["rank90"] == 2.5 and first["intruders"] == 1 and first["least_side"] == 4
    assert first["note"] == "" and second["note"] == "hardly more than rounding"


def test_runs_that_changed_nothing_have_no_row(tabled):
    assert tabled(lambda seed: []) == ()


def test_a_matrix_that_was_zero_has_no_relative_size(tabled):
    [row] = tabled(lambda seed: [ROW | {"relative_size": None}])
    assert row["relative_size"] is None and row["rank90"] == 2
