"""Peak memory of training: predicted from shapes alone over measured.

Measured on a CPU: the peak of a fresh process that trains two steps, less what it held before, its allocator told to
give back at once what is freed; on a GPU: what torch's allocator says is in use. Prints a line for each case: 1.00 is
perfect, 0.85 to 1.15 the limit; for two of them, in brackets, the measured peak over the same where glibc keeps freed
memory as it does by itself. `bench_memory.py WORD ...` takes the cases whose names hold one of the words, `--json` is
for tests.
"""

import ctypes
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

from winnow.quiet import quiet_libraries

quiet_libraries()

import torch  # noqa: E402  after the environment is set

from winnow.budget import Allowance, plan_visits  # noqa: E402
from winnow.models import loading  # noqa: E402
from winnow.models.batch_sizes import start_tokens  # noqa: E402
from winnow.models.flops import flop_model  # noqa: E402
from winnow.models.rows import rows_of  # noqa: E402
from winnow.recipe import TrainingRecipe  # noqa: E402
from winnow.records import Silent  # noqa: E402
from winnow.text.printing import memory  # noqa: E402
from winnow.training import launching  # noqa: E402
from winnow.training.batches import EpochBatches  # noqa: E402
from winnow.training.fitting import cut_shares, per_device  # noqa: E402
from winnow.training.largest_batches import MicroBatch, largest_micro_batch  # noqa: E402
from winnow.training.launching import together  # noqa: E402
from winnow.training.loop import Job, train  # noqa: E402
from winnow.training.objectives.goal import goal_of  # noqa: E402
from winnow.training.optimizers import build_optimizer, trained  # noqa: E402
from winnow.training.peak_memory import predict  # noqa: E402
from winnow.training.ranks import Ranks  # noqa: E402
from winnow.training.sharding import shard  # noqa: E402

STEPS = 2
M_MMAP_THRESHOLD = -3
"""From malloc.h: blocks from this size on are given back to the system when they are freed."""
TINY = {"num_hidden_layers": 1, "hidden_size": 24, "intermediate_size": 24, "vocab_size": 64}
GPT2 = {"model_type": "gpt2"}
TOY_GPT2 = {"model_type": "gpt2", "n_embd": 64, "n_layer": 6, "n_head": 4, "vocab_size": 2048}
LLAMA_15M = {
    "model_type": "llama", "hidden_size": 288, "intermediate_size": 768, "num_hidden_layers": 6,
    "num_attention_heads": 6, "num_key_value_heads": 6, "vocab_size": 32_000,
}  # fmt: skip
TOY_LLAMA = LLAMA_15M | {
    "hidden_size": 64, "intermediate_size": 172, "num_hidden_layers": 8, "num_attention_heads": 4,
    "num_key_value_heads": 4, "vocab_size": 2048,
}  # fmt: skip
LLAMA_110M = LLAMA_15M | {
    "hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 12, "num_attention_heads": 12,
    "num_key_value_heads": 4,
}  # fmt: skip
FULL = {"method": "full"}
LORA = {"method": "lora", "lora": {"target_modules": "all-linear"}}
CASES = {
    "toy Llama, full, adamw": (TOY_LLAMA, FULL, (32, 256)),
    "toy Llama, full, adamw, layers recomputed": (TOY_LLAMA, FULL | {"gradient_checkpointing": True}, (96, 256)),
    "toy Llama, full, adamw, packed": (TOY_LLAMA, FULL | {"packing": True}, (32, 256)),
    "toy Llama, full, adamw, ragged rows": (TOY_LLAMA, FULL, (64, 256)),
    "toy Llama, LoRA, adamw": (TOY_LLAMA, LORA, (32, 256)),
    "toy GPT-2, full, adamw": (TOY_GPT2, FULL, (32, 256)),
    "toy GPT-2, LoRA, adamw": (TOY_GPT2, {}, (32, 256)),
    "toy GPT-2, full, bfloat16": (TOY_GPT2, FULL | {"precision": "bfloat16"}, (32, 256)),
    "Llama 15M, full, adamw": (LLAMA_15M, FULL, (4, 128)),
    "Llama 15M, full, two micro-batches": (LLAMA_15M, FULL | {"gradient_accumulation_steps": 2}, (4, 128)),
    "Llama 15M, full, muon": (LLAMA_15M, FULL | {"optimizer": "muon"}, (4, 128)),
    "Llama 15M, full, lion": (LLAMA_15M, FULL | {"optimizer": "lion"}, (4, 128)),
    "Llama 15M, full, sgd": (LLAMA_15M, FULL | {"optimizer": "sgd"}, (4, 128)),
    "Llama 15M, full, float64": (LLAMA_15M, FULL | {"precision": "float64"}, (4, 128)),
    "Llama 15M, LoRA, adamw": (LLAMA_15M, LORA, (8, 128)),
    "GPT-2 124M, full, adamw": (GPT2, FULL, (2, 16)),
    "GPT-2 124M, full, sgd": (GPT2, FULL | {"optimizer": "sgd"}, (2, 16)),
    "GPT-2 124M, full, adafactor": (GPT2, FULL | {"optimizer": "adafactor"}, (2, 16)),
    "GPT-2 124M, LoRA, adamw": (GPT2, {}, (4, 64)),
    "Llama 110M, full, adamw": (LLAMA_110M, FULL, (2, 16)),
    "Llama 110M, LoRA, adamw": (LLAMA_110M, LORA, (4, 64)),
    "Llama 110M, full, adamw, layers cut over 2": (LLAMA_110M, FULL | {"sharding": "full"}, (2, 16)),
    "GPT-2 124M, full, adamw, layers cut over 2": (GPT2, FULL | {"sharding": "full"}, (2, 16)),
}  # fmt: skip

KEEPING = "toy Llama, full, adamw", "GPT-2 124M, full, adamw"
"""Cases for which is told what freed memory adds that glibc keeps."""


def compare(name):
    """Bytes predicted and measured."""
    architecture, training, lengths = case(name)
    load_libraries(architecture, training)
    return apart(lambda: predicted(architecture, training, lengths).total_bytes), measured(name)


def case(name):
    """Architecture, training recipe and the lengths of the rows of a step: all alike, or any from an eighth on."""
    architecture, options, (rows, length) = CASES[name]
    training = TrainingRecipe.model_validate(options | {"per_device_batch_size": rows})
    count = rows * training.gradient_accumulation_steps * devices_of(training)
    lengths = np.full(count, length)
    if "ragged" in name:
        lengths[1:] = np.random.default_rng(1).integers(length // 8, length + 1, count - 1)
    return architecture, training, lengths


def devices_of(training):
    """Two where layers are cut."""
    return 2 if training.sharding == "full" else 1


def predicted(architecture, training, lengths):
    """The peak of one device; packed rows fill lines of the longest row's length."""
    model, devices, start = skeleton(architecture, training), devices_of(training), start_tokens(loading.best_device())
    cut = cut_shares(model) if devices > 1 else None
    largest = largest_micro_batch(lengths, training, devices, targets_share=0.5, seed=0, start_tokens=start)
    if training.packing:
        largest = MicroBatch(training.per_device_batch_size, int(lengths[0]), int(lengths.sum()) // 2)
    peak = predict(model, training, largest)
    return per_device(peak, cut, devices, has_copy=start is not None) if cut else peak


def measured(name, *, keeps_freed=False):
    """Bytes at the peak of training, in a process of its own."""
    architecture, training, lengths = case(name)
    asked = architecture, training, lengths, keeps_freed
    if training.sharding == "full":
        launching.START_METHOD = "fork"
        return apart(lambda: together(peak_of_steps, devices_of(training), *asked, progress=Silent()))
    return apart(lambda: peak_of_steps(Ranks(), *asked, Silent()))


def skeleton(architecture, training):
    model = loading.skeleton(architecture)
    return loading.adapt(model, training.adapter, seed=0) if training.method == "lora" else model


def peak_of_steps(ranks, architecture, training, lengths, keeps_freed, progress):
    """Bytes at the peak of training: on the CPU of resident memory, less what there was before."""
    torch.set_num_threads(1)
    if not keeps_freed and sys.platform == "linux":
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 2**16)
    take_steps(ranks, architecture | TINY, training, np.full(4, 8))  # reads in the code of all kernels
    before = resident("VmRSS")
    take_steps(ranks, architecture, training, lengths)
    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else resident("VmHWM") - before


def take_steps(ranks, architecture, training, lengths):
    """Train a fresh model for two steps."""
    vocabulary = loading.build_config(architecture).vocab_size
    model = loading.build_model(architecture, seed=0, vocab_size=vocabulary, eos_id=0).to(loading.best_device())
    model = loading.adapt(model, training.adapter, seed=0) if training.method == "lora" else model
    model = model.double() if training.precision == "float64" else model
    ranks = shard(ranks, model, training) if training.sharding == "full" else ranks
    with tempfile.TemporaryDirectory() as folder:
        train(job_of(ranks, model, training, lengths, vocabulary), Path(folder), Silent(), None)


def job_of(ranks, model, training, lengths, vocabulary):
    """Two steps over the same rows, the second half of each a target; packed, rows of half the length but for one."""
    if training.packing:
        lengths = np.array([lengths[0], *np.repeat(lengths[1:] // 2, 2)])
    batch_size, rng = len(lengths), np.random.default_rng(0)
    ids = [rng.integers(1, vocabulary, length).astype(np.int32) for length in lengths]
    rows = rows_of([str(i) for i in range(len(ids))], ids, lengths // 2)
    flops = flop_model(model)
    plan = plan_visits(
        rows.lengths, flops.train(rows.lengths), allowed=Allowance("visits", STEPS * batch_size),
        global_batch_size=batch_size, seed=0,
    )  # fmt: skip
    batches = EpochBatches(
        rows, plan, global_batch_size=batch_size, micro_batch_size=training.per_device_batch_size, seed=0,
        packing=training.packing, devices=ranks.size, start_tokens=start_tokens(loading.best_device()),
    )  # fmt: skip
    return Job(model, goal_of("sft"), batches, training, flops, 0, None, "validation", lambda name: None, ranks)


def load_libraries(architecture, training):
    """Import all that a case will import, with a model of no size; no backward pass, which a fork would not survive."""
    model = skeleton(architecture | TINY, training).to_empty(device="cpu")
    optimizer = build_optimizer(model, training)
    for weight in trained(model):
        weight.grad = torch.zeros_like(weight)
    optimizer.step()


def apart(count):
    """What `count` gives, in a process of its own on the CPU."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        return count()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, str(count()).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return int(text)


def resident(key):
    """Resident memory of this process in bytes: now (VmRSS) or at its peak (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


def main(words):
    warnings.simplefilter("ignore")
    names = [name for name in CASES if not words or any(word in name for word in words)]
    for name in names:
        expected, found = compare(name)
        keeps = name in KEEPING and sys.platform == "linux"
        kept = f" ({measured(name, keeps_freed=True) / found:.2f})" if keeps else ""
        print(f"memory: {expected / found:.2f} predicted over measured, {memory(found)}{kept}: {name}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--json"]:
        print(json.dumps({name: compare(name) for name in sys.argv[2:]}))
    else:
        main(sys.argv[1:])
