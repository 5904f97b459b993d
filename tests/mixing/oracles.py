"""The plainest way to compute what `winnow.mixing` computes cleverly."""

import heapq
from fractions import Fraction

import numpy as np


def shares_at(schedule, sources, progress):
    """Shares at one point of a run, knot by knot."""
    knots = schedule.knots
    before = [knot for knot in knots if knot.at <= progress] or [knots[0]]
    after = [knot for knot in knots if knot.at > progress] or [knots[-1]]
    left, right = before[-1], after[0]
    moved = 0.0
    if schedule.between == "linear" and right.at > left.at and left.at <= progress:
        moved = (progress - left.at) / (right.at - left.at)
    return [(1 - moved) * left.shares.get(name, 0.0) + moved * right.shares.get(name, 0.0) for name in sources]


def cumulative(schedule, sources, rows, parts=2000):
    """[rows + 1, sources]: the shares of every row, each cut into many parts, added up; of a step where it begins."""
    table = [np.zeros(len(sources))]
    for row in range(rows):
        places = [(row + (part + 0.5) / parts) / rows for part in range(parts)]
        where = [Fraction(row, rows)] if schedule.between == "step" else places
        table.append(table[-1] + np.mean([shares_at(schedule, sources, place) for place in where], axis=0))
    return np.array(table)


def order_by_heap(shares):
    """Earliest deadline first, one row at a time, from cumulative shares [rows + 1, sources]."""
    rows, edge = len(shares) - 1, 1e-6
    waiting, order = [], []
    for source, column in enumerate(shares.T):
        for job in range(int(np.ceil(column[-1] - edge))):
            ready = next(place for place, share in enumerate(column) if share > job + edge)
            due = next((place for place, share in enumerate(column) if share >= job + 1 - edge), rows + 2)
            waiting.append((ready, due, source))
    waiting.sort()
    jobs = []
    for place in range(1, rows + 1):
        while waiting and waiting[0][0] <= place:
            _, due, source = waiting.pop(0)
            heapq.heappush(jobs, (due, source))
        order.append(heapq.heappop(jobs)[1])
    return order
