import numpy as np
import pyarrow as pa
import pytest

from winnow.looking.plane import plane
from winnow.looking.reading import Look, Pool, Spent
from winnow.looking.specimens import SHOWN, farthest, shortened, specimens
from winnow.looking.tables import comparison_tables
from winnow.records import Cost


def make_pool(faults=("", "", "off_topic", "", "off_topic", "wrong_answer", "", "")):
    ids = [f"r{row}" for row in range(8)]
    texts = {name: [f"{name} of {each}" for each in ids] for name in ("question", "answer", "completion")}
    table = pa.table({"id": ids, "source": list("aaaabbbb"), **texts, "planted": list(faults)})
    return Pool(table, {name: row for row, name in enumerate(ids)}, np.arange(10, 18), np.array(faults))


def make_look(arm, ids, *, next_ids=(), fraction=0.25, flops=(30.0, 6.0)):
    summary = {"mmd_ratio": 0.25, "mean_tokens": 12.0, "composition": []}
    spent = Spent(Cost(flops=flops[0], seconds=2.0), Cost(flops=flops[1], seconds=0.5), 12.0, 1000, 64)
    is_random = len({tuple(each) for each in ids.values()}) > 1
    return Look(arm, fraction, is_random, ids, dict.fromkeys(ids, summary), list(next_ids), None, spent)


def test_the_tables_say_what_a_hand_says():
    looks = [
        make_look("drawn", {0: ["r2", "r4"], 1: ["r2", "r0"]}),
        make_look("fixed", {0: ["r5", "r4"], 1: ["r5", "r4"]}, next_ids=["r1"]),
        make_look("wider", {0: ["r2", "r4", "r5"], 1: ["r2", "r4", "r5"]}, fraction=0.375),
    ]
    tables = comparison_tables(looks, make_pool(), None)
    first = tables["selections"].rows[0]
    assert first["fault_share"] == pytest.approx((1.0 + 0.5) / 2)
    assert (first["mmd_ratio"], first["mmd_root_ratio"], first["seeds"]) == (0.25, 0.5, 2)
    assert tables["cost"].rows[0]["passes"] == pytest.approx(3.0)
    pairs = {(row["arm"], row["other"]): row["jaccard_share"] for row in tables["overlap"].rows}
    assert pairs == {("drawn", "drawn"): pytest.approx(1 / 3), ("drawn", "fixed"): pytest.approx((1 / 3 + 0) / 2)}
    shares = {row["arm"]: row["off_topic_share"] for row in tables["faults"].rows}
    assert shares == {"pool": 0.25, "drawn": 0.75, "fixed": 0.5, "wider": pytest.approx(2 / 3)}


def test_a_pool_without_faults_has_no_table_of_them():
    tables = comparison_tables([make_look("a", {0: ["r0"]})], make_pool([""] * 8), None)
    assert "faults" not in tables
    assert "fault_share" not in tables["selections"].rows[0]


def test_target_rows_that_are_not_in_the_pool_are_left_out():
    pool = make_pool()
    assert pool.rows(["r3", "target:1", "r0"]).tolist() == [3, 0]


def test_specimens_are_the_first_the_farthest_and_both_sides_of_the_edge():
    vectors = np.zeros((8, 2), dtype=np.float32)
    vectors[6], vectors[3] = (9, 0), (0, -5)
    look = make_look("a", {0: ["r1", "r3", "r0", "r6", "r2"]}, next_ids=["r7", "r4"])
    found = {}
    for row in specimens(look, make_pool(), vectors):
        found.setdefault(row["kind"], []).append((row["rank"], row["id"]))
    assert found["first"] == [(1, "r1"), (2, "r3"), (3, "r0")]
    assert found["extreme"][:2] == [(4, "r6"), (2, "r3")]
    assert found["last chosen"] == [(3, "r0"), (4, "r6"), (5, "r2")]
    assert found["first left out"] == [(6, "r7"), (7, "r4")]


def test_equally_far_rows_come_by_id():
    vectors = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]] * 2, dtype=np.float32)
    assert farthest(["r3", "r1", "r2"], make_pool(), vectors) == ["r1", "r2", "r3"]


def test_long_texts_lose_their_middle():
    assert shortened("a  b\nc") == "a b c"
    long = shortened("start " + "word " * 500 + " end")
    assert len(long) <= SHOWN + 3
    assert long.startswith("start word")
    assert long.endswith("end")


def test_the_plane_keeps_the_directions_of_most_variance():
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((200, 5)) * [1, 9, 1, 4, 1]
    points = plane(vectors, {"a": np.array([3, 5])}, is_whitened=False)
    centred = vectors - vectors.mean(axis=0)
    assert abs(np.corrcoef(points["pool"][:, 0], centred[:, 1])[0, 1]) > 0.98
    assert abs(np.corrcoef(points["pool"][:, 1], centred[:, 3])[0, 1]) > 0.98
    assert np.allclose(points["a"], points["pool"][[3, 5]])
    assert np.allclose(plane(vectors, {}, is_whitened=True)["pool"], centred[:, :2])
    assert plane(vectors[:, :1], {}, is_whitened=True) == {}
