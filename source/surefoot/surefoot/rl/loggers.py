"""Where scalars and pictures of a run go: TensorBoard, or Weights & Biases behind the same interface."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from surefoot.audit.record.writer import ResilientWriter, ScalarWriter
from surefoot.errors import MissingExtra, SurefootError
from surefoot.manifest import Manifest


class TensorBoardWriter:
    """torch's writer, and pictures that are passed on as they are: nothing is decoded in the training process."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(log_dir=str(folder), flush_secs=10)

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self._writer.add_scalar(tag, value, step)

    def add_picture(self, tag: str, path: Path, step: int) -> None:
        from tensorboard.compat.proto import summary_pb2

        proto: Any = summary_pb2
        content = path.read_bytes()
        width, height = struct.unpack(">II", content[16:24])  # of the PNG's header
        image = proto.Summary.Image(height=height, width=width, colorspace=4, encoded_image_string=content)
        self._writer.file_writer.add_summary(proto.Summary(value=[proto.Summary.Value(tag=tag, image=image)]), step)

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


@dataclass(frozen=True)
class RunLabel:
    """What a run is called in Weights & Biases."""

    name: str | None = None
    """Default: task and run folder."""
    tags: tuple[str, ...] = ()

    def check(self, manifest: Manifest) -> None:
        """Refuse a label that nobody would see.

        Raises:
            SurefootError: The run's logger is another one.
        """
        if self != RunLabel() and manifest.training.logger != "wandb":
            raise SurefootError(
                "--name and --tag are for Weights & Biases, and this run logs to "
                f"{manifest.training.logger}: add logger=wandb, or leave them out."
            )


class WandbWriter:
    """Weights & Biases behind TensorBoard's interface; `WANDB_MODE=offline` needs no account."""

    def __init__(self, folder: Path, manifest: Manifest, label: RunLabel) -> None:
        try:
            import wandb
        except ImportError:
            from surefoot.engines.base import pip_line

            raise MissingExtra(f"training.logger=wandb needs wandb. Install it: {pip_line('wandb')}") from None
        self._image: Any = wandb.Image
        self._run = wandb.init(
            project="surefoot",
            name=label.name or f"{manifest.name}/{folder.name}",
            tags=list(label.tags) or None,
            dir=str(folder),
            config=manifest.to_plain(),
            resume="allow",
        )
        self._pending: dict[str, Any] = {}
        self._step = 0

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self._keep(tag, value, step)

    def add_picture(self, tag: str, path: Path, step: int) -> None:
        self._keep(tag, self._image(str(path)), step)

    def close(self) -> None:
        if self._pending:
            self._run.log(self._pending, step=self._step)
        self._run.finish()

    def _keep(self, tag: str, value: Any, step: int) -> None:
        if step > self._step and self._pending:
            self._run.log(self._pending, step=self._step)
            self._pending = {}
        self._step = max(self._step, step)  # W&B's steps only rise: what is late stands at the current one
        self._pending[tag] = value


def make_writer(folder: Path, manifest: Manifest, label: RunLabel | None = None) -> ResilientWriter | None:
    """The logger that the manifest names, behind a guard; `label` is for Weights & Biases.

    Raises:
        MissingExtra: Its package is not installed.
    """
    kind = manifest.training.logger

    def make() -> ScalarWriter:
        return WandbWriter(folder, manifest, label or RunLabel()) if kind == "wandb" else TensorBoardWriter(folder)

    return None if kind == "none" else ResilientWriter(make)
