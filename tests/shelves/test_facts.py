"""Facts come from fields, never from names; what happens next is decided by an error's class, never by its words."""

import ast
import re

from tests_support import ROOT

SOURCES = sorted((ROOT / "src").rglob("*.py"))
NAMES = re.compile(r'rpartition|(removeprefix|startswith|removesuffix)\("(train|select|sweep|trial|evaluate|benchmark)')
THEIR_WORDS_ALONE = {"models/configs.py", "models/merging.py", "text/tokenizers.py", "training/memory.py"}
"""Files that read an error of a library which has no class for it: of torch that the machine's memory is at its end or
a tensor has no contents, of transformers that a model brings code of its own."""


def test_no_fact_is_read_from_a_name():
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in SOURCES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if NAMES.search(line)
    ]
    assert found == []


ASKING = "startswith", "endswith", "match", "search", "fullmatch", "find", "index", "count"


def errors_in(tree):
    """Names that hold an error: those of `except ... as`, and arguments annotated as one."""
    caught = {node.name for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.name}
    given = {
        node.arg for node in ast.walk(tree)
        if isinstance(node, ast.arg) and node.annotation and re.search(r"Error|Exception", ast.unparse(node.annotation))
    }  # fmt: skip
    return caught | given


def reads_text(node, errors):
    """Whether an expression holds the words of an error: str(error), repr(error), f"{error}"."""
    for inner in ast.walk(node):
        is_text = isinstance(inner, ast.Call) and ast.unparse(inner.func) in ("str", "repr") and inner.args
        value = inner.args[0] if is_text else inner.value if isinstance(inner, ast.FormattedValue) else None
        if isinstance(value, ast.Name) and value.id in errors:
            return True
    return False


def is_decision(node):
    """Whether an expression asks what a text says: a comparison with another, a search in it."""
    if isinstance(node, ast.Compare):
        return isinstance(node.ops[0], ast.In | ast.NotIn | ast.Eq | ast.NotEq)
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ASKING


def names_in(target):
    return [each.id for each in getattr(target, "elts", [target]) if isinstance(each, ast.Name)]


def steered_by_text(source):
    tree = ast.parse(source)
    errors = errors_in(tree)
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        nodes = list(ast.walk(function))
        told = [node for node in nodes if isinstance(node, ast.Assign) and reads_text(node.value, errors)]
        texts = {name for node in told for target in node.targets for name in names_in(target)}
        for decision in filter(is_decision, nodes):
            is_read = any(isinstance(inner, ast.Name) and inner.id in texts for inner in ast.walk(decision))
            if is_read or reads_text(decision, errors):
                yield f"{decision.lineno}: {ast.unparse(decision)}"


def test_no_control_flow_reads_the_text_of_an_error():
    found = {
        path.relative_to(ROOT / "src" / "winnow").as_posix(): lines
        for path in SOURCES
        if (lines := list(steered_by_text(path.read_text(encoding="utf-8"))))
    }
    assert found.keys() - THEIR_WORDS_ALONE == set(), found
    assert found.keys() >= THEIR_WORDS_ALONE, "leave a file out that no longer needs it"


def test_the_check_finds_what_it_looks_for():
    caught = "def f():\n try:\n  g()\n except E as error:\n  "
    assert list(steered_by_text(f"{caught}if 'dear' in str(error): raise"))
    assert list(steered_by_text(f"{caught}kind, _ = str(error).split(':')\n  if kind == 'dear': h()"))
    assert list(steered_by_text("def f(error: BaseException):\n return str(error).startswith('dear')"))
    assert not list(steered_by_text(f"{caught}raise F(str(error)) from error"))
