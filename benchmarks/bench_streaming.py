"""Memory that stages of the pool need as the pool grows: bytes per row between 50,000 and 200,000 rows.

Each stage runs in a process of its own, on a JSON Lines file of problems of about 600 characters, against 500
evaluation items. Printed are, over the growth in rows, the growth of the peak of anonymous memory (what the system
cannot take back), that of the peak of all resident memory, which counts mapped files too, and the seconds of CPU.
"""

import json
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

STAGES = {
    "hygiene": "the stage hygiene",
    "sample": "the stage pool, sample: 5000",
    "pool": "the stage pool, every row kept",
}
FEW, MANY, ITEMS, SAMPLE = 50_000, 200_000, 500, 5_000
CONTEXT_TOKENS = 1024


def write_problems(path: Path, rows: int, seed: int) -> None:
    """Problems of random words as JSON Lines, in the format gsm8k."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("abcdefghijklmnoprstuvw", k=rng.randint(2, 8))) for _ in range(20_000)]
    with path.open("w") as file:
        for number in range(rows):
            question, answer = (" ".join(rng.choices(words, k=50)) for _ in range(2))
            file.write(json.dumps({"question": f"{question} {number}?", "answer": f"{answer}\n#### {number}"}) + "\n")


def measure(stage: str, rows: int, folder: Path) -> dict[str, float]:
    """What `run` prints, in a process of its own."""
    for name, count in (("rows", rows), ("items", ITEMS)):
        write_problems(folder / f"{name}.jsonl", count, seed=count)
    command = [sys.executable, __file__, stage, str(folder)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    return {name: float(value) for name, value in json.loads(ran.stdout).items()}


def run(stage: str, folder: Path) -> dict[str, float]:
    """Run a stage on `rows.jsonl`; bytes of memory at its peak, and CPU seconds."""
    work = prepare(stage, folder)
    peak, is_done = [0], threading.Event()
    watch = threading.Thread(target=watch_memory, args=(peak, is_done))
    watch.start()
    started = time.process_time()
    work()
    seconds = time.process_time() - started
    is_done.set()
    watch.join()
    resident = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"anonymous": peak[0], "resident": resident, "seconds": seconds}


def watch_memory(peak: list[int], is_done: threading.Event) -> None:
    """Keep the greatest amount of anonymous memory of this process, looked at every 10 ms."""
    while not is_done.wait(0.01):
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        found = next(line.split()[1] for line in lines if line.startswith("RssAnon"))
        peak[0] = max(peak[0], 1024 * int(found))


def prepare(stage: str, folder: Path):
    """What carries the stage out; all that it needs is there before."""
    from winnow.parts import HygienePart, PoolPart, TestsPart
    from winnow.pool.hygiene.stage import make_hygiene
    from winnow.pool.stages import make_pool, make_tests
    from winnow.recipe import PoolRecipe, SourceRecipe, TokenizerRecipe
    from winnow.records import Artifact, Context, Cost, Stored
    from winnow.text.tokenizers import TOKENIZER, train_tokenizer

    def source(name: str) -> SourceRecipe:
        return SourceRecipe(name=name, licence="MIT", path=str(folder / f"{name}.jsonl"), format="gsm8k")

    def stored(name: str) -> Stored:
        (folder / name).mkdir()
        return Stored(Artifact(name, name, name, name, {}, {}, Cost(), {}, {}), folder / name)

    made = stored("made")
    if stage == "hygiene":
        part = HygienePart(sources=(source("rows"),), sets=(source("items"),))
        return lambda: make_hygiene(part, {}, Context(made.folder))
    tests, tokenizer = stored("tests"), stored("tokenizer")
    make_tests(TestsPart(sets=(source("items"),)), {}, Context(tests.folder))
    texts = [row["question"] for row in map(json.loads, (folder / "items.jsonl").open())]
    trained = train_tokenizer(texts, TokenizerRecipe(vocab_size=2000), CONTEXT_TOKENS)
    trained.save_pretrained(tokenizer.folder / TOKENIZER)
    recipe = PoolRecipe(sources=(source("rows"),), sample=SAMPLE if stage == "sample" else None, max_tokens=600)
    inputs = {"tests": tests, "tokenizer": tokenizer}
    return lambda: make_pool(PoolPart(pool=recipe), inputs, Context(made.folder))


def main() -> None:
    """Measure each stage with few and with many rows."""
    for stage, told in STAGES.items():
        found = []
        for rows in (FEW, MANY):
            with tempfile.TemporaryDirectory() as folder:
                found.append(measure(stage, rows, Path(folder)))
        few, many = found
        per_row = {name: (many[name] - few[name]) / (MANY - FEW) for name in few}
        print(
            f"{told}: {per_row['anonymous']:,.0f} bytes of anonymous memory a row, {per_row['resident']:,.0f} of "
            f"resident memory; {many['anonymous'] / 1e6:,.0f} MB of anonymous memory at {MANY:,} rows; "
            f"{1000 * per_row['seconds']:.2f} s of CPU per 1,000 rows",
            flush=True,
        )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(run(sys.argv[1], Path(sys.argv[2]))))
    else:
        main()
