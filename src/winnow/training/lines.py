"""Which rows stand end to end in which line, so that little of a rectangle of lines stays empty."""

from bisect import bisect_left, insort
from collections.abc import Sequence

TRIES = 11
"""Line lengths that are tried: that of the longest row, and more by a fiftieth each time, up to a fifth."""


def line_lengths(longest: int) -> list[int]:
    """Tokens that a line may hold where the longest row has `longest`, shortest first."""
    return [longest + longest * more // 50 for more in range(TRIES)]


def fill_lines(members: Sequence[int], lengths: Sequence[int]) -> list[list[int]]:
    """Members in lines, the fullest first, in the smallest rectangle of lines x longest line that is found.

    `lengths` fall, so that every line begins with its longest member. No line is longer than the longest member and a
    fifth. A millisecond for a few hundred members.
    """
    tried = [best_fit(lengths, capacity) for capacity in line_lengths(lengths[0])]
    lines = min(tried, key=lambda lines: len(lines) * max(_fill(line, lengths) for line in lines))
    lines.sort(key=lambda line: -_fill(line, lengths))
    return [[members[at] for at in line] for line in lines]


def best_fit(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Positions in `lengths` line by line, each in the fullest line that has room for it.

    With lengths that fall this takes at most 11/9 of the fewest possible lines, and four more (Johnson 1973).
    """
    lines: list[list[int]] = []
    rooms: list[tuple[int, int]] = []
    for at, length in enumerate(lengths):
        place = bisect_left(rooms, (length, 0))
        if place < len(rooms):
            room, line = rooms.pop(place)
        else:
            room, line = capacity, len(lines)
            lines.append([])
        lines[line].append(at)
        insort(rooms, (room - length, line))
    return lines


def _fill(line: Sequence[int], lengths: Sequence[int]) -> int:
    return sum(lengths[at] for at in line)
