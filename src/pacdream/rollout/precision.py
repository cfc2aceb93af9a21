"""Dreaming in half precision, where a device is faster in it."""

import torch


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """What networks are to be called in, for one of Lightning's names: ``32-true`` or ``bf16-mixed``.

    Raises:
        ValueError: another name.
    """
    if precision not in ("32-true", "bf16-mixed"):
        raise ValueError(f"precision={precision} is unknown here: choose 32-true or bf16-mixed")
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16-mixed")
