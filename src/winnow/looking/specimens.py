"""Rows of a selection worth reading: the first, the farthest out, and those on both sides of its edge."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnow.looking.reading import Look, Pool

EACH = 3
"""Rows of each kind."""
SHOWN = 280
"""Characters of a text that are shown."""


def specimens(look: Look, pool: Pool, vectors: NDArray[Any] | None) -> list[dict[str, Any]]:
    """A row per example, with its `kind`: first, extreme, last chosen, first left out.

    Of the first seed. Extreme are the rows farthest from the pool's mean in `vectors` [pool, dimensions].
    """
    ids = [each for each in look.first_ids if each in pool.row_of]
    kinds = {"first": ids[:EACH], "extreme": farthest(ids, pool, vectors)[:EACH] if vectors is not None else []}
    if look.next_ids:
        kinds |= {"last chosen": ids[-EACH:], "first left out": look.next_ids[:EACH]}
    rank = {name: place for place, name in enumerate([*look.first_ids, *look.next_ids])}
    return [
        {"arm": look.arm, "kind": kind, "rank": rank[name] + 1} | _shown(pool, pool.row_of[name])
        for kind, names in kinds.items()
        for name in names
    ]


def farthest(ids: Sequence[str], pool: Pool, vectors: NDArray[Any]) -> list[str]:
    """The ids by falling distance of their vector from the mean over the pool; equal ones by id."""
    mean = vectors.mean(axis=0, dtype=np.float64)
    names = sorted(ids)
    distances = np.linalg.norm(vectors[pool.rows(names)].astype(np.float64) - mean, axis=1)
    return [names[place] for place in np.argsort(-distances.round(6), kind="stable")]


def shortened(text: str) -> str:
    """The text on one line, its middle left out where it is long."""
    flat = " ".join(text.split())
    if len(flat) <= SHOWN:
        return flat
    start, end = flat[: SHOWN * 2 // 3], flat[-SHOWN // 3 :]
    return f"{start.rsplit(' ', 1)[0]} … {end.split(' ', 1)[-1]}"


def _shown(pool: Pool, row: int) -> dict[str, Any]:
    told = {name: pool.table[name][row].as_py() for name in ("id", "source", "question", "completion", "answer")}
    texts = {name: shortened(told[name]) for name in ("question", "completion", "answer")}
    return {"id": told["id"], "source": told["source"], "tokens": int(pool.tokens[row])} | texts | {
        "fault": str(pool.planted[row])
    }  # fmt: skip
