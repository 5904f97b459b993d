"""What the name of a licence tells: `CC-BY-NC-SA-4.0` forbids commercial use, `unknown` allows no copies."""

import hashlib
import re

NONCOMMERCIAL = re.compile(
    r"\bnc\b|non-?\s?commercial|\b(?:research|academic|educational)(?:\s+(?:use|purposes))?\s+only\b"
    r"|\bnot for commercial\b|\bno commercial\b",
    re.IGNORECASE,
)


def is_noncommercial(licence: str) -> bool:
    """Whether the licence, by its name, forbids commercial use; a name that says nothing of it is taken to allow it."""
    return NONCOMMERCIAL.search(licence.replace("_", "-")) is not None


FREE = (
    "afl", "apache", "bsd", "cc-by", "cc0", "cdla-permissive", "gpl", "isc", "lgpl", "mit", "mpl", "odbl", "odc",
    "pddl", "public domain", "unlicense",
)  # fmt: skip
"""How the names of licences begin that let others have a copy, some of them under conditions."""


def may_redistribute(licence: str) -> bool:
    """Whether the licence is known to let others have a copy; an unknown one is not."""
    return licence.strip().lower().replace("_", "-").replace("cc by", "cc-by").startswith(FREE)


def text_hash(text: str) -> str:
    """What stands for a text that may not be shown: the first 16 hexadecimal digits of its sha256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
