"""Make a small file of a trained network: ``python -m pacdream.command.export <best.ckpt> <out.safetensors>``."""

import sys
from pathlib import Path

from torch import nn

from pacdream.command.run import ABOUT
from pacdream.core.checkpoint_io import read_checkpoint
from pacdream.core.checkpoints import load_model, save_model, weights_sha256

_USAGE = "python -m pacdream.command.export <best.ckpt> <out.safetensors>"


def export(checkpoint: Path, output: Path) -> str:
    """Write the network of a training checkpoint as safetensors in half precision; return its identity.

    What it was trained on goes with it, so that nobody measures it on that by mistake.
    """
    network, content = load_model(checkpoint, nn.Module), read_checkpoint(checkpoint)
    save_model(output, network, {key: content[key] for key in ABOUT if key in content})
    return weights_sha256(load_model(output, nn.Module))


def main(arguments: list[str]) -> None:
    """Export the first argument as the second."""
    if len(arguments) != 2:
        sys.exit(f"export: give a checkpoint and the file to write, not {arguments or 'nothing'}: {_USAGE}")
    try:
        sys.stdout.write(export(Path(arguments[0]), Path(arguments[1])) + "\n")
    except ValueError as error:
        sys.exit(f"export: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
