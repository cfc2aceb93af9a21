"""Curves in a CSV file that a run goes on with after an interruption, without a row missing or twice."""

import csv
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.csv_logs import _ExperimentWriter
from lightning.pytorch.core.saving import save_hparams_to_yaml
from lightning.pytorch.loggers import CSVLogger as LightningCSVLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter
from lightning.pytorch.loggers.logger import rank_zero_experiment

from pacdream.core.files import atomic_path, reading

_REMEDY = "delete it to begin the curves anew"


class CSVLogger(LightningCSVLogger):
    """Lightning's, but it goes on with the file of an earlier start instead of deleting it."""

    @property
    @rank_zero_experiment
    def experiment(self) -> _ExperimentWriter:
        """The writer, made at the first use."""
        if self._experiment is None:
            self._experiment = _ContinuedWriter(self.log_dir)
        return self._experiment

    def rows(self) -> int:
        """Write everything; the number of rows in the file, without the header."""
        self.save()
        return getattr(self.experiment, "rows", 0)  # only the first process writes

    def keep(self, rows: int) -> None:
        """Drop all rows but the first: those that were logged after the checkpoint that a run goes on from."""
        if isinstance(self.experiment, _ContinuedWriter):
            self.experiment.keep(rows)


class _ContinuedWriter(ExperimentWriter):
    """Lightning's, but a file holds whole rows even on a full disk, and what it held stays.

    Raises:
        ValueError: a file cannot be written, or is damaged.
    """

    rows = 0
    """In the file."""

    def _check_log_dir_exists(self) -> None:
        if Path(self.metrics_file_path).is_file():
            self.metrics_keys, rows = self._read()
            self.rows = len(rows)

    def _read(self) -> tuple[list[str], list[str]]:
        """Names of the columns, and lines."""
        path = Path(self.metrics_file_path)
        with reading(path, _REMEDY):
            header, *lines = path.read_text().splitlines()
            columns = header.split(",")
            if "step" not in columns:
                raise ValueError("it has no column `step`")
        return columns, lines

    def keep(self, rows: int) -> None:
        if rows >= self.rows:
            return
        columns, lines = self._read()
        whole = [line for line in lines[:rows] if line.count(",") == len(columns) - 1]
        with atomic_path(Path(self.metrics_file_path)) as temporary:
            temporary.write_text("\n".join([",".join(columns), *whole]) + "\n")
        self.rows = len(whole)

    def log_hparams(self, params: dict[str, Any]) -> None:
        self.hparams.update(params)
        with atomic_path(Path(self.log_dir) / self.NAME_HPARAMS_FILE) as temporary:
            save_hparams_to_yaml(temporary, self.hparams)

    def save(self) -> None:
        if not self.metrics:
            return
        path = Path(self.metrics_file_path)
        columns = sorted({*self.metrics_keys}.union(*self.metrics))
        if columns == self.metrics_keys and path.is_file():
            _append(path, _csv(columns, self.metrics))
        else:
            with reading(path, _REMEDY):
                before = list(csv.DictReader(path.read_text().splitlines())) if path.is_file() else []
                text = ",".join(columns) + "\n" + _csv(columns, [*before, *self.metrics])
            with atomic_path(path) as temporary:
                temporary.write_text(text)
        self.rows += len(self.metrics)
        self.metrics, self.metrics_keys = [], columns


def _csv(columns: list[str], metrics: Iterable[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    csv.DictWriter(text, columns, lineterminator="\n").writerows(metrics)
    return text.getvalue()


def _append(path: Path, text: str) -> None:
    size = path.stat().st_size
    try:
        with path.open("a") as file:
            file.write(text)
    except OSError as error:
        os.truncate(path, size)
        raise ValueError(f"cannot write {path}: {error}") from error
