"""What the configuration may call: ``${cpu_count:}``, ``${precision:…}``, ``${writable:…}``."""

import os
import sys
import tempfile
from pathlib import Path

from omegaconf import OmegaConf


def cpu_count() -> int:
    """Processors of this machine."""
    return os.cpu_count() or 1


def precision(accelerator: str) -> str:
    """``bf16-mixed`` if training will run on a CUDA device that has bfloat16, else ``32-true``."""
    import torch  # recording must not wait for it

    on_cuda = accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    return "bf16-mixed" if on_cuda and torch.cuda.is_bf16_supported() else "32-true"


def writable(folder: str) -> str:
    """The folder, which is made if it does not exist; the command ends with one line if it cannot be written to."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        # Hydra resolves its folders outside of `run`, and reports any other exception with a traceback.
        sys.exit(f"cannot write to {folder}: {error.strerror} (choose another folder with paths.outputs=<folder>)")


for _resolver in (cpu_count, precision, writable):
    OmegaConf.register_new_resolver(_resolver.__name__, _resolver, replace=True)
