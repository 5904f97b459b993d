import warnings

import pytest
import torch

from winnow.training import checkpoints
from winnow.training.checkpoints import Checkpoint

FILES = ["counts.json", "manifest.json", "optimizer.pt", "random_state.pt", "weights.safetensors"]


def checkpoint(step):
    parameter = torch.nn.Parameter(torch.full((3, 2), float(step)))
    optimizer = torch.optim.AdamW([parameter])
    parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    weights = {"a": parameter.detach(), "b": parameter.detach().T}
    return Checkpoint(step, weights, optimizer.state_dict(), {"cpu": torch.get_rng_state()}, {"step": step})


@pytest.fixture
def places(tmp_path):
    for step in (5, 10):
        checkpoints.write(tmp_path, checkpoint(step))
    return tmp_path


def names(places):
    return sorted(place.name for place in places.iterdir())


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES = {"truncated": truncate, "emptied": lambda path: path.write_bytes(b""), "flipped": flip,
           "removed": lambda path: path.unlink()}  # fmt: skip


def test_a_checkpoint_comes_back_as_it_was(places):
    found, given = checkpoints.newest(places), checkpoint(10)
    assert (found.step, found.counts) == (10, {"step": 10})
    assert all(torch.equal(found.weights[name], given.weights[name]) for name in ("a", "b"))
    assert torch.equal(found.optimizer["state"][0]["exp_avg"], given.optimizer["state"][0]["exp_avg"])
    assert found.optimizer["param_groups"] == given.optimizer["param_groups"]
    assert torch.equal(found.random_state["cpu"], given.random_state["cpu"])


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named_and_the_older_checkpoint_used(places, name, damage):
    assert sorted(path.name for path in (places / "step_0000000010").iterdir()) == FILES
    DAMAGES[damage](places / "step_0000000010" / name)
    # A flipped bit in the manifest shows as the file whose name or hash it is about.
    named = name if (name, damage) != ("manifest.json", "flipped") else ""
    with pytest.warns(UserWarning, match=rf"step_0000000010 is damaged \({named}.*using an older one"):
        assert checkpoints.newest(places).step == 5


def test_without_a_valid_checkpoint_there_is_none(places):
    assert checkpoints.newest(places / "nowhere") is None
    for step in ("05", "10"):
        flip(places / f"step_00000000{step}" / "optimizer.pt")
    with pytest.warns(UserWarning, match="optimizer.pt has changed"):
        assert checkpoints.newest(places) is None


def test_a_kill_while_writing_is_ignored_and_cleaned_up(places):
    partial = places / "step_0000000015.partial"
    partial.mkdir()
    (partial / "weights.safetensors").write_bytes(b"half")
    (partial / "left.over").write_bytes(b"")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert checkpoints.newest(places).step == 10
    checkpoints.write(places, checkpoint(15))
    assert checkpoints.newest(places).step == 15
    assert names(places) == ["step_0000000010", "step_0000000015"]
    assert sorted(path.name for path in (places / "step_0000000015").iterdir()) == FILES


@pytest.mark.parametrize("doomed", ["weights.safetensors", "counts.json", "manifest.json"])
def test_a_write_that_fails_leaves_the_older_ones(places, doomed, monkeypatch):
    def fail(path):
        if path.name == doomed:
            raise OSError("disk full")

    monkeypatch.setattr(checkpoints, "sync", fail)
    with pytest.raises(OSError, match="disk full"):
        checkpoints.write(places, checkpoint(15))
    assert checkpoints.newest(places).step == 10


def test_only_the_newest_remain(places):
    for step in (15, 20, 25):
        checkpoints.write(places, checkpoint(step))
    assert names(places) == ["step_0000000020", "step_0000000025"]
    assert checkpoints.KEPT == 2


def test_damaged_ones_do_not_push_out_good_ones(places):
    """Both are damaged, the run starts afresh: its first checkpoints must stay."""
    for step in ("05", "10"):
        flip(places / f"step_00000000{step}" / "optimizer.pt")
    checkpoints.write(places, checkpoint(1))
    assert checkpoints.newest(places).step == 1
    checkpoints.write(places, checkpoint(2))
    assert names(places) == ["step_0000000001", "step_0000000002"]


def test_the_same_step_can_be_written_again(places):
    flip(places / "step_0000000010" / "counts.json")
    checkpoints.write(places, checkpoint(10))
    assert checkpoints.newest(places).step == 10
