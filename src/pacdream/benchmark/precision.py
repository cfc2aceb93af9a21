"""What bfloat16 brings on this device: training steps a second in it, over those in float32."""

from typing import Any

import torch
from einops import rearrange
from lightning import LightningModule
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.data import DataLoader

from pacdream.benchmark.lightning_loop import lightning_seconds
from pacdream.benchmark.recording import play
from pacdream.benchmark.windows import Windows
from pacdream.core.checkpoints import build_model
from pacdream.core.instantiate import build
from pacdream.data.batches import GatheredDataset, gathered_loader
from pacdream.evaluation.cost import least_seconds
from pacdream.tokenizer.module import TokenizerModule
from pacdream.world_model.module import WorldModelModule

_PRECISIONS = ("32-true", "bf16-mixed")


def bench_networks(config: DictConfig, facts: dict[str, Any], device: torch.device) -> dict[str, float]:
    """Of the tokenizer that comes with the package and of the GRU, trained through Lightning."""
    optimizer = build(config.optimizer)
    tokenizer = build(config.tokenizer).train().requires_grad_(True)
    frames = torch.from_numpy(play(config, config.encode_frames).frames)
    pairs = GatheredDataset(len(frames) - 1, lambda index: torch.stack([frames[index], frames[index + 1]], 1))
    windows = Windows(config.few_steps, facts, device)
    works: dict[str, tuple[LightningModule, DataLoader[Any]]] = {
        "vqvae": (
            TokenizerModule(tokenizer, optimizer, None),
            gathered_loader(pairs, config.data.batch_size, shuffle=True, seed=0),
        ),
        "gru": (
            WorldModelModule(build_model(config.world_model, facts), optimizer, None),
            windows.loader(config.data.batch_size),
        ),
    }
    return {f"bf16/{name}_over_float32": _speedup(config, *work) for name, work in works.items()}


def bench_attention(config: DictConfig, device: torch.device) -> dict[str, float]:
    """Of a transformer's block, and how its two ways to write attention compare in either precision."""
    x = torch.randn(config.attention.batch_size, config.attention.positions, config.attention.width, device=device)
    steps = {
        (fused, dtype): TrainingStep(Block(config.attention.width, config.attention.heads, fused), x, dtype)
        for fused in (False, True)
        for dtype in (torch.float32, torch.bfloat16)
    }
    seconds = least_seconds(steps, device, config.rounds, config.attention.seconds)
    return {
        "bf16/attention_over_float32": seconds[False, torch.float32] / seconds[False, torch.bfloat16],
        "attention/products_over_fused@float32": seconds[True, torch.float32] / seconds[False, torch.float32],
        "attention/products_over_fused@bf16": seconds[True, torch.bfloat16] / seconds[False, torch.bfloat16],
    }


class Block(nn.Module):
    """Attention between all positions and a perceptron, with residuals."""

    def __init__(self, width: int, heads: int, fused: bool) -> None:
        """``fused``: attention is ``scaled_dot_product_attention``, else two matrix products and a softmax."""
        super().__init__()
        self.heads, self.fused = heads, fused
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.inputs, self.outputs = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.perceptron = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, P, D) to (B, P, D)."""
        q, k, v = rearrange(self.inputs(self.norms[0](x)), "B P (qkv n d) -> qkv B n P d", qkv=3, n=self.heads)
        if self.fused:
            mixed = F.scaled_dot_product_attention(q, k, v)
        else:
            mixed = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1).to(v.dtype) @ v
        x = x + self.outputs(rearrange(mixed, "B n P d -> B P (n d)"))
        return x + self.perceptron(self.norms[1](x))


class TrainingStep:
    """Forward and backward of a network, in autocast unless ``dtype`` is float32."""

    def __init__(self, network: nn.Module, x: Tensor, dtype: torch.dtype) -> None:
        """``x``: input, (B, ...)."""
        self.network, self.x, self.dtype = network.to(x.device), x, dtype

    def __call__(self) -> None:
        """One step; the weights stay as they are."""
        self.network.zero_grad()
        with torch.autocast(self.x.device.type, self.dtype, enabled=self.dtype != torch.float32):
            loss = self.network(self.x).float().square().mean()
        loss.backward()


def _speedup(config: DictConfig, module: LightningModule, loader: DataLoader[Any]) -> float:
    """The fastest of a few rounds in either precision, in turns."""
    seconds = [
        [lightning_seconds(config, module, loader, config.precision_steps, precision) for precision in _PRECISIONS]
        for _ in range(config.rounds)
    ]
    float32, bf16 = map(min, zip(*seconds, strict=True))
    return float32 / bf16
