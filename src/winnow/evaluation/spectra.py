"""The spectra stage: what training changed in each matrix of a model, as singular values and ranks.

Of a plain adapter the difference is never formed: its values come from the two factors. Of everything else it is taken
between the float32 weights of the checkpoint and of what the run started from; a difference of weights kept in 16 bits
would be rounding noise of full rank. Each matrix is a file of its own until all are there, so that a kill costs one.
"""

import json
import math
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor
from transformers.pytorch_utils import Conv1D

from winnow.errors import DataError, UnavailableError
from winnow.models import spectra
from winnow.models.loading import load_model
from winnow.models.module_groups import matrices
from winnow.recipe.measuring import SpectraPart
from winnow.records import Context, Cost, Outcome, Stored
from winnow.store import read_json, write_json

Row = dict[str, Any]
PARTS = "parts"
COLUMNS = pa.schema(
    [
        ("path", pa.string()), ("layer", pa.int64()), ("module", pa.string()), ("rows", pa.int64()),
        ("columns", pa.int64()), ("bound", pa.int64()), ("rank90", pa.int64()), ("rank90_base", pa.int64()),
        ("rank90_tuned", pa.int64()), ("rank90_random", pa.int64()), ("stable_rank", pa.float64()),
        ("relative_size", pa.float64()), ("noise_floor", pa.float64()), ("intruders", pa.int64()),
        ("singular_values", pa.list_(pa.float64())),
    ]
)  # fmt: skip


def measure_spectra(part: SpectraPart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """Each changed matrix of a checkpoint, a row of `spectra.parquet`; matrices that are as they were have none.

    Inputs: `run` (a trained model), `start` (what it started from). Raises UnavailableError for a quantised base, and
    DataError for weights that are no numbers.
    """
    if part.quantise is not None:
        raise UnavailableError(
            f"spectra need the weights that were trained on, and the base was held in {part.quantise}; leave "
            "training.quantise out to have them"
        )
    started = time.perf_counter()
    torch.set_num_threads(part.threads)
    base, tuned = (weights_of(load_model(*each)) for each in ((inputs["start"],), (inputs["run"], part.checkpoint)))
    factors = adapter_factors(inputs["run"].folder / part.checkpoint)
    parts = context.folder / PARTS
    parts.mkdir(exist_ok=True)
    for done, path in enumerate(base):
        context.progress.update(done, len(base), path)
        place = parts / f"{done:05d}.json"
        if not place.is_file():
            row = spectrum(path, base[path], tuned[path], factors.get(path) if factors else None, part)
            write_json(place, row or {})
    rows = [row for place in sorted(parts.glob("*.json")) if (row := read_json(place))]
    pq.write_table(pa.Table.from_pylist(rows, schema=COLUMNS), context.folder / "spectra.parquet", compression="zstd")
    write_json(context.folder / "spectra.json", part.model_dump(mode="json") | {"matrices": len(rows)})
    shutil.rmtree(parts)
    seconds = time.perf_counter() - started
    return Outcome(
        outputs=("spectra.parquet", "spectra.json"), numbers={"matrices": len(rows)},
        costs={"evaluate": Cost(seconds=seconds)},
    )  # fmt: skip


def weights_of(model: Any) -> dict[str, Tensor]:
    """The linear layers' weights by path, [out, in] each, the head left out."""
    found = dict(model.named_modules())
    return {
        path: found[path].weight.detach().T if isinstance(found[path], Conv1D) else found[path].weight.detach()
        for path in matrices(model)
    }


def adapter_factors(folder: Path) -> dict[str, tuple[Tensor, Tensor, float]] | None:
    """Path -> B, A and the scale of a plain LoRA in this folder; None where it holds something else."""
    place = folder / "adapter_config.json"
    config = json.loads(place.read_text(encoding="utf-8")) if place.is_file() else {}
    if config.get("peft_type") != "LORA" or config.get("use_dora") or config.get("modules_to_save"):
        return None
    return dict(_factors(folder, config))


def _factors(folder: Path, config: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Tensor, Tensor, float]]]:
    from safetensors.torch import load_file

    tensors = load_file(folder / "adapter_model.safetensors")
    r = config["r"]
    scale = config["lora_alpha"] / (math.sqrt(r) if config.get("use_rslora") else r)
    for name in tensors:
        if name.endswith(".lora_A.weight"):
            path = name.removesuffix(".lora_A.weight").removeprefix("base_model.model.")
            yield path, (tensors[name.replace(".lora_A.", ".lora_B.")], tensors[name], scale)


def spectrum(
    path: str, base: Tensor, tuned: Tensor, factors: tuple[Tensor, Tensor, float] | None, part: SpectraPart
) -> Row | None:
    """What is said of one matrix; None where nothing in it changed."""
    for name, weights in (("before", base), ("after", tuned)):
        if not torch.isfinite(weights).all():
            raise DataError(f"spectra: {path} holds what is no number {name} training; look at the run's losses")
    if torch.equal(base, tuned):
        return None
    rows, columns = base.shape
    asked, bound = part.spectra, min(rows, columns)
    if factors is None:
        values, noise = spectra.singular_values(tuned.double() - base.double()), spectra.rounding_noise(tuned)
    else:
        b, a, scale = factors
        values, noise, bound = spectra.adapter_singular_values(b, a, scale=scale), 0.0, min(bound, a.shape[0])
    compared = spectra.Compared(base, tuned)
    before, after = compared.base_values, compared.tuned_values
    return {
        "path": path, "layer": layer_of(path), "module": path.rsplit(".", maxsplit=1)[-1], "rows": rows,
        "columns": columns, "bound": bound, "rank90": spectra.rank_at(values, asked.share),
        "rank90_base": spectra.rank_at(before, asked.share), "rank90_tuned": spectra.rank_at(after, asked.share),
        "rank90_random": spectra.random_rank(rows, columns, asked.share), "stable_rank": spectra.stable_rank(values),
        "relative_size": float(values.norm() / before.norm()) if before.any() else None, "noise_floor": noise,
        "intruders": compared.intruders(first=asked.first, below=asked.below),
        "singular_values": values.tolist(),
    }  # fmt: skip


def layer_of(path: str) -> int | None:
    """The number in a path such as `model.layers.3.mlp.up_proj`; None where there is none."""
    return next((int(part) for part in path.split(".") if part.isdigit()), None)
