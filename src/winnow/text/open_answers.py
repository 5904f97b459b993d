"""Which answers are open text: what is to be said in one's own words, and not a number, a letter or a short phrase.

Open text is trained on as it stands, and no exact match is asked of it.
"""

import re

MAX_WORDS = 6
"""Most words of a final answer; "the day after the day after tomorrow" is one too long."""
MAX_CHARACTERS = 100
"""And most characters, for formulas, code, and scripts without spaces."""
MOST_OPEN = 0.2
"""Share of a source's answers above which all of them are open: a short one among such is no final answer either."""
LATEX_COMMAND = re.compile(r"\\[A-Za-z]+")
WORD = re.compile(r"[^\W\d_]{2,}")


def is_open_text(answer: str) -> bool:
    """Whether an answer has several lines, many words or many characters."""
    said = answer.strip()
    if len(said) > MAX_CHARACTERS or len(said.splitlines()) > 1:
        return True
    return len(WORD.findall(LATEX_COMMAND.sub(" ", said))) > MAX_WORDS
