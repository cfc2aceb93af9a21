"""Players of recording processes, which import this file and should not wait for more than they need."""

import os
import signal

from pacdream.policy.random import RandomPolicy


class KilledPolicy(RandomPolicy):
    """Ends the process that it plays in, as the kernel does when memory is short."""

    def act(self, observation):
        os.kill(os.getpid(), signal.SIGKILL)


class CountingPolicy(RandomPolicy):
    """Says in its name how many threads its process may use."""

    @property
    def name(self):
        return f"{os.environ['OMP_NUM_THREADS']} threads"
