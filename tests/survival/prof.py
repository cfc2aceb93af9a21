import cProfile
import pstats
import runpy
import sys
import time

t = time.monotonic()
sys.argv = sys.argv[1:]
p = cProfile.Profile()
p.enable()
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    p.disable()
    print(time.monotonic() - t)
    pstats.Stats(p).sort_stats("cumtime").print_stats(60)
