"""What a selection is made of: its share of each source beside the pool's, and lengths."""

from typing import Any

import numpy as np

from winnow.selection.views import IntArray, PoolView


def composition(pool: PoolView, chosen: IntArray) -> dict[str, Any]:
    """`composition` (a row for each source of the pool), `mean_tokens` and `pool_mean_tokens`, as in selection.json.

    `ratio` is the selected share over the pool's; a source's `mean_tokens` are its chosen rows', null without any.
    """
    is_chosen = np.zeros(len(pool), dtype=bool)
    is_chosen[chosen] = True
    rows = [_of_source(name, pool, is_chosen) for name in np.unique(pool.sources)]
    return {
        "composition": rows,
        "mean_tokens": float(pool.tokens[is_chosen].mean()) if is_chosen.any() else 0.0,
        "pool_mean_tokens": float(pool.tokens.mean()),
    }


def _of_source(name: str, pool: PoolView, is_chosen: np.ndarray) -> dict[str, Any]:
    is_here = pool.sources == name
    tokens = pool.tokens[is_here & is_chosen]
    pool_share, share = float(is_here.mean()), len(tokens) / max(1, int(is_chosen.sum()))
    return {
        "source": str(name),
        "pool_examples": int(is_here.sum()),
        "selected_examples": len(tokens),
        "pool_share": pool_share,
        "selected_share": share,
        "ratio": share / pool_share,
        "mean_tokens": float(tokens.mean()) if len(tokens) else None,
    }
