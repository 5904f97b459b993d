import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests_support import chosen_rows
from winnow.errors import DataError
from winnow.selection import registry

NAMES = ["row007", "row003", "row150"]


def write(path):
    texts = {
        ".txt": "row007\n\n row003 \nrow150\n",
        ".json": json.dumps(NAMES),
        ".jsonl": "".join(json.dumps({"id": name, "score": 1}) + "\n" for name in NAMES),
        ".csv": "score,id\n" + "".join(f"1,{name}\n" for name in NAMES),
    }
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"id": NAMES, "score": [1, 2, 3]}), path)
    else:
        path.write_text(texts[path.suffix])
    return path


@pytest.mark.parametrize("suffix", [".txt", ".json", ".jsonl", ".csv", ".parquet"])
def test_ids_keep_the_order_of_the_file(tmp_path, pool, suffix):
    path = write(tmp_path / f"chosen{suffix}")
    assert [pool.ids[row] for row in chosen_rows("ids", pool, options={"path": str(path)})] == NAMES
    assert registry.data_files("ids", {"path": str(path)}) == (path,)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.txt", "row001\nrow999\nrow998", r"2 of 3 ids in .*a.txt are not in the pool \(such as 'row999'\)"),
        ("a.txt", "row001\nrow002\nrow001", r"1 ids more than once \(such as 'row001'\)"),
        ("a.txt", "\n", "holds no ids"),
        ("a.json", "[1, 2]", "not text"),
        ("a.json", "{", "cannot be read as ids"),
        ("a.csv", "name\nrow001\n", "needs a list, or a column `id`"),
        ("a.jsonl", '{"name": "row001"}', "needs a list, or a column `id`"),
        ("a.parquet", "PAR1", "cannot be read as ids"),
        ("a.xlsx", "", r"ending '.xlsx'; a file of ids ends in .txt, .json"),
        ("missing.txt", None, "is not a file"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path, pool, name, text, problem):
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=problem):
        chosen_rows("ids", pool, options={"path": str(path)})
