import errno
import shutil
import warnings
from functools import cache

import pytest
import torch

from faults import FAULTS, Disk, Killed
from winnow import files
from winnow.errors import ArtifactError
from winnow.store import hash_file, write_json
from winnow.training import checkpoints
from winnow.training.checkpoints import Checkpoint

FILES = ["counts.json", "manifest.json", "optimizer.pt", "random_state.pt", "weights.safetensors"]


@cache
def checkpoint(step, best_step=None):
    parameter = torch.nn.Parameter(torch.full((3, 2), float(step)))
    optimizer = torch.optim.AdamW([parameter])
    parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    weights = {"a": parameter.detach(), "b": parameter.detach().T}
    return Checkpoint(step, weights, optimizer.state_dict(), {"cpu": torch.get_rng_state()}, {"step": step}, best_step)


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

    monkeypatch.setattr(files, "sync", fail)
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


def best_of(step):
    """Fills a folder with the best weights of a step: two files that a library writes, and so one call."""

    def save(folder):
        (folder / "weights").write_text(f"weights of step {step}")
        (folder / "config").write_text("config")

    return lambda folder: files.write(folder, save)


@pytest.fixture
def with_best(tmp_path):
    """Checkpoints 5 and 10, which name the weights of steps 4 and 8 as the best, and what kills left before."""
    for step, best in ((5, 4), (10, 8)):
        checkpoints.save_best(tmp_path, best, best_of(best))
        checkpoints.write(tmp_path, checkpoint(step, best))
    for left_over in ("best_0000000012.partial", "step_0000000015.partial"):
        (tmp_path / left_over).mkdir()
        (tmp_path / left_over / "weights.safetensors").write_bytes(b"half")
    return tmp_path


def is_whole(places, found):
    """Whether a checkpoint holds what was written as that step, and its best weights are those of the step it names."""
    given = checkpoint(found.step)
    best = places / checkpoints.best_name(found.best_step)
    return (
        found.counts == given.counts
        and all(torch.equal(found.weights[name], weight) for name, weight in given.weights.items())
        and torch.equal(found.optimizer["state"][0]["exp_avg"], given.optimizer["state"][0]["exp_avg"])
        and found.random_state.keys() == given.random_state.keys()
        and (best / "weights").read_text() == f"weights of step {found.best_step}"
        and (best / "config").read_text() == "config"
    )


@pytest.mark.parametrize("name", ["config", "manifest.json", "weights"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_of_the_best_weights_is_named_too(with_best, name, damage):
    DAMAGES[damage](with_best / "best_0000000008" / name)
    named = name if (name, damage) != ("manifest.json", "flipped") else ""
    with pytest.warns(UserWarning, match=rf"step_0000000010 is damaged \(best_0000000008, the best weights: {named}"):
        assert checkpoints.newest(with_best).step == 5
    with pytest.raises(ArtifactError, match=rf"best_0000000008 is damaged \({named}.*run the same command again"):
        checkpoints.check_best(with_best, 8)
    checkpoints.check_best(with_best, 4)


@pytest.mark.filterwarnings("ignore:checkpoint step_.* is damaged")
def test_no_flipped_bit_goes_unnoticed(with_best):
    files_of_ten = [with_best / "step_0000000010" / name for name in FILES]
    for path in [*files_of_ten, *(with_best / "best_0000000008" / name for name in ("config", "weights"))]:
        whole = path.read_bytes()
        for at in range(0, len(whole), max(1, len(whole) // 40)):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            assert checkpoints.newest_place(with_best).name == "step_0000000005", (path.name, at)
        path.write_bytes(whole)
    assert checkpoints.newest(with_best).step == 10


@pytest.mark.parametrize("name", FILES)
def test_what_is_whole_but_cannot_be_read_is_named_and_passed_over(places, name):
    """As after a write that was torn without an error: hashes match, contents do not make sense."""
    place = places / "step_0000000010"
    truncate(place / name)
    if name == "manifest.json":
        reason = "damaged .manifest.json cannot be read"
    else:
        listed = {path.name: hash_file(path) for path in place.iterdir() if path.name != "manifest.json"}
        write_json(place / "manifest.json", {"files": listed, "best": None})
        reason = "cannot be read"
    with pytest.warns(UserWarning, match=rf"step_0000000010 .*{reason}.*using an older one"):
        assert checkpoints.newest(places).step == 5


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:checkpoint step_.* is damaged")
@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_goes_wrong_a_whole_checkpoint_is_there(with_best, fault, monkeypatch, tmp_path_factory):
    def advance(places):
        checkpoints.save_best(places, 12, best_of(12))
        checkpoints.write(places, checkpoint(15, 12))

    outcomes = {10: 0, 15: 0}
    for at in range(1, 1000):
        places = tmp_path_factory.mktemp("places") / "run"
        shutil.copytree(with_best, places)
        with monkeypatch.context() as patch:
            disk = Disk(patch, fault, at)
            try:
                advance(places)
            except (Killed, OSError) as error:
                assert fault != "full" or (error.errno, str(places) in error.filename) == (errno.ENOSPC, True)
        if disk.is_over:
            break
        found = checkpoints.newest(places)
        assert is_whole(places, found), at
        outcomes[found.step] += 1
        advance(places)
        again = checkpoints.newest(places)
        assert again.step == 15 and is_whole(places, again)
        assert names(places) == ["best_0000000008", "best_0000000012", "step_0000000010", "step_0000000015"]
    assert at > 30 and min(outcomes.values()) > 0
