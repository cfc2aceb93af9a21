"""Where networks run outside a training, which chooses for itself."""

import torch


def best_device() -> torch.device:
    """The accelerator if there is one (CUDA, MPS), else the CPU."""
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
