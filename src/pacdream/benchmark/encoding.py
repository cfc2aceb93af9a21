"""How fast frames become codes."""

import torch
from omegaconf import DictConfig

from pacdream.benchmark.recording import play
from pacdream.core.instantiate import build
from pacdream.data.latent_cache import encode_episode
from pacdream.evaluation.cost import timed


@torch.inference_mode()
def bench_encoding(config: DictConfig, device: torch.device) -> dict[str, float]:
    """Frames/s of the frozen tokenizer in batches, and how much faster that is than one frame at a time."""
    tokenizer = build(config.tokenizer).to(device)
    frames = torch.from_numpy(play(config, config.encode_frames).frames)

    def frames_per_second(batch_size: int, count: int) -> float:
        def run() -> None:
            list(encode_episode(tokenizer, frames[:count], device, batch_size))

        run()
        return len(frames[:count]) / min(timed(run, device) for _ in range(config.rounds))

    batched = frames_per_second(config.data.encode_batch_size[device.type], len(frames))
    return {
        "encoding/frames_per_second": batched,
        "encoding/batched_over_one_at_a_time": batched / frames_per_second(1, len(frames) // 8),
    }
