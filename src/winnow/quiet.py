"""Keep other libraries quiet and sparing: called once, at the edge of a process, before they are imported."""

import logging
import os
import warnings

from winnow.errors import one_line


def quiet_libraries() -> None:
    """Keep other libraries' progress bars and notices away from ours; called once, at a process's edge."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    # Trackers' notices, and their reports home on how they are used.
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    # One thread for the linear algebra of numpy: beside a busy core two took three times the CPU time of one.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Waiting threads sleep instead of spinning: beside a busy process spinning took twice the CPU time.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    logging.getLogger("transformers").setLevel(logging.ERROR)
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    warnings.formatwarning = lambda message, *_, **__: f"warning: {one_line(str(message))}\n"
    warnings.filterwarnings("ignore", module=r"(transformers|peft|torch)\..*")
