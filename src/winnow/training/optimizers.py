"""The optimizers of a recipe, built over the weights that are trained.

AdamW (Loshchilov and Hutter 2019), SGD with momentum, Adafactor (Shazeer and Stern 2018) and Muon (Jordan et al. 2024)
are torch's own; Lion (Chen et al. 2023) comes from the package lion-pytorch, AdamW with its state in 8 bits (Dettmers
et al. 2022) from bitsandbytes. Biases, norms and embeddings follow the usual rules: what has one dimension is not
decayed, and Muon leaves embeddings and head to AdamW.
"""

from collections.abc import Callable
from typing import Any

import torch

from winnow.errors import RecipeError
from winnow.models.gpu_extra import check_gpu_extra
from winnow.recipe import TrainingRecipe

Group = dict[str, Any]


def trained(model: Any) -> list[torch.nn.Parameter]:
    """The weights that are trained."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def build_optimizer(model: Any, recipe: TrainingRecipe) -> "torch.optim.Optimizer | Together":
    """The optimizer of a run, its learning rate still 0. Raises RecipeError where its package is missing."""
    if recipe.method == "none":
        return Together()
    if recipe.optimizer == "muon":
        return _muon(model, recipe)
    return _BUILDERS[recipe.optimizer](_groups(trained(model), recipe), recipe)


class Together:
    """Several optimizers that step as one, each over its own weights."""

    def __init__(self, *parts: torch.optim.Optimizer) -> None:
        self.parts = parts

    @property
    def param_groups(self) -> list[Group]:
        """All groups; a learning rate set in one is set in its optimizer."""
        return [group for part in self.parts for group in part.param_groups]

    def step(self) -> None:
        """One update of all weights."""
        for part in self.parts:
            part.step()

    def zero_grad(self, *, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for part in self.parts:
            part.zero_grad(set_to_none=set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """The state of every part, for a checkpoint."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        for part, its in zip(self.parts, state["parts"], strict=True):
            part.load_state_dict(its)


def _groups(weights: list[torch.nn.Parameter], recipe: TrainingRecipe) -> list[Group]:
    """Matrices, which are decayed, and the rest, which is not."""
    groups = [
        {"params": [w for w in weights if w.ndim >= 2], "weight_decay": recipe.weight_decay},
        {"params": [w for w in weights if w.ndim < 2], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _adamw(groups: list[Group], recipe: TrainingRecipe) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, lr=0.0, betas=recipe.betas, fused=True)


def _sgd(groups: list[Group], recipe: TrainingRecipe) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=0.0, momentum=recipe.betas[0])


def _adafactor(groups: list[Group], recipe: TrainingRecipe) -> torch.optim.Optimizer:
    return torch.optim.Adafactor(groups, lr=0.0)


def _lion(groups: list[Group], recipe: TrainingRecipe) -> torch.optim.Optimizer:
    try:
        from lion_pytorch import Lion
    except ImportError as error:
        raise RecipeError('training.optimizer lion needs a package: pip install "winnow-lm[optimizers]"') from error
    lion: torch.optim.Optimizer = Lion(groups, lr=1.0, betas=recipe.betas)
    return lion


def _adamw_8bit(groups: list[Group], recipe: TrainingRecipe) -> torch.optim.Optimizer:
    check_gpu_extra("training.optimizer adamw_8bit")
    from bitsandbytes.optim import AdamW8bit

    optimizer: torch.optim.Optimizer = AdamW8bit(groups, lr=0.0, betas=recipe.betas)
    return optimizer


def _muon(model: Any, recipe: TrainingRecipe) -> Together:
    """Muon for the matrices inside the layers, scaled to suit AdamW's learning rate; AdamW for all other weights."""
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    outer = {id(m.weight) for m in (plain.get_input_embeddings(), plain.get_output_embeddings()) if m is not None}
    outer |= {id(m.weight) for m in model.modules() if isinstance(m, torch.nn.Embedding)}
    inner = [weight for weight in trained(model) if weight.ndim == 2 and id(weight) not in outer]
    if not inner:
        raise RecipeError("training.optimizer muon has no matrix to train; use adamw")
    taken = {id(weight) for weight in inner}
    muon = torch.optim.Muon(inner, lr=0.0, weight_decay=recipe.weight_decay, adjust_lr_fn="match_rms_adamw")
    rest = [weight for weight in trained(model) if id(weight) not in taken]
    return Together(muon, _adamw(_groups(rest, recipe), recipe)) if rest else Together(muon)


_BUILDERS: dict[str, Callable[[list[Group], TrainingRecipe], torch.optim.Optimizer]] = {
    "adamw": _adamw,
    "sgd": _sgd,
    "adafactor": _adafactor,
    "lion": _lion,
    "adamw_8bit": _adamw_8bit,
}
