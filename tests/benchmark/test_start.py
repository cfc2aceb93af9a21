import subprocess
import sys

from tests.conftest import ROOT

TRAIN = """
import gc, os, runpy, sys, types
counts = []
def train(config):
    counts.append(gc.get_freeze_count())
    if len(counts) == 2:
        print("collecting:", gc.isenabled(), *counts, flush=True)
        os._exit(0)  # without a summary of the sweep
stub = types.ModuleType("pacdream.command.train")
stub.train = train
sys.modules["pacdream.command.train"] = stub
sys.argv = ["train.py", "-m", "experiment=gru_baseline", "seed=1,2", "launcher=basic", *sys.argv[1:]]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_garbage_is_collected_again_once_all_is_imported_also_that_of_a_sweeps_jobs(tmp_path):
    command = [sys.executable, "-c", TRAIN, f"paths.outputs={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    _, collecting, first, second = done.stdout.splitlines()[-1].split()
    assert collecting == "True"
    assert 0 < int(second) <= int(first)  # fewer where something that was frozen is not needed any more
