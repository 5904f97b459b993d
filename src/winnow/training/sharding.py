"""Ranks that hold a part of the layers each, for models whose training does not fit on one device (FSDP2).

Torch's `fully_shard` (Zhao et al. 2023; the second design) cuts every layer's weights, gradients and optimizer state
over the ranks and gathers a layer's weights while it is computed. What stands outside of the layers (embeddings, last
norm, head) stays whole on every rank, since loss and generation use the head's weights apart from the model's
`forward`; its gradients are summed as without sharding.

Layers are gathered by all ranks at once. So all ranks run the same number of micro-batches, some of them perhaps with
weight 0, and evaluate together; files are written by the first one, out of a copy of the model in its main memory.
"""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, distributed, nn

from winnow.errors import RecipeError, TrainingError
from winnow.models.forward import Batch
from winnow.models.loading import trainable_state
from winnow.recipe import TrainingRecipe
from winnow.training.ranks import Ranks

ELEMENTWISE = "adamw", "sgd", "lion"
"""Optimizers whose update of a weight looks at no other weight, so that parts of a matrix can be updated apart."""


@dataclass(frozen=True)
class Sharded(Ranks):
    """Ranks with a part of the layers each."""

    model: Any = None
    whole: Any = None
    """On the first rank a copy of the model on the CPU, for saving; its trained weights are as of the last save."""

    is_sharded = True

    def share(self, micro_batches: list[Batch], *, seed: int, step: int) -> Iterator[Batch]:
        """As without sharding, then the smallest micro-batch with weight 0 until all ranks have had equally many."""
        yield from super().share(micro_batches, seed=seed, step=step)
        hands = self._hands(micro_batches)
        idle = min(micro_batches, key=lambda batch: batch.ids.numel())
        for _ in range(max(map(len, hands)) - len(hands[self.number])):
            yield replace(idle, weights=torch.zeros(len(idle.rows), dtype=torch.float64))

    def check_retry(self) -> None:
        """Raises TrainingError: the other ranks wait for this one in the middle of the model."""
        raise TrainingError(
            "out of memory; with training.sharding full the micro-batch is not made smaller on the way: lower "
            "training.per_device_batch_size and raise training.gradient_accumulation_steps"
        )

    def clip(self, weights: list[nn.Parameter], max_norm: float) -> float:
        """Scale the gradients of all weights, wherever they are, down to this norm; gives back what it was."""
        kinds = _by_kind(weights)
        gradients = [[weight.grad for weight in kind if weight.grad is not None] for kind in kinds]
        norms = [_whole(nn.utils.get_total_norm(kind)) for kind in gradients if kind]
        norm = torch.linalg.vector_norm(torch.stack(norms))
        for kind in kinds:
            nn.utils.clip_grads_with_norm_(kind, max_norm, norm)
        return float(norm)

    def of_first(self, flag: bool) -> bool:
        """What the first rank says."""
        said = torch.tensor(flag, dtype=torch.int32)
        distributed.broadcast(said, src=0)
        return bool(said)

    def arranged(self, optimizer: Any) -> Any:
        """The optimizer with groups of whole weights and groups of cut ones, which torch does not update together."""
        optimizer.param_groups = [
            group | {"params": kind} for group in optimizer.param_groups for kind in _by_kind(group["params"]) if kind
        ]
        return optimizer

    def gathered(self, tree: Any) -> Any:
        """The tree with every cut tensor whole, on the CPU; all ranks call it, the others get nothing of use."""
        if isinstance(tree, dict):
            return {key: self.gathered(value) for key, value in tree.items()}
        if isinstance(tree, list | tuple):
            return type(tree)(self.gathered(value) for value in tree)
        if not isinstance(tree, Tensor):
            return tree
        whole = _whole(tree)
        return whole.cpu() if self.is_first else None

    def restore(self, weight: Tensor, whole: Tensor) -> None:
        """Put this rank's part of the value into a weight."""
        weight.copy_(_cut_like(weight, whole))

    def restore_optimizer(self, optimizer: Any, state: dict[str, Any]) -> None:
        """Put this rank's part of the state into the optimizer."""
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        own = {
            number: {key: _cut_like(weights[number], value) for key, value in values.items()}
            for number, values in state["state"].items()
        }
        optimizer.load_state_dict(state | {"state": own})

    def prepare_to_save(self) -> None:
        """Copy the trained weights into the first rank's whole model."""
        gathered = self.gathered(trainable_state(self.model))
        if self.is_first:
            with torch.no_grad():
                for name, weight in trainable_state(self.whole).items():
                    weight.copy_(gathered[name])

    def saved(self, model: Any) -> Any:
        """The whole model on the CPU."""
        return self.whole

    def _sum_gradients(self, weights: list[nn.Parameter]) -> None:
        # Those of the layers were summed on the way back.
        super()._sum_gradients(_by_kind(weights)[0])


def shard(ranks: Ranks, model: Any, recipe: TrainingRecipe) -> Sharded:
    """Cut the model's layers over the ranks, in place, and move what is left whole to this rank's device.

    Raises RecipeError where the model does not say what its layers are, or the recipe needs whole weights.
    """
    from torch.distributed.fsdp import FSDPModule, fully_shard

    if recipe.optimizer not in ELEMENTWISE:
        raise RecipeError(
            f"training.optimizer {recipe.optimizer} needs whole weights; with training.sharding full choose one of "
            f"{', '.join(ELEMENTWISE)}"
        )
    if recipe.quantise is not None:
        raise RecipeError("training.sharding full does not cut quantised weights; leave out training.quantise")
    device = next(model.parameters()).device
    layers = layers_of(model)
    model.cpu()
    whole = copy.deepcopy(model) if ranks.is_first else None
    mesh = distributed.init_device_mesh(device.type, (ranks.size,))
    for layer in layers:
        fully_shard(layer, mesh=mesh)
    # The root takes no weights of its own; it lets the layers share their streams.
    outer = _by_kind(model.parameters())[0]
    fully_shard(_plain(model).base_model, mesh=mesh, ignored_params=set(outer))
    for weight in outer:
        weight.data = weight.data.to(device)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)
    return Sharded(ranks.number, ranks.size, model, whole)


def layers_of(model: Any) -> list[nn.Module]:
    """The layers that are cut; all else stays whole. Raises RecipeError where the model does not name them."""
    plain = _plain(model)
    names = set(plain._no_split_modules or ())
    layers = [module for module in plain.modules() if type(module).__name__ in names]
    if not layers:
        raise RecipeError(f"training.sharding full: {type(plain).__name__} does not name its layers; use none")
    return layers


def _plain(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _by_kind(weights: Iterable[nn.Parameter]) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The whole weights, and the cut ones."""
    from torch.distributed.tensor import DTensor

    given = list(weights)
    return [w for w in given if not isinstance(w, DTensor)], [w for w in given if isinstance(w, DTensor)]


def _whole(tensor: Tensor) -> Tensor:
    from torch.distributed.tensor import DTensor

    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _cut_like(weight: Tensor, whole: Any) -> Any:
    """This rank's part of a value that belongs to a weight, cut as that is; numbers and steps as they are."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(weight, DTensor) or not isinstance(whole, Tensor) or whole.shape != weight.shape:
        return whole
    return distribute_tensor(whole.to(weight.device), weight.device_mesh, weight.placements, src_data_rank=None)
