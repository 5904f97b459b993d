"""Figures that are drawn again only where something is new: `figures/drawn.json` says what those that are there show.

    drawings = bring_figures(root, findings)     # name -> SVG, all of them in root/figures as PNG, SVG and PDF

They are left as they are where the findings, the code that draws them and the files are what they were.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from winnow import __version__
from winnow.findings import Findings
from winnow.store import hash_code, hash_file, sealed, unsealed, write_atomic, write_json

FOLDER, DRAWN = "figures", "drawn.json"


def bring_figures(root: Path, findings: Findings) -> dict[str, str]:
    """Name -> SVG of all figures that have something to show, each in `figures/` as PNG, SVG and PDF."""
    kept = kept_figures(root, findings)
    if kept is not None:
        return kept
    from winnow.report.figures import drawn_figures, pdf, png, svg

    folder, files, drawings = root / FOLDER, dict[str, str](), dict[str, str]()
    for name, figure in drawn_figures(findings).items():
        image, drawings[name] = png(figure), svg(figure)
        written = {"png": image, "svg": drawings[name].encode(), "pdf": pdf(figure)}
        for file, data in ((f"{name}.{kind}", data) for kind, data in written.items()):
            write_atomic(folder / file, data)
            files[file] = hashlib.sha256(data).hexdigest()
    write_json(folder / DRAWN, sealed({"from": drawn_from(findings), "files": files}))
    return drawings


def figures_of(root: Path, findings: Findings, names: Sequence[str]) -> dict[str, str]:
    """Name -> SVG of some figures, from those that lie in `figures/` or else drawn now; writes none."""
    kept = kept_figures(root, findings)
    if kept is not None:
        return {name: kept[name] for name in names if name in kept}
    from winnow.report.figures import drawn_figures, svg

    return {name: svg(figure) for name, figure in drawn_figures(findings, names).items()}


def kept_figures(root: Path, findings: Findings) -> dict[str, str] | None:
    """Name -> SVG of the figures that lie below `root`; None where they show something else or one is damaged."""
    folder = root / FOLDER
    try:
        drawn = unsealed(json.loads((folder / DRAWN).read_text(encoding="utf-8")))
        if drawn["from"] != drawn_from(findings):
            return None
        if any(hash_file(folder / file) != digest for file, digest in drawn["files"].items()):
            return None
        return {
            Path(file).stem: (folder / file).read_text(encoding="utf-8")
            for file in drawn["files"] if file.endswith(".svg")
        }  # fmt: skip
    except (OSError, ValueError, KeyError, AttributeError, RecursionError):  # there is none, or it is no such file
        return None


def drawn_from(findings: Findings) -> str:
    """The hash of all that figures may show, and of what draws them.

    The study's settings are left out: they say where and when, and no figure shows them.
    """
    names = [each.name for each in dataclasses.fields(findings) if each.name != "settings"]
    shown = {name: getattr(findings, name) for name in names}
    drawing = [__version__, metadata.version("matplotlib"), hash_code(Path(__file__).parent)]
    text = json.dumps([drawing, shown], default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    """What JSON makes of a value that it does not know."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return dict(value) if isinstance(value, Mapping) else str(value)
