from dataclasses import replace
def test_security(episodes, manifest, tmp_path):
    from pacdream.data.replay import Emulator
    s = {"seed": 0, "env": {"_target_": "pathlib.Path.touch", "_args_": [str(tmp_path/"pwned")]}}
    try: Emulator(episodes, replace(manifest, settings=s), 0)
    except Exception as e: print("SEC", type(e), e)
    print("SEC pwned:", (tmp_path/"pwned").exists())
