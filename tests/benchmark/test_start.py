import subprocess
import sys

from tests.conftest import ROOT

TRAIN = """
import gc, runpy, sys, types
stub = types.ModuleType("pacdream.command.train")
stub.train = lambda config: print("collecting:", gc.isenabled(), "frozen:", gc.get_freeze_count() > 0)
sys.modules["pacdream.command.train"] = stub
sys.argv = ["train.py", "experiment=gru_baseline", *sys.argv[1:]]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_garbage_is_collected_again_once_all_is_imported(tmp_path):
    command = [sys.executable, "-c", TRAIN, f"hydra.run.dir={tmp_path}/run", f"paths.outputs={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "collecting: True frozen: True"
