"""Speeds of this machine, as ratios within one run: ``python bench.py``. Writes ``outputs/bench.json``."""

import logging
from pathlib import Path

import hydra
from omegaconf import DictConfig

from pacdream.benchmark.dreams import bench_dreams
from pacdream.benchmark.encoding import bench_encoding
from pacdream.benchmark.machine import matrix_gflops, prepare
from pacdream.benchmark.page import bench_page
from pacdream.benchmark.precision import bench_attention, bench_networks
from pacdream.benchmark.recording import bench_recording
from pacdream.benchmark.rollouts import bench_rollouts
from pacdream.benchmark.start import bench_environment, bench_start
from pacdream.benchmark.training import bench_loading, bench_scale, bench_training
from pacdream.benchmark.windows import world_model_facts
from pacdream.command.arguments import prepare_arguments
from pacdream.command.entry_point import entry_point
from pacdream.command.provenance import provenance
from pacdream.command.schemas import BenchSettings
from pacdream.core.check_settings import check_settings
from pacdream.core.files import write_json

log = logging.getLogger(__name__)


@hydra.main(version_base="1.3", config_path="conf", config_name="bench")
@entry_point
def main(config: DictConfig) -> None:
    """Measure one thing after the other, from the recording to the rollouts."""
    check_settings(config, BenchSettings)
    device = prepare()
    facts = world_model_facts(config)
    results = {
        "machine/float32_gflops": matrix_gflops(device),
        "machine/bf16_gflops": matrix_gflops(device, "bfloat16"),
    }
    results |= bench_start(config)
    results |= bench_environment(config)
    results |= bench_recording(config)
    results |= bench_encoding(config, device)
    results |= bench_loading(config, facts)
    results |= bench_training(config, facts, device)
    results |= bench_scale(config, facts, device)
    results |= bench_networks(config, facts, device)
    results |= bench_attention(config, device)
    results |= bench_rollouts(config, facts, device)
    results |= bench_dreams(config, facts, device)
    results |= bench_page(config)
    for name, value in results.items():
        log.info("%-44s %.4g", name, value)
    write_json(Path(config.paths.outputs) / "bench.json", {**provenance(), **results})


if __name__ == "__main__":
    prepare_arguments()
    main()
