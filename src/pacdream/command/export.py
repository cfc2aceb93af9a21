"""Make a small file of a trained network: ``python -m pacdream.command.export <best.ckpt> <out.safetensors>``."""

import sys
from pathlib import Path

from torch import nn

from pacdream.core.checkpoints import load_model, save_model, weights_sha256


def export(checkpoint: Path, output: Path) -> str:
    """Write the network of a training checkpoint as safetensors in half precision; return its identity."""
    save_model(output, load_model(checkpoint, nn.Module))
    return weights_sha256(load_model(output, nn.Module))


if __name__ == "__main__":
    sys.stdout.write(export(Path(sys.argv[1]), Path(sys.argv[2])) + "\n")
