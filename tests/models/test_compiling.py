import shutil
from functools import partial

import pytest
import torch
from toys import toy_model, toy_rows

from winnow.errors import TrainingError
from winnow.models.compiling import compiled
from winnow.models.forward import Losses
from winnow.models.rows import pack, pad

pytestmark = pytest.mark.slow


def test_what_cannot_be_compiled_is_said_in_one_line(monkeypatch):
    from torch._dynamo.exc import TorchDynamoException

    def fails(**inputs):
        raise TorchDynamoException("no C++ compiler\nand much more")

    monkeypatch.setattr(torch, "compile", lambda module, dynamic: fails)
    with pytest.raises(TrainingError, match=r"compiling failed \(no C\+\+ compiler\); set it to false"):
        compiled(toy_model())(input_ids=torch.ones(1, 2, dtype=torch.int64))


@pytest.mark.parametrize(
    "backend",
    [
        pytest.param("aot_eager", marks=pytest.mark.long),  # traced forward and backward, run without a C++ compiler
        pytest.param("inductor", marks=[
            pytest.mark.long,
            pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler"),
        ]),
    ],
)  # fmt: skip
def test_compiled_losses_and_gradients_are_the_plain_ones_at_every_shape(monkeypatch, backend):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    model, rows = toy_model(dtype=torch.float64, spread=0.2), toy_rows(9)
    plain, fast = Losses(model), Losses(model, is_compiled=True)
    weights = list(model.parameters())
    padded = [pad(rows, torch.tensor(members).numpy()) for members in ([0, 1, 2], [3, 4], [5, 6, 7, 8])]
    for batch in [*padded, pack(rows, [[0, 1], [2, 3]])]:
        first, second = plain.scaled_sum(batch, 7.0), fast.scaled_sum(batch, 7.0)
        slopes = torch.autograd.grad(first, weights), torch.autograd.grad(second, weights)
        gaps = [(ours - theirs).abs().max() for ours, theirs in zip(*slopes, strict=True)]
        assert abs(first - second) < 1e-12 and max(gaps) < 1e-12
