"""Plain text: memory of documents and tokens as a source grows, and how fast tokens are made and rows are trained on.

    python benchmarks/bench_text.py memory      # peak of anonymous memory, bytes per document more
    python benchmarks/bench_text.py tokens      # CPU time of the stage `tokens` against bare encode_batch_fast
    python benchmarks/bench_text.py training    # tokens a second of a run against a bare loop on the same batches
    python benchmarks/bench_text.py reading     # tokens a second of rows against a loop over an array of rows

Times are of CPU (`process_time`), one thread, the best of three.
"""

import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

FEW, MANY = 5_000, 20_000
"""Documents of about 2,000 characters."""


def write_documents(path: Path, count: int, seed: int = 0) -> None:
    """Documents of random words as JSON Lines."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("abcdefghijklmnoprstuvw", k=rng.randint(2, 8))) for _ in range(20_000)]
    with path.open("w") as file:
        for number in range(count):
            file.write(json.dumps({"text": f"{number} " + " ".join(rng.choices(words, k=330))}) + "\n")


def measure(stage: str, documents: int, folder: Path) -> dict[str, float]:
    """Peak of anonymous memory in bytes and CPU seconds of a stage, in a process of its own."""
    write_documents(folder / "rows.jsonl", documents)
    ran = subprocess.run([sys.executable, __file__, stage, str(folder)], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(ran.stdout)
    return found


def stages(folder: Path):
    """Name -> what carries a stage out on `rows.jsonl`; documents come before their tokens."""
    from winnow.parts import DocumentsPart, TestsPart, TokensPart
    from winnow.pool.documents import make_documents
    from winnow.pool.stages import make_tests
    from winnow.pool.tokens import make_tokens
    from winnow.recipe import SourceRecipe, TokenizerRecipe
    from winnow.records import Artifact, Context, Cost, Stored
    from winnow.text.tokenizers import TOKENIZER, train_tokenizer

    def stored(name: str, **numbers) -> Stored:
        (folder / name).mkdir(exist_ok=True)
        return Stored(Artifact(name, name, name, name, {}, {}, Cost(), numbers, {}), folder / name)

    source = SourceRecipe(name="rows", licence="x", format="text", path=str(folder / "rows.jsonl"))
    write_documents(folder / "held_out.jsonl", 20, seed=1)
    held_out = source.model_copy(update={"name": "held_out", "path": str(folder / "held_out.jsonl")})
    make_tests(TestsPart(sets=(), text=(held_out,)), {}, Context(stored("tests").folder))
    texts = [json.loads(line)["text"] for line, _ in zip((folder / "rows.jsonl").open(), range(500), strict=False)]
    trained = train_tokenizer(texts, TokenizerRecipe(vocab_size=2048), 256)
    trained.save_pretrained(stored("tokenizer").folder / TOKENIZER)

    def documents():
        inputs = {"tests": stored("tests")}
        return make_documents(DocumentsPart(source=source), inputs, Context(stored("documents").folder))

    def tokens():
        inputs = {"documents": stored("documents", source="rows"), "tokenizer": stored("tokenizer")}
        return make_tokens(TokensPart(validation_tokens=10_000), inputs, Context(stored("tokens").folder))

    return {"documents": documents, "tokens": tokens}


def run(stage: str, folder: Path) -> dict[str, float]:
    """What `measure` gives, of this process."""
    from bench_streaming import watch_memory

    known = stages(folder)
    if stage == "tokens":
        known["documents"]()
    peak, is_done = [0], threading.Event()
    watch = threading.Thread(target=watch_memory, args=(peak, is_done))
    watch.start()
    started = time.process_time()
    known[stage]()
    seconds = time.process_time() - started
    is_done.set()
    watch.join()
    return {"anonymous": peak[0], "seconds": seconds}


def bench_memory() -> None:
    for stage in ("documents", "tokens"):
        peaks = {}
        for count in (FEW, MANY):
            with tempfile.TemporaryDirectory() as folder:
                peaks[count] = measure(stage, count, Path(folder))
        more = (peaks[MANY]["anonymous"] - peaks[FEW]["anonymous"]) / (MANY - FEW)
        print(f"{stage}: {peaks[MANY]['anonymous'] / 1e6:,.0f} MB at {MANY:,}, {more:,.0f} bytes a document more")


def bench_tokens() -> None:
    from winnow.pool.documents import read_in_batches
    from winnow.text.tokenizers import load_tokenizer

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_documents(folder / "rows.jsonl", FEW)
        known = stages(folder)
        known["documents"]()
        texts = [text for batch in read_in_batches(folder / "documents" / "documents.parquet") for _, text in batch]
        backend = load_tokenizer(folder / "tokenizer" / "tokenizer").backend_tokenizer

        def bare():
            for start in range(0, len(texts), 1000):
                backend.encode_batch_fast(texts[start : start + 1000], add_special_tokens=False)

        best = {each.__name__: min(timed(each) for _ in range(3)) for each in (known["tokens"], bare)}
        print(
            f"stage {best['tokens']:.2f} s, bare {best['bare']:.2f} s: {best['bare'] / best['tokens']:.2f} of its speed"
        )


def timed(work) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def bench_training() -> None:
    import numpy as np
    import torch

    from winnow.budget import Allowance, plan_rows
    from winnow.mixing.schedule import Schedule
    from winnow.models import loading
    from winnow.models.flops import flop_model
    from winnow.recipe import PRETRAINING
    from winnow.records import Silent
    from winnow.text.token_cache import TokenCache, write_cache
    from winnow.training.loop import Job, train
    from winnow.training.objectives.goal import goal_of
    from winnow.training.optimizers import build_optimizer
    from winnow.training.text_rows import Stream, TextBatches, TextPool

    torch.set_num_threads(1)
    context, rows, batch = 128, 480, 8
    architecture = {"model_type": "gpt2", "n_layer": 2, "n_embd": 64, "n_head": 4, "max_position_embeddings": context}
    training = PRETRAINING.model_copy(update={"per_device_batch_size": batch})
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        streams = []
        for source in ("a", "b", "c"):
            (Path(name) / source).mkdir()
            documents = ([*rng.integers(1, 2048, 300), 0] for _ in range(400))
            write_cache(Path(name) / source, documents, np.dtype("u2"))
            streams.append(Stream(source, TokenCache.open(Path(name) / source), seed=0))
        schedule = Schedule.constant({"a": 0.5, "b": 0.3, "c": 0.2})
        pool = TextPool(tuple(streams), schedule, context)
        plan = plan_rows(
            Allowance("visits", rows), unique_rows=pool.unique_rows, row_tokens=context, row_flops=1.0,
            global_batch_size=batch,
        )  # fmt: skip

        def model():
            return loading.build_model(architecture, seed=0, vocab_size=2048, eos_id=0)

        def ours():
            built = model()
            made = TextBatches(pool.rows(rows), plan, global_batch_size=batch, micro_batch_size=batch)
            job = Job(
                built,
                goal_of("pretraining"),
                made,
                training,
                flop_model(built),
                0,
                None,
                "validation",
                lambda folder: None,
            )
            with tempfile.TemporaryDirectory() as place:
                train(job, Path(place), Silent(), None)

        def bare():
            built = model().train()
            optimizer, taken = build_optimizer(built, training), pool.rows(rows)
            for start in range(0, rows, batch):
                ids = torch.from_numpy(taken.ids(range(start, start + batch)))
                built(input_ids=ids, labels=ids).loss.backward()
                torch.nn.utils.clip_grad_norm_(built.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad()

        best = {each.__name__: min(timed(each) for _ in range(3)) for each in (ours, bare)}
        tokens = rows * context
        print(", ".join(f"{name} {tokens / seconds:,.0f} tokens a CPU-s" for name, seconds in best.items()))


def bench_reading() -> None:
    """Rows of mixed documents in batches of eight against a loop over an array of rows, mapped into memory."""
    import numpy as np

    from winnow.mixing.schedule import Schedule
    from winnow.text.token_cache import TOKENS, TokenCache, write_cache
    from winnow.training.text_rows import Stream, TextPool

    rng, tokens, batch = np.random.default_rng(0), 6_000_000, 8
    for context, mean in ((128, 300), (1024, 300), (1024, 1200), (256, 4000)):
        with tempfile.TemporaryDirectory() as name:
            streams = []
            for source in ("a", "b", "c"):
                (Path(name) / source).mkdir()
                documents = (rng.integers(1, 2048, rng.integers(1, 2 * mean)) for _ in range(tokens // 2 // mean))
                write_cache(Path(name) / source, documents, np.dtype("u2"))
                streams.append(Stream(source, TokenCache.open(Path(name) / source), seed=0))
            count = tokens // context // batch * batch
            rows = TextPool(tuple(streams), Schedule.constant({"a": 0.5, "b": 0.3, "c": 0.2}), context).rows(count)
            array = np.memmap(Path(name) / "a" / TOKENS, dtype="<u2", mode="r")
            array = array[: len(array) // context * context].reshape(-1, context)
            order = rng.integers(0, len(array), count)

            def ours(rows=rows, count=count):
                for start in range(0, count, batch):
                    rows.ids(range(start, start + batch))

            def bare(array=array, order=order):
                for start in range(0, len(order), batch):
                    np.stack([array[row] for row in order[start : start + batch]]).astype(np.int64)

            best = {each.__name__: min(timed(each) for _ in range(3)) for each in (ours, bare)}
            told = ", ".join(f"{each} {count * context / best[each] / 1e6:,.0f}" for each in best)
            print(f"rows of {context} tokens, documents of {mean}: {told} million tokens a CPU-s")


if __name__ == "__main__":
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    if len(sys.argv) > 2:
        print(json.dumps(run(asked, Path(sys.argv[2]))))
    else:
        {"memory": bench_memory, "tokens": bench_tokens, "training": bench_training, "reading": bench_reading}[asked]()
