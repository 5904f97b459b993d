"""Sequences laid out as trees: what they share stands once, and nothing is lost."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.evaluation.benchmarks.lines import Request, build_line, runs_of, shared_beginning

TOKENS = st.lists(st.integers(0, 3), min_size=2, max_size=8)


@st.composite
def requests(draw):
    rows = draw(st.lists(TOKENS, min_size=1, max_size=5))
    return [Request(tuple(row), draw(st.integers(1, len(row) - 1))) for row in rows]


def path(line, at):
    """The token and its ancestors, first one first."""
    found = []
    while at >= 0:
        found.insert(0, int(line.ids[at]))
        at = int(line.parents[at])
    return found


@settings(max_examples=100)
@given(requests())
def test_every_target_is_predicted_after_its_own_sequence(asked):
    line = build_line(asked)
    found = {}
    for reader, target, owner in zip(line.readers, line.targets, line.owners, strict=True):
        found.setdefault(int(owner), []).append([*path(line, int(reader)), int(target)])
    for owner, request in enumerate(asked):
        first = len(request.ids) - request.num_targets
        assert found[owner] == [list(request.ids[: at + 1]) for at in range(first, len(request.ids))]


@settings(max_examples=100)
@given(requests())
def test_what_sequences_share_stands_once(asked):
    line = build_line(asked)
    paths = [tuple(path(line, at)) for at in range(len(line))]
    assert len(set(paths)) == len(paths) == len({r.ids[:n] for r in asked for n in range(1, len(r.ids))})
    assert [len(each) - 1 for each in paths] == line.depths.tolist()
    beginnings = {request.ids[: line.trunk] for request in asked}
    assert beginnings == {tuple(line.ids[: line.trunk].tolist())}
    assert (line.readers >= line.trunk).all()


@settings(max_examples=50)
@given(requests())
def test_a_token_sees_itself_and_its_ancestors(asked):
    line = build_line(asked)
    sees = line.ancestors(line.trunk)
    for at in range(line.trunk, len(line)):
        seen = set((np.flatnonzero(sees[at - line.trunk]) + line.trunk).tolist())
        expected, node = set(), at
        while node >= line.trunk:
            expected.add(node)
            node = int(line.parents[node])
        assert seen == expected


def lines_of(*beginnings):
    return [build_line([Request((*beginning, 90 + n, 91, 92), 2)]) for n, beginning in enumerate(beginnings)]


def test_lines_that_begin_alike_form_a_run_and_the_others_one_without_a_beginning():
    shots, other = tuple(range(20)), tuple(range(50, 80))
    runs = runs_of(lines_of(shots, (1, 2), shots, other, shots, shots, other))
    assert [(run.lines, run.shared) for run in runs] == [([0, 2, 4, 5], shots), ([1, 3, 6], ())]


def test_every_line_is_in_one_run():
    lines = lines_of(*(tuple(range(n % 7, n % 7 + 18 + n % 3)) for n in range(40)))
    runs = runs_of(lines)
    assert sorted(at for run in runs for at in run.lines) == list(range(40))
    for run in runs:
        assert all(tuple(lines[at].ids[: len(run.shared)].tolist()) == run.shared for at in run.lines)


def test_prompts_keep_a_token_of_their_own():
    same = tuple(range(30))
    assert shared_beginning([same] * 4) == 29
    assert shared_beginning([same] * 3) == 0
    assert shared_beginning([(*same, 1), (*same, 2), (*same, 3), (9,)]) == 0
