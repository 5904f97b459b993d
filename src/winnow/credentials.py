"""What looks like a password or a key: masked where text leaves this machine, and looked for before it does.

    masked("https://me:secret@host/?token=abc")     # https://***@host/?token=***

The forms are those that issuers publish for this purpose; a scanner that also guesses by entropy would take every hash
of a study for a key.
"""

import re
from typing import Any

MASK = "***"
_PLAIN = r"[^\s/?#\"'<>\\]"
ADDRESS_USER = re.compile(
    rf"(?<=://)(?:{_PLAIN}{{1,300}}(?=@)|[^\s/?#@:\"'<>\\]{{0,100}}:(?!\d{{1,5}}(?:[/?#\s]|$))[^\s\"'<>\\]{{1,300}}(?=@))"
)
"""User and password of an address, also where a password has signs that belong encoded."""
QUERY = re.compile(
    r"(?i)([?&;][\w.-]{0,40}(?:key|token|secret|passw(?:or)?d|pwd|auth|authorization|credential|signature|sig)=)"
    r"(?!\*\*\*)[^\s&;#\"'<>\\]+"
)
"""`?token=...` and the like in an address."""
SETTING = re.compile(r"\b([A-Z][A-Z0-9_]{0,60}_(?:KEY|TOKEN|SECRET|PASSWORD)=)(?!\*\*\*)[^\s\"'<>\\]+")
"""`WANDB_API_KEY=...`, as environment variables are written."""
TOKENS = re.compile(
    r"\bhf_[A-Za-z0-9]{20,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}|\bglpat-[A-Za-z0-9_-]{20,}"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[A-Za-z0-9_-]{35}"
    r"|\bsk-(?=[A-Za-z0-9_-]{0,200}?[A-Za-z0-9]{16})[A-Za-z0-9_-]{20,}|\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}"
    r"|\bxox[a-z]-[A-Za-z0-9-]{10,}|\bnpm_[A-Za-z0-9]{36}|\bpypi-[A-Za-z0-9_-]{50,}"
    r"|\beyJ[A-Za-z0-9_-]{8,2000}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"
    r"|\b[Bb]earer [A-Za-z0-9._~+/-]{20,}=*"
    r"|-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)"
)
"""Keys of Hugging Face, GitHub, GitLab, AWS, Google, OpenAI and Anthropic, Stripe, Slack, npm and PyPI; JWTs, bearer
tokens and private keys."""
NAMES = re.compile(
    r"(?i)(?:x[_-])?(?:api[_-]?key|(?:access|auth|bearer|refresh)[_-]?token|token|passw(?:or)?d|secret|client[_-]?secret"
    r"|secret[_-]?key|private[_-]?key|authorization)"
)
"""Keys of a mapping whose text is one."""


def masked(text: str) -> str:
    """The text, with `***` in place of what looks like a password or a key."""
    for form in (QUERY, SETTING):
        text = form.sub(rf"\g<1>{MASK}", text)
    return TOKENS.sub(MASK, ADDRESS_USER.sub(MASK, text))


def masked_tree(tree: Any) -> Any:
    """The same of every text in lists and mappings, and of what a key of a mapping calls a password."""
    if isinstance(tree, dict):
        return {
            key: MASK if isinstance(value, str) and NAMES.fullmatch(str(key)) else masked_tree(value)
            for key, value in tree.items()
        }
    if isinstance(tree, list | tuple):
        return type(tree)(masked_tree(value) for value in tree)
    return masked(tree) if isinstance(tree, str) else tree


def holds_secret(text: str) -> bool:
    """Whether there is a key in the text, or a password in an address of it."""
    found = TOKENS.search(text) or next((each for each in ADDRESS_USER.finditer(text) if ":" in each[0]), None)
    return found is not None and found[0] != MASK
