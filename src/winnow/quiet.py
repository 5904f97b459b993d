"""Keep other libraries quiet: called once, at the edge of a process, before they are imported."""

import logging
import os
import warnings


def quiet_libraries() -> None:
    """Keep other libraries' progress bars and notices away from ours; called once, at a process's edge."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    # One thread for the linear algebra of numpy: two workers with two each take three times the CPU time of one.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    logging.getLogger("transformers").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(transformers|peft|torch)\..*")
