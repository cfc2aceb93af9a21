"""Make a small file of a trained network: ``python -m pacdream.command.export <best.ckpt> <out.safetensors>``.

Of the folder of a run it makes another folder, as small, that ``evaluate.py``, ``rollout.py`` and ``load_run`` open
like the run: ``python -m pacdream.command.export <run> <folder>``. It is measured on ten fresh episodes.
"""

import sys
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from torch import nn

from pacdream.command.run import ABOUT, open_run
from pacdream.core.checkpoint_io import read_checkpoint
from pacdream.core.checkpoints import load_model, save_model, weights_sha256
from pacdream.core.files import atomic_path

_USAGE = "python -m pacdream.command.export <best.ckpt> <out.safetensors>, or <run> <folder>"
FRESH = {"seed": 7, "episodes": 10, "output": "${paths.outputs}/episodes/test"}
"""The recording that an exported run is measured on: nothing was chosen on it."""


def export(checkpoint: Path, output: Path) -> str:
    """Write the network of a training checkpoint as safetensors in half precision; return its identity.

    What it was trained on goes with it, so that nobody measures it on that by mistake.

    Raises:
        ValueError: not a training checkpoint, or a file that would not be read as what it is.
    """
    if output.suffix != ".safetensors":
        raise ValueError(f"{output} must end with .safetensors")
    if checkpoint.suffix == ".safetensors":
        raise ValueError(f"{checkpoint} has been exported already")
    network, content = load_model(checkpoint, nn.Module), read_checkpoint(checkpoint)
    save_model(output, network, {key: content[key] for key in ABOUT if key in content})
    return weights_sha256(load_model(output, nn.Module))


def export_run(path: Path, output: Path) -> str:
    """Write the best network of a run and its settings as a run of their own; return the network's identity.

    Raises:
        ValueError: not a run of a world model, or behind a tokenizer that does not come with the package.
    """
    run = open_run(path)
    if output.resolve() == run.folder.resolve():
        raise ValueError(f"{output} is the run itself: give another folder")
    tokenizer = str(run.config.get("tokenizer", {}).get("checkpoint", ""))
    if run.checkpoint.suffix == ".safetensors" or "world_model" not in run.config:
        raise ValueError(f"{path} is not the run of a world model, or it has been exported already")
    if Path(tokenizer).suffix:
        raise ValueError(f"{path} lives behind {tokenizer}, which does not go with it: only bundled tokenizers do")
    identity = export(run.checkpoint, output / "checkpoints" / "best.safetensors")
    settings = OmegaConf.load(run.folder / ".hydra" / "config.yaml")
    assert isinstance(settings, DictConfig)
    settings.recording.update(FRESH)
    settings.paths.outputs = "outputs"
    settings.data.update({"episodes": "${recording.output}", "val_fraction": 1.0, "rare": None, "new_actions": None})
    with atomic_path(output / ".hydra" / "config.yaml") as temporary:
        OmegaConf.save(settings, temporary)
    return identity


def main(arguments: list[str]) -> None:
    """Export the first argument as the second."""
    if len(arguments) != 2:
        sys.exit(f"export: give a checkpoint and the file to write, not {arguments or 'nothing'}: {_USAGE}")
    source, output = map(Path, arguments)
    try:
        sys.stdout.write((export_run if source.is_dir() else export)(source, output) + "\n")
    except ValueError as error:
        sys.exit(f"export: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
