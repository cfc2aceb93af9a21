import torch

from pacdream.benchmark.encoding import bench_encoding
from pacdream.benchmark.recording import bench_recording
from pacdream.benchmark.rollouts import bench_rollouts
from pacdream.benchmark.training import Windows, bench_loading, bench_scale, bench_training
from tests.conftest import compose_config

CPU = torch.device("cpu")


def tiny(*overrides):
    small = {
        "rounds": 1, "record_steps": 40, "json_frames": 5, "encode_frames": 16, "load_batches": 3, "naive_workers": 1,
        "warmup_steps": 1, "train_steps": 2, "few_steps": 100, "many_steps": 200, "rollout_batches": [1],
        "data.batch_size": 2, "world_model.hidden_size": 8,
    }  # fmt: skip
    return compose_config("bench", ["trainer=cpu", *(f"{key}={value}" for key, value in small.items()), *overrides])


def test_every_benchmark_measures_something(tokenizer_path):
    config = tiny(f"tokenizer.checkpoint={tokenizer_path}")
    results = bench_recording(config) | bench_encoding(config, CPU) | bench_loading(config)
    results |= bench_training(config, CPU) | bench_scale(config, CPU) | bench_rollouts(config, CPU)
    growth = results.pop("scale/mb_grown_while_training_on_many")
    assert growth < 100
    assert all(value > 0 for value in results.values())
    assert {name.split("/")[0] for name in results} == {
        "recording", "encoding", "loading", "training", "scale", "rollouts",
    }  # fmt: skip


def test_both_loaders_serve_the_same_windows():
    windows = Windows(10, CPU)
    batch = windows.gather(torch.tensor([3, 7]))
    for row, index in enumerate((3, 7)):
        codes, actions = windows[index]
        assert torch.equal(batch.codes[row], codes)
        assert torch.equal(batch.actions[row], actions)
