"""The model stage: point at a folder or a hub model that training starts from."""

import re
from collections.abc import Mapping
from pathlib import Path

from winnow.models import loading
from winnow.models.checking import check_tokenizer
from winnow.models.flops import flop_model
from winnow.models.folders import contents_of
from winnow.parts import ModelPart
from winnow.records import Context, Outcome, Stored
from winnow.store import write_json


def point_at_model(part: ModelPart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """Check that the model and its tokenizer load, and leave a pointer to them with the hashes of a local folder.

    The digest rests on the contents (or the hub's name and commit), never on where a folder stands. All that follows
    loads that commit: what moves on at the hub does not move a study.
    """
    folder = Path(part.model).expanduser()
    name = str(folder.resolve()) if folder.is_dir() else part.model
    load = loading.load_named_encoder if part.is_encoder else loading.load_named
    model = load(name, part.revision)
    check_tokenizer(name, part.revision, model, is_encoder=part.is_encoder)
    revision = part.revision if folder.is_dir() else commit_of(part.model, part.revision) or part.revision
    write_json(context.folder / loading.MODEL_REFERENCE, {"model": name, "revision": revision})
    write_json(context.folder / "contents.json", {**contents_of(name), "revision": revision or ""})
    return Outcome(
        outputs=("contents.json",),
        logs=(loading.MODEL_REFERENCE,),
        numbers={"model": part.model, "parameters": flop_model(model).parameters},
    )


def commit_of(name: str, revision: str | None) -> str | None:
    """The hub's commit that a model was just loaded from, by where its files lie; None where that does not tell."""
    from huggingface_hub import try_to_load_from_cache

    place = try_to_load_from_cache(name, "config.json", revision=revision)
    found = re.search(r"[/\\]snapshots[/\\]([0-9a-f]{40})[/\\]", place) if isinstance(place, str) else None
    return found[1] if found else None
