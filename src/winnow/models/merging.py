"""Merging an adapter into its model, so that the whole computes what was trained.

    whole = merge(adapted)       # in place: the adapted model is used up

Modules may share a weight: embedding and head where they are tied, layers that PEFT repeats. PEFT's own merge adds what
was learnt for one of them to the weight of all. Here each gets a weight of its own before, where an adapter changes one
of them; what was merged is then compared with what stood before.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from winnow.errors import RecipeError
from winnow.models.flops import pass_two_tokens

ABSOLUTE, RELATIVE = 1e-2, 1e-4
"""How far answers may move: log-probabilities in nats, or an encoder's states over their spread, and a share of the
largest of them, which rounds by as much where a run went wrong. Wrong merges move them by much more."""
PROBED_TOKENS = 16


def merge(adapted: Any) -> Any:
    """The model with its adapter merged in place, nothing of PEFT left.

    Raises RecipeError where the merged model computes something else.
    """
    before = _answers(adapted)
    whole = unite(adapted)
    after = _answers(whole)
    near = ABSOLUTE + RELATIVE * float(before.abs().max().nan_to_num())
    if not torch.allclose(before, after, rtol=0, atol=near, equal_nan=True):
        raise RecipeError(
            f"the adapter cannot be merged into {type(whole).__name__}: merged, the model's answers move by up to "
            f"{float((before - after).abs().max()):.3g} nats; train an adapter of another peft_type or on other modules"
        )
    return whole


def hollow(model: nn.Module) -> Any:
    """A copy of the model without contents, on the meta device; weights that are shared are shared in it."""
    tensors = {id(t): t for t in (*model.parameters(), *model.buffers())}
    return copy.deepcopy(model, {key: _emptied(tensor) for key, tensor in tensors.items()})


def rehearse_merge(adapted: Any) -> None:
    """Pass two tokens, merge and pass them again, on a copy without contents; whatever fails then, fails here.

    A few adapters look at contents on the way: of those a full copy is taken, and of what has none nothing is tried.
    """
    try:
        _rehearse(hollow(adapted))
    except NotImplementedError as error:
        if "meta" not in str(error):
            raise
        if not next(adapted.parameters()).is_meta:
            _rehearse(copy.deepcopy(adapted))


def _rehearse(adapted: Any) -> None:
    adapted.eval()
    pass_two_tokens(adapted)
    pass_two_tokens(unite(adapted))


def part_shared(adapted: nn.Module) -> None:
    """Give each module a weight of its own where several share one and an adapter changes what one of them does."""
    adapted_modules = _inside_adapters(adapted)
    owners: dict[int, list[tuple[nn.Module, str]]] = {}
    for module in adapted.modules():
        for name, weight in module.named_parameters(recurse=False, remove_duplicate=False):
            owners.setdefault(id(weight), []).append((module, name))
    for sharing in owners.values():
        if len(sharing) > 1 and any(id(module) in adapted_modules for module, _ in sharing):
            for module, name in sharing[1:]:
                weight = getattr(module, name)
                setattr(module, name, nn.Parameter(weight.detach().clone(), requires_grad=weight.requires_grad))


def unite(adapted: Any) -> Any:
    """As `merge`, and nothing compared: for models without contents."""
    part_shared(adapted)
    whole = adapted.merge_and_unload()
    first, last = whole.get_input_embeddings(), whole.get_output_embeddings()
    if last is not None and first.weight is not last.weight:
        whole.config.tie_word_embeddings = False
    return whole


def _inside_adapters(adapted: nn.Module) -> set[int]:
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    wrappers = [m for m in adapted.modules() if isinstance(m, BaseTunerLayer | AuxiliaryTrainingWrapper)]
    return {id(inner) for wrapper in wrappers for inner in wrapper.modules()}


def _emptied(tensor: Tensor) -> Tensor:
    empty = torch.empty_like(tensor, device="meta")
    return nn.Parameter(empty, requires_grad=tensor.requires_grad) if isinstance(tensor, nn.Parameter) else empty


@torch.no_grad()
def _answers(model: Any) -> Tensor:
    """[tokens, width], float64: log-probabilities of what follows each of a few tokens, or an encoder's states."""
    was_training, embedding = model.training, model.get_input_embeddings()
    model.eval()
    ids = torch.linspace(0, embedding.weight.shape[0] - 1, PROBED_TOKENS, device=embedding.weight.device).long()[None]
    found = model(input_ids=ids)[0][0].double()
    model.train(was_training)
    is_head = model.get_output_embeddings() is not None
    return found.log_softmax(-1) if is_head else found / found.std().clamp_min(1e-30)
