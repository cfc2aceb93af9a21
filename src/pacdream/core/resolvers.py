"""What the configuration may call, such as ``${cpu_count:}`` or ``${writable:…}``."""

import hashlib
import os
import sys
import tempfile
from pathlib import Path

from omegaconf import OmegaConf

_NOTES = 2**16
"""Bytes that Hydra's own notes of a command need at most."""


def cpu_count() -> int:
    """Processors that this process may use: a cluster's job is often given a part of the machine."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def precision(accelerator: str) -> str:
    """``bf16-mixed`` if training will run where bfloat16 is native, else ``32-true``."""
    import torch  # recording must not wait for it

    from pacdream.core.bfloat16 import is_native

    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return "bf16-mixed" if is_native("cuda") else "32-true"
    on_cpu = accelerator == "cpu" or (accelerator == "auto" and not torch.backends.mps.is_available())
    return "bf16-mixed" if on_cpu and is_native("cpu") else "32-true"


def writable(folder: str) -> str:
    """The folder, which is made if it does not exist; the command ends with one line if it cannot be written to."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_NOTES))
        return folder
    except OSError as error:
        # Hydra resolves its folders outside of `run`, and reports any other exception with a traceback.
        sys.exit(f"cannot write to {folder}: {error.strerror} (choose another folder with paths.outputs=<folder>)")


def sweep_folder(resume: str | None, new: str) -> str:
    """The folder of the sweep to go on with, a new one if there is none; the command ends if it does not exist."""
    if resume is not None and not (resume and Path(resume).is_dir()):
        sys.exit(f"sweep.resume={resume} is not the folder of a sweep")
    return resume or new


def folder_name(overrides: str) -> str:
    """A job's overrides as the name of its folder: without slashes, and no longer than file systems allow."""
    name = overrides.replace("/", "_") or "default"
    digest = hashlib.sha256(overrides.encode()).hexdigest()[:8]
    return name if len(name.encode()) <= 200 else f"{name.encode()[:190].decode(errors='ignore')}_{digest}"


def gpu_of(job: int, accelerator: str) -> list[int] | int:
    """The device, or devices, of a sweep's job: GPUs in turn, one CPU process where there is none or none is wanted."""
    import torch

    wanted = accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    return [job % torch.cuda.device_count()] if wanted else 1


for _resolver in (cpu_count, precision, writable, sweep_folder, folder_name, gpu_of):
    OmegaConf.register_new_resolver(_resolver.__name__, _resolver, replace=True)
