import json
import warnings
from types import SimpleNamespace

import pytest

from winnow.errors import DataError
from winnow.pool.sources import read_rows, source_digests
from winnow.recipe import SourceRecipe

datasets = pytest.importorskip("datasets", reason="the extra `hub` is not installed")


def source_of(path, **others):
    return SourceRecipe(name="toy", licence="MIT", path=path, format="gsm8k", **others)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A data set folder with two splits."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    place = tmp_path / "toy_set"
    place.mkdir()
    for split, numbers in (("train", (1, 2)), ("test", (3,))):
        (place / f"{split}.jsonl").write_text("".join(json.dumps({"answer": number}) + "\n" for number in numbers))
    return place


def test_a_folder_laid_out_like_a_hub_data_set_is_read_by_split(folder, monkeypatch):
    assert list(read_rows(source_of(f"hf://{folder}"))) == [{"answer": 1}, {"answer": 2}]
    monkeypatch.chdir(folder.parent)
    assert list(read_rows(source_of("hf://./toy_set", split="test"))) == [{"answer": 3}]


def test_digests_are_the_revision_or_the_files(folder):
    assert source_digests(source_of("hf://openai/gsm8k")) == {"hf://openai/gsm8k": "main"}
    assert source_digests(source_of("hf://openai/gsm8k", revision="e53f")) == {"hf://openai/gsm8k": "e53f"}
    assert [name.rpartition("/")[2] for name in source_digests(source_of(f"hf://{folder}"))] == [
        "test.jsonl",
        "train.jsonl",
    ]


def test_a_missing_split_or_folder_is_one_line(folder):
    with pytest.raises(DataError, match=r"split validation\): .*; check name and connection"):
        list(read_rows(source_of(f"hf://{folder}", split="validation")))
    with pytest.raises(DataError, match="finds no folder at"):
        list(read_rows(source_of(f"hf://{folder}_not")))


@pytest.mark.parametrize(
    "error", [ConnectionError("no route\nto host"), datasets.exceptions.DatasetNotFoundError("gone")]
)
def test_a_hub_out_of_reach_is_one_line(monkeypatch, error):
    def refuse(*args, **kwargs):
        raise error

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(
        DataError, match="'toy' cannot be had from hf://openai/gsm8k .* give its files as `path`"
    ) as caught:
        list(read_rows(source_of("hf://openai/gsm8k", subset="main")))
    assert "\n" not in str(caught.value)


def test_a_hub_data_set_without_a_revision_is_told_with_its_commit(monkeypatch):
    class Loaded(list):
        info = SimpleNamespace(download_checksums={f"hf://datasets/o/n@{'a1' * 20}/train.parquet": {}})

    monkeypatch.setattr(datasets, "load_dataset", lambda *args, **kwargs: Loaded([{"question": "x"}]))
    with pytest.warns(UserWarning, match=rf"takes o/n as it stands at the hub today \({'a1' * 20}\); give a commit"):
        assert list(read_rows(source_of("hf://o/n"))) == [{"question": "x"}]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(read_rows(source_of("hf://o/n", revision="a1" * 20))) == [{"question": "x"}]
