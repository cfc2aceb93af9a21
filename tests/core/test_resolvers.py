import pytest
import torch

from pacdream.core.resolvers import folder_name, gpu_of, precision, sweep_folder
from tests.conftest import compose_config


def test_a_new_sweep_has_a_new_folder():
    assert sweep_folder(None, "outputs/sweep/new") == "outputs/sweep/new"


def test_a_resumed_sweep_stays_in_its_folder(tmp_path):
    assert sweep_folder(str(tmp_path), "new") == str(tmp_path)


def test_a_sweep_that_is_none_ends_the_command(tmp_path):
    with pytest.raises(SystemExit, match=f"sweep.resume={tmp_path}/none is not the folder of a sweep"):
        sweep_folder(f"{tmp_path}/none", "new")


def test_no_sweep_to_go_on_with_begins_no_new_one():
    with pytest.raises(SystemExit, match=r"sweep\.resume= is not the folder of a sweep"):
        sweep_folder("", "new")


def test_a_job_is_named_by_its_overrides():
    assert folder_name("optimizer.lr=1e-3,seed=1") == "optimizer.lr=1e-3,seed=1"
    assert folder_name("") == "default"


def test_a_name_stays_one_folder_inside_the_sweep():
    assert "/" not in folder_name("tokenizer.checkpoint=../../other/best.ckpt")


def test_long_names_fit_a_file_system_and_stay_apart():
    names = {folder_name(f"{'é' * 200}{i}") for i in range(3)}
    assert len(names) == 3
    assert max(len(name.encode()) for name in names) <= 255


@pytest.mark.parametrize(("gpus", "devices"), [(0, [1, 1, 1]), (1, [[0], [0], [0]]), (2, [[0], [1], [0]])])
def test_jobs_take_the_gpus_in_turn(gpus, devices, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert [gpu_of(job, "auto") for job in range(3)] == [gpu_of(job, "gpu") for job in range(3)] == devices
    assert gpu_of(1, "cpu") == 1


@pytest.mark.parametrize(
    ("accelerator", "cuda", "mps", "capabilities", "chosen"),
    [
        ("auto", True, False, {}, "bf16-mixed"),
        ("gpu", True, False, {}, "bf16-mixed"),
        ("cpu", True, False, {"amx_bf16": False, "avx512_bf16": False}, "32-true"),
        ("cpu", True, False, {"amx_bf16": True}, "bf16-mixed"),
        ("auto", False, False, {"avx512_bf16": True}, "bf16-mixed"),
        ("auto", False, False, {"avx512_bf16": False}, "32-true"),
        ("auto", False, True, {"avx512_bf16": True}, "32-true"),
        ("gpu", False, False, {"amx_bf16": True}, "32-true"),
    ],
)
def test_bfloat16_is_chosen_where_it_is_native(accelerator, cuda, mps, capabilities, chosen, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert precision(accelerator) == chosen


def test_an_older_torch_that_does_not_tell_trains_in_full_precision(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert precision("cpu") == "32-true"


@pytest.mark.parametrize("launcher", ["basic", "joblib", "submitit_local", "submitit_slurm"])
def test_every_launcher_composes(launcher):
    assert compose_config("train", ["experiment=gru_baseline", f"launcher={launcher}"]).trainer.max_epochs == 100
