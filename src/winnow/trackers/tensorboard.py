"""TensorBoard: event files in `<folder>/<study>/<run>-<key>`; `tensorboard --logdir <folder>` shows them.

A resumed run opens one more event file in the same folder, as TensorBoard expects.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from winnow.recipe import TensorboardRecipe
from winnow.trackers.interface import MARKER, Parameters, Row, RunName, TrackerRun, Values

SUFFIX = "/text_summary"
"""Torch's writer appends this to the tags of texts."""


def open_run(options: TensorboardRecipe, name: RunName, parameters: Parameters) -> TrackerRun:
    """The run in TensorBoard, its parameters as a text."""
    return TensorboardRun(Path(options.folder) / name.study / f"{name.run}-{name.key}", parameters)


class TensorboardRun:
    """A run in a folder of event files."""

    def __init__(self, folder: Path, parameters: Parameters) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._scalars, self._texts = _read(folder)
        self._writer: Any = SummaryWriter(str(folder))
        if parameters:
            table = "\n".join(f"| {key} | {value} |" for key, value in parameters.items())
            self._say("parameters", f"| parameter | value |\n|---|---|\n{table}")
        self._writer.flush()

    def steps(self) -> set[int]:
        """Steps whose rows the event files have."""
        return set(self._scalars.get(MARKER, ()))

    def log(self, rows: Sequence[Row]) -> None:
        """Write rows and flush them, so that a kill loses none."""
        for step, values in rows:
            for tag in sorted(values, key=lambda tag: tag == MARKER):
                self._add(tag, values[tag], step)
        self._writer.flush()

    def summarize(self, numbers: Values, texts: Mapping[str, str]) -> None:
        """Write numbers, at step 0, and texts that are not there yet."""
        for tag, value in numbers.items():
            if self._scalars.get(tag, {}).get(0) != np.float32(value):
                self._add(tag, value, 0)
        for tag, text in texts.items():
            self._say(tag, text)
        self._writer.flush()

    def close(self) -> None:
        """Close the event file."""
        self._writer.close()

    def _add(self, tag: str, value: float, step: int) -> None:
        self._writer.add_scalar(tag, value, step)
        self._scalars.setdefault(tag, {})[step] = float(np.float32(value))

    def _say(self, tag: str, text: str) -> None:
        if self._texts.get(tag) != text:
            self._writer.add_text(tag, text, 0)
            self._texts[tag] = text


def _read(folder: Path) -> tuple[dict[str, dict[int, float]], dict[str, str]]:
    """Scalars (float32) by tag and step, and the last text of each tag, in the folder's event files."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    if not folder.is_dir():
        return {}, {}
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    tags = events.Tags()
    scalars = {tag: {event.step: event.value for event in events.Scalars(tag)} for tag in tags["scalars"]}
    texts = {
        tag.removesuffix(SUFFIX): events.Tensors(tag)[-1].tensor_proto.string_val[0].decode()
        for tag in tags["tensors"]
        if tag.endswith(SUFFIX)
    }
    return scalars, texts
