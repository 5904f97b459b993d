"""Whether a model keeps examples apart that stand end to end in one line."""

from typing import Any

import torch

from winnow.errors import RecipeError

LENGTHS = (3, 5)
"""Of the two examples that are tried."""
TOLERANCE = 1e-4
"""Of the largest hidden state. Seeing a neighbour, or not one's position, moves states a hundred times more."""


@torch.no_grad()
def check_packing(model: Any) -> None:
    """Raises RecipeError where an example's hidden states are not those that it has when it stands alone.

    Found by trying, not by a list of names: the models of transformers keep examples apart by positions that begin
    anew, but not those that know no positions (recurrent ones, ALiBi) or count them from the mask.
    """
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    device = next(model.parameters()).device
    ids = torch.arange(1, 1 + sum(LENGTHS), device=device)[None]
    was_training = model.training
    model.eval()
    try:
        positions = torch.cat([torch.arange(length, device=device) for length in LENGTHS])[None]
        packed = plain.base_model(input_ids=ids, position_ids=positions, use_cache=False).last_hidden_state
        alone = [plain.base_model(input_ids=part, use_cache=False).last_hidden_state for part in ids.split(LENGTHS, 1)]
        is_kept_apart = _is_close(packed, torch.cat(alone, dim=1))
    except (AttributeError, TypeError):
        is_kept_apart = False
    finally:
        model.train(was_training)
    if not is_kept_apart:
        raise RecipeError(
            f"training.packing is true, but {type(plain).__name__} does not keep packed examples apart; set it to false"
        )


def _is_close(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    return bool((found - wanted).abs().max() <= TOLERANCE * wanted.abs().max())
