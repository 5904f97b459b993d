"""Everything winnow raises for its users, on one page.

A message says what was found, what is allowed and what to do; the command line prints it as one line
and leaves with `exit_code`.
"""

import difflib
from collections.abc import Iterable


class WinnowError(Exception):
    """Base of all errors that a user can mend."""

    exit_code = 1


class RecipeError(WinnowError):
    """A recipe, or an option that overrides it, asks for something that is not there or not allowed."""


class DataError(WinnowError):
    """Data that was read is missing, empty, or not of the shape its format promises."""


class ArtifactError(WinnowError):
    """A stored artifact, checkpoint or study folder is damaged or belongs to something else."""


class BudgetError(WinnowError):
    """A budget cannot pay for what is asked."""


class NotAffordableError(BudgetError):
    """What an arm needs before it trains costs more than its budget; the study goes on without it."""


class TrainingError(WinnowError):
    """A run cannot go on, such as when its loss is no number."""


class SandboxError(WinnowError):
    """Programs that a model wrote cannot be run, or not as confined as they have to be."""


class TeacherError(WinnowError):
    """A teacher does not answer, or not in a way that can be used."""


class TrackerError(WinnowError):
    """A tracker does not take what it was asked to be sent."""


class PublishError(WinnowError):
    """A study cannot be published as it is, or a hub does not take it."""


class UnavailableError(WinnowError):
    """One of several things that were asked for cannot be had here; the others go on, and this one is named."""


def nearest(word: str, known: Iterable[str]) -> str:
    """ " (did you mean 'x'?)" for the known word closest to `word`; empty where none is close."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {found[0]!r}?)" if found else ""
