"""What the records of a run say of its mixture: of each source what was asked and read, and how that went over the run.

mixture_record(schedule, [400_000, 90_000], sources=order, tokens=lengths[rows])
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnow.mixing.repeats import effective_tokens
from winnow.mixing.schedule import Schedule, time_averages
from winnow.mixing.sources import IntArray

POINTS = 50
"""Of a run at which it is said what was read so far."""


def mixture_record(
    schedule: Schedule,
    names: Sequence[str],
    unique_tokens: Sequence[int],
    *,
    sources: NDArray[np.int16],
    tokens: IntArray,
    read_before: Sequence[int] | None = None,
) -> dict[str, Any]:
    """Of a run whose visits [visits] are to these sources, by number, and have so many tokens.

    `names` and `unique_tokens` are the sources'; `read_before` how many rows of each the model had read already.
    """
    read = np.bincount(sources, weights=tokens, minlength=len(names))
    counts = np.bincount(sources, minlength=len(names))
    asked, before = time_averages(schedule, names), read_before or [0] * len(names)
    ends = np.unique(np.linspace(0, len(sources), min(POINTS, len(sources)) + 1).astype(np.int64))
    return {
        "sources": [
            {
                "source": name, "asked_share": asked[name], "realised_share": float(read[number] / tokens.sum()),
                "rows": int(counts[number]), "read_before": before[number], "tokens": int(read[number]),
                "unique_tokens": unique_tokens[number],
                "epochs": (epochs := float(read[number] / unique_tokens[number])),
                "effective_tokens": effective_tokens(unique_tokens[number], epochs),
            }
            for number, name in enumerate(names)
        ],
        "between": schedule.between,
        "knots": [{"at": knot.at, "shares": dict(knot.shares)} for knot in schedule.knots],
        "rows": ends.tolist(),
        "rows_by_source": [np.bincount(sources[:end], minlength=len(names)).tolist() for end in ends],
    }  # fmt: skip
