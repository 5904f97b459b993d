"""One vector per example: the gradient of its mean completion loss in a low-rank adapter, projected (LESS, GIST).

A fresh adapter is put on the proxy model (what a start has learnt in an adapter is merged into it): A random, B zero.
The gradient with respect to a B matrix is then a sum over tokens of outer products of the gradient at the adapter's
output with A x. One backward pass over a batch gives both for all its examples, so nothing loops over examples.
Each adapted module has a random projection of its own, signs scaled such that inner products of gradients are kept
in expectation; the pieces stand side by side.

With `adam: true` gradients are first divided by the root of their second moment. LESS (Xia et al. 2024, section 3.1)
takes that moment, and a momentum, from the optimizer of a warm-up run and applies them to the candidates alone; here
the moment is the mean square over `MOMENT_EXAMPLES` examples of the pool itself, there is no momentum, and candidates
and target are treated alike.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from winnow.errors import RecipeError
from winnow.models.flops import flop_model
from winnow.models.forward import Batch, Losses
from winnow.models.loading import adapt
from winnow.models.rows import TokenRows
from winnow.parts import RepresentPart
from winnow.recipe import GradientsRecipe
from winnow.records import Cost, Stored
from winnow.selection.losses import target_rows, where_head_runs
from winnow.selection.proxy import Proxy, load_proxy, padded_batches, pass_cost
from winnow.selection.shards import Computed, Extractor, FirstPass, Tell
from winnow.selection.views import FloatArray

MOMENT_EXAMPLES = 1024
"""Examples, evenly spaced by id, over which the second moment is taken."""
EPSILON = 1e-8
"""Added to the root of the second moment, as in Adam."""
ADAPTED = ".lora_B.default"

UseGradient = Callable[[str, Tensor], None]
"""Takes the name of a module and the examples' gradients of its B matrix, [batch, out, r]."""


def extractor(part: RepresentPart, inputs: Mapping[str, Stored]) -> Extractor:
    """Projected gradients. Raises RecipeError where the projection is narrower than there are adapted modules."""
    recipe = part.representation
    assert isinstance(recipe, GradientsRecipe) and part.lora is not None
    proxy = load_proxy(inputs, recipe.batch_size)
    source = GradientSource(replace(proxy, model=adapt(proxy.model, part.lora, seed=recipe.seed).eval()))
    projections = {name: each.to(source.device) for name, each in random_projections(source.shapes, recipe).items()}

    def projected(scales: dict[str, Tensor] | None) -> Extractor:
        return Extractor(proxy.columns, lambda examples, tell: source.project(examples, projections, scales, tell))

    if not recipe.adam:
        return projected(None)
    first = FirstPass(MOMENT_EXAMPLES, source.second_moment, lambda moment: projected(source.adam_scales(moment)))
    return replace(projected(None), first_pass=first)


class GradientSource:
    """Per-example gradients of an adapted model's B matrices.

    The model's parameters are frozen for good: only what flows through the adapters' outputs is computed.
    """

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        model = proxy.model
        self.modules = {name: module for name, module in model.named_modules() if name.endswith(ADAPTED)}
        for name, parameter in model.named_parameters():
            parameter.requires_grad = name.endswith(f"{ADAPTED}.weight")
        self.flops = flop_model(model)
        model.requires_grad_(False)
        self.losses = Losses(model)
        self.device = self.losses.device

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """(out, r) of each B matrix by name."""
        return {name: (module.weight.shape[0], module.weight.shape[1]) for name, module in self.modules.items()}

    def project(
        self, examples: pa.Table, projections: dict[str, Tensor], scales: dict[str, Tensor] | None, tell: Tell
    ) -> Computed:
        """Gradients times projections, [examples, projection], float32; each first times its scale, if given."""
        rows, truncated = self._rows(examples)
        starts = np.cumsum([0, *(each.shape[1] for each in projections.values())])
        place = {name: slice(a, b) for name, a, b in zip(projections, starts[:-1], starts[1:], strict=True)}
        found: FloatArray = np.zeros((len(rows.names), int(starts[-1])), dtype=np.float32)
        for batch in padded_batches(rows, self.proxy, tell):

            def use(name: str, gradient: Tensor, members: list[int] = batch.rows) -> None:
                scaled = gradient if scales is None else gradient * scales[name]
                found[members, place[name]] = (scaled.flatten(1) @ projections[name]).cpu().numpy()

            self.of_batch(batch, use)
        return Computed(found, self._cost(rows), truncated)

    def second_moment(self, examples: pa.Table, tell: Tell) -> Computed:
        """Mean square of each entry of the gradients over the examples; all modules end to end, float64."""
        rows, truncated = self._rows(examples)
        sums = {name: torch.zeros(shape, dtype=torch.float64) for name, shape in self.shapes.items()}

        def use(name: str, gradient: Tensor) -> None:
            sums[name] += gradient.square().sum(dim=0).double().cpu()

        for batch in padded_batches(rows, self.proxy, tell):
            self.of_batch(batch, use)
        flat = torch.cat([each.flatten() for each in sums.values()]).numpy() / len(rows.names)
        return Computed(flat, self._cost(rows), truncated)

    def adam_scales(self, moment: NDArray[np.float64]) -> dict[str, Tensor]:
        """What each gradient is multiplied with: 1 over (root of the second moment + epsilon)."""
        scales, start = {}, 0
        for name, shape in self.shapes.items():
            size = shape[0] * shape[1]
            piece = 1 / (np.sqrt(moment[start : start + size]) + EPSILON)
            scales[name] = torch.from_numpy(piece.astype(np.float32).reshape(shape)).to(self.device)
            start += size
        return scales

    def of_batch(self, batch: Batch, use: UseGradient) -> None:
        """Hand `use` the gradient of each example's mean target loss in each B matrix, module by module."""
        handles = [module.register_forward_hook(_watch(name, batch, use)) for name, module in self.modules.items()]
        try:
            with torch.enable_grad():
                per_token = self.losses.of_targets(batch)
                targets = batch.is_target[:, 1:]
                share = 1 / targets.sum(dim=1).to(per_token.dtype)
                (per_token * share[targets.nonzero()[:, 0]]).sum().backward()
        finally:
            for handle in handles:
                handle.remove()

    def _rows(self, examples: pa.Table) -> tuple[TokenRows, int]:
        tokens = self.proxy.tokens(examples)
        return target_rows(examples["id"].to_pylist(), tokens, "completion"), tokens.truncated

    def _cost(self, rows: TokenRows) -> Cost:
        """Forward and backward; the product with the projection is less than a thousandth of it and left out."""
        head = where_head_runs(self.losses)
        return pass_cost(self.flops.train, self.flops.six_n(1.0), rows, self.proxy.batch_size, head=head)


def _watch(name: str, batch: Batch, use: UseGradient) -> Callable[[nn.Module, Any, Tensor], None]:
    """A forward hook that waits for the gradient at a module's output and joins it with the module's input."""

    def on_forward(module: nn.Module, args: Any, output: Tensor) -> None:
        given = args[0].detach()
        if given.shape[:2] != batch.ids.shape:
            raise RecipeError(f"{name.removesuffix(ADAPTED)} does not see every token; leave it out of target_modules")
        if not output.requires_grad:
            output.requires_grad_()
        output.register_hook(lambda gradient: use(name, torch.einsum("bto,btr->bor", gradient, given)))

    return on_forward


def random_projections(shapes: dict[str, tuple[int, int]], recipe: GradientsRecipe) -> dict[str, Tensor]:
    """A matrix of signs over the root of its width for each module, [out * r, width], drawn from the recipe's seed.

    The widths differ by 1 at most and add up to `projection`. Raises RecipeError where that is less than the number of
    modules.
    """
    if recipe.projection < len(shapes):
        raise RecipeError(f"projection is {recipe.projection}; the adapter has {len(shapes)} modules; raise it")
    short, longer = divmod(recipe.projection, len(shapes))
    found = {}
    for number, (name, (out, r)) in enumerate(shapes.items()):
        width = short + (number < longer)
        signs = np.random.default_rng([recipe.seed, number]).integers(0, 2, (out * r, width), dtype=np.int8)
        found[name] = torch.from_numpy((2 * signs - 1).astype(np.float32) / np.float32(np.sqrt(width)))
    return found
