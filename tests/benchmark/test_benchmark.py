import math

import pytest
import torch

from pacdream.benchmark.dreams import bench_dreams
from pacdream.benchmark.encoding import bench_encoding
from pacdream.benchmark.page import bench_page
from pacdream.benchmark.precision import Block, TrainingStep, bench_attention, bench_networks
from pacdream.benchmark.recording import bench_recording
from pacdream.benchmark.rollouts import bench_rollouts
from pacdream.benchmark.start import NoteSteps
from pacdream.benchmark.training import bench_loading, bench_scale, bench_training
from pacdream.benchmark.windows import Windows, world_model_facts
from pacdream.play.browser import find_chromium
from tests.conftest import ROOT, compose_config

CPU = torch.device("cpu")
FACTS = {"grid_shape": [2, 3], "codebook_size": 300, "num_actions": 4}


def tiny(*overrides):
    small = {
        "rounds": 1, "record_steps": 40, "encode_frames": 16, "load_batches": 3, "naive_workers": 1,
        "warmup_steps": 1, "train_steps": 2, "precision_steps": 1, "few_steps": 100, "many_steps": 200,
        "rollout_batches": [1], "dream_rows": [1], "dream_seconds": 0.01, "outcome.width": 8,
        "data.batch_size": 2, "world_model.hidden_size": 8,
        "attention": "{batch_size: 2, positions: 3, width: 8, heads: 2, seconds: 0}",
    }  # fmt: skip
    return compose_config("bench", ["trainer=cpu", *(f"{key}={value}" for key, value in small.items()), *overrides])


def test_every_benchmark_measures_something(tokenizer_path, monkeypatch):
    monkeypatch.setattr("pacdream.benchmark.dreams._GAMES", 2)
    config = tiny(f"tokenizer.checkpoint={tokenizer_path}")
    results = bench_recording(config) | bench_encoding(config, CPU) | bench_loading(config, FACTS)
    results |= bench_training(config, FACTS, CPU) | bench_scale(config, FACTS, CPU)
    results |= bench_networks(config, FACTS, CPU) | bench_attention(config, CPU) | bench_rollouts(config, FACTS, CPU)
    results |= bench_dreams(config, FACTS, CPU)
    growth = results.pop("scale/mb_grown_while_training_on_many")
    assert growth < 100
    assert all(value > 0 for value in results.values())
    assert {name.split("/")[0] for name in results} == {
        "recording", "encoding", "loading", "training", "scale", "bf16", "attention", "rollouts", "dream",
    }  # fmt: skip


@pytest.mark.skipif(find_chromium() is None, reason="no Chromium on this machine")
def test_the_page_is_measured_in_a_browser(monkeypatch):
    monkeypatch.chdir(ROOT)
    results = bench_page(compose_config("bench", ["page.seconds=1.5", "page.hold=150"]))
    assert set(results) == {
        f"page/{name}" for name in ("first_picture_seconds", "steps_per_second", "skipped_share", "key_to_picture_ms")
    }
    assert results["page/steps_per_second"] > 1
    assert results["page/key_to_picture_ms"] > 0
    assert 0 <= results["page/skipped_share"] < 1


def test_without_a_browser_the_page_is_not_measured(monkeypatch):
    monkeypatch.setattr("pacdream.benchmark.page.find_chromium", lambda: None)
    assert bench_page(compose_config("bench", [])) == {}


def test_the_world_model_fits_the_bundled_tokenizer_and_the_game():
    facts = world_model_facts(compose_config("bench", []))
    assert facts == {"grid_shape": [7, 5], "codebook_size": 256, "num_actions": 9}


def test_both_loaders_serve_the_same_windows():
    windows = Windows(10, FACTS, CPU)
    batch = windows.gather(torch.tensor([3, 7]))
    for row, index in enumerate((3, 7)):
        codes, actions = windows[index]
        assert torch.equal(batch.codes[row], codes)
        assert torch.equal(batch.actions[row], actions)


@pytest.mark.parametrize("size", [256, 257])
def test_windows_hold_all_codes_in_few_bytes(size):
    windows = Windows(5000, {**FACTS, "codebook_size": size}, CPU)
    assert windows.codes.element_size() == (1 if size == 256 else 2)
    codes = windows.gather(torch.arange(len(windows))).codes
    assert (int(codes.min()), int(codes.max())) == (0, size - 1)


def test_both_ways_to_write_attention_are_one():
    torch.manual_seed(0)
    fused, products = Block(8, 2, fused=True), Block(8, 2, fused=False)
    products.load_state_dict(fused.state_dict())
    x = torch.randn(2, 5, 8)
    torch.testing.assert_close(fused(x), products(x))


def test_only_bfloat16_steps_are_in_bfloat16():
    block, x = Block(8, 2, fused=False), torch.randn(2, 5, 8)
    seen = []
    block.inputs.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    for dtype in (torch.float32, torch.bfloat16):
        TrainingStep(block, x, dtype)()
        assert all(math.isfinite(weight.grad.abs().sum()) for weight in block.parameters())
    assert seen == [torch.float32, torch.bfloat16]


def test_every_step_is_noted(tmp_path):
    note = NoteSteps(str(tmp_path / "times"))
    for _ in range(3):
        note.on_train_batch_end(None, None)
    first, *_, last = map(float, (tmp_path / "times").read_text().splitlines())
    assert first <= last
