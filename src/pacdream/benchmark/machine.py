"""What the machine can do at best."""

import torch

from pacdream.evaluation.cost import timed


def prepare() -> torch.device:
    """Seed torch, and choose the device that is measured."""
    torch.manual_seed(0)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def matrix_gflops(device: torch.device, dtype: str = "float32") -> float:
    """What a large matrix product reaches here."""
    a = torch.randn(2048, 2048, device=device).to(getattr(torch, dtype))
    seconds = min(timed(lambda: a @ a, device) for _ in range(5))
    return 2 * len(a) ** 3 / seconds / 1e9


def matrix_weights(model: torch.nn.Module) -> int:
    """Weights that take part in products at every position: all but biases and embeddings, which are looked up."""
    named = model.named_parameters()
    return sum(p.numel() for name, p in named if "weight" in name and "embedding" not in name)
