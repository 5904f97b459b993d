"""What stands in a model's folder, read before anything is loaded: plain JSON and the heads of weights files.

    base = adapter_base("models/my-adapter")     # None where it is a whole model, or a hub name

Every error names the folder, what is wrong with it, and what to do.
"""

import json
from pathlib import Path
from typing import Any

from winnow.errors import RecipeError, nearest
from winnow.store import hash_tree

CONFIG, ADAPTER_CONFIG = "config.json", "adapter_config.json"
WEIGHTS, INDEX, ADAPTER_WEIGHTS = "model.safetensors", "model.safetensors.index.json", "adapter_model.safetensors"
OTHER_WEIGHTS = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.h5", "*.msgpack", "*.gguf")
LONGEST_CHAIN = 8
"""Adapters that may stand on one another."""


def folder_of(name: str) -> Path | None:
    """The local folder that a model's name means; None for a name at the hub. Raises RecipeError where it is none."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise RecipeError(f"base.model {name} is no model folder (it is a file); name the folder that holds it")
    if name.startswith(("/", ".", "~")) or not name.strip():
        raise RecipeError(f"base.model {name} is no model folder (there is none of that name)")
    return None


def unusable(name: object, reason: str, advice: str = "") -> RecipeError:
    """What to say of a model that cannot be used."""
    told = " ".join(reason.split())
    told = "".join(letter if letter.isprintable() else "?" for letter in told)
    return RecipeError(f"model {name} cannot be used: {told[:400]}" + (f"; {advice}" if advice else ""))


def adapter_base(name: str) -> str | None:
    """The model that an adapter's folder is for: a folder, or a name at the hub; None where `name` is no adapter.

    As PEFT does, a path is taken from the current folder; one with dots is also looked for from the adapter's own, and
    `base` beside the adapters of a study is that study's. Raises RecipeError where it cannot be found.
    """
    folder = folder_of(name)
    if folder is None or not (folder / ADAPTER_CONFIG).is_file():
        return None
    whole = [each for each in (CONFIG, WEIGHTS, INDEX) if (folder / each).is_file()]
    if whole:
        raise unusable(name, f"it holds both an adapter ({ADAPTER_CONFIG}) and a model ({whole[0]})", "remove one")
    asked = read_object(folder / ADAPTER_CONFIG, name).get("base_model_name_or_path")
    if not isinstance(asked, str) or not asked.strip():
        raise unusable(name, f"{ADAPTER_CONFIG} names no base_model_name_or_path", "write there which model it is for")
    return _found(folder, asked, name)


def _found(folder: Path, asked: str, name: str) -> str:
    places = [Path(asked).expanduser()]
    if asked.startswith("."):
        places.append(folder / asked)
    if asked == "base" and (folder.parent.parent / "study.json").is_file():
        places.insert(0, folder.parent.parent / asked)
    there = next((place for place in places if place.is_dir()), None)
    if there is not None:
        return str(there)
    if asked.startswith(("/", ".", "~")) or asked == "base" or places[0].exists():
        raise unusable(
            name, f"it is an adapter of {asked}, which is no folder here",
            f"put that model there, or its path into {ADAPTER_CONFIG}",
        )  # fmt: skip
    return asked


def adapter_chain(name: str) -> list[str]:
    """The model, and after it whatever it is an adapter of, up to a whole one. Raises RecipeError for a circle."""
    chain = [name]
    while (base := adapter_base(chain[-1])) is not None:
        chain.append(base)
        if len(chain) > LONGEST_CHAIN:
            raise unusable(name, f"it is an adapter of {chain[1]}, and that again of an adapter, without an end")
    return chain


def contents_of(name: str) -> dict[str, str]:
    """Hashes of a local model's files, and of what an adapter stands on, under `base/`; of a hub name the name."""
    folder = folder_of(name)
    if folder is None:
        return {"name": name}
    contents = hash_tree(folder, [path.name for path in sorted(folder.iterdir())])
    base = adapter_chain(name)[1:2]
    below = contents_of(base[0]) if base else {}
    return contents | {f"base/{file}": digest for file, digest in below.items()}


def read_object(path: Path, name: object) -> dict[str, Any]:
    """A JSON file that holds an object. Raises RecipeError naming model and file."""
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = f"{path.name} cannot be read ({type(error).__name__}: {str(error)[:100]})"
        raise unusable(name, reason, "get the file again") from error
    if not isinstance(tree, dict):
        raise unusable(name, f"{path.name} holds no JSON object but a {type(tree).__name__}", "get the file again")
    return tree


def check_whole(name: str, folder: Path) -> None:
    """Raises RecipeError where a folder does not hold a configuration and whole weights, as safetensors."""
    if not (folder / CONFIG).is_file():
        raise RecipeError(
            f"base.model {name} is no model folder (it has no {CONFIG}); it needs {CONFIG} and weights, as "
            "save_pretrained leaves them"
        )
    read_object(folder / CONFIG, name)
    single, index = folder / WEIGHTS, folder / INDEX
    if single.is_file() and index.is_file():
        raise unusable(name, f"it holds both {WEIGHTS} and {INDEX}", "remove one")
    if index.is_file():
        _check_shards(name, folder)
    elif single.is_file():
        tensor_names(single, name)
    else:
        raise _no_weights(name, folder, WEIGHTS)


def check_adapter_files(name: str, folder: Path) -> None:
    """Raises RecipeError where an adapter's folder holds no weights, as safetensors."""
    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise _no_weights(name, folder, ADAPTER_WEIGHTS)
    tensor_names(folder / ADAPTER_WEIGHTS, name)


def _no_weights(name: str, folder: Path, wanted: str) -> RecipeError:
    others = [path.name for pattern in OTHER_WEIGHTS for path in sorted(folder.glob(pattern))]
    others = [each for each in others if each != "training_args.bin"]
    if not others:
        return RecipeError(f"base.model {name} is no model folder (it has no {wanted}); it needs {CONFIG} and weights")
    return RecipeError(
        f"base.model {name} is no model folder (it has no {wanted}, only {others[0]}, and pickled weights, which can "
        "run code, are not read); load it once with transformers or PEFT, and save_pretrained writes safetensors"
    )


def tensor_names(path: Path, name: object) -> set[str]:
    """Names of the tensors in a weights file, of which only the head is read. Raises RecipeError for a damaged one."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return set(file.keys())
    except (SafetensorError, OSError, ValueError) as error:
        raise unusable(name, f"{path.name} is damaged ({str(error)[:160]})", "get the file again") from error


def _check_shards(name: str, folder: Path) -> None:
    """Raises RecipeError where shards and index do not say the same."""
    listed = read_object(folder / INDEX, name).get("weight_map")
    if not isinstance(listed, dict) or not listed or not all(isinstance(file, str) for file in listed.values()):
        raise unusable(name, f"{INDEX} has no weight_map of tensors to files", "get the file again")
    for shard in sorted(set(listed.values())):
        if Path(shard).name != shard or not (folder / shard).is_file():
            raise unusable(name, f"{INDEX} names {shard}, which is not there", "get that file")
        there, told = tensor_names(folder / shard, name), {key for key, file in listed.items() if file == shard}
        if there != told:
            wrong = sorted(there ^ told)[0]
            how = "lacks" if wrong in told else "holds"
            raise unusable(
                name, f"{shard} {how} {wrong}{nearest(wrong, told)}, which {INDEX} does not say",
                "take shards and index of one model",
            )  # fmt: skip
