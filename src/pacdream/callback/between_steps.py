"""Checkpoints that are written between two steps, which Lightning itself never does."""

from typing import Any

import lightning


def go_on_with_next_step(loops: dict[str, Any], more_steps: bool) -> None:
    """Change the counters of a checkpoint such that Lightning goes on with the step after it.

    Lightning takes a checkpoint to be written at the end of a step, before that step is counted for the loggers.

    Args:
        loops: ``checkpoint["loops"]["fit_loop"]`` as it was when a step was about to begin, or at the end of training.
        more_steps: the training ended because of ``max_steps``, of which there are more now.
    """
    epoch, batch = loops["epoch_progress"], loops["epoch_loop.batch_progress"]
    ended = epoch["current"]["processed"] == epoch["current"]["ready"]
    if ended and not more_steps:
        return  # between two epochs there is nothing to mend
    if ended and batch["is_last_batch"]:
        batch["current"] = dict.fromkeys(batch["current"], 0)
    elif ended:  # in the middle of an epoch, which is not over any more
        for progress in epoch.values():
            progress["processed"] -= 1
            progress["completed"] -= 1
    batch["total"]["ready"] = batch["total"]["completed"] + 1
    batch["current"]["ready"] = batch["current"]["completed"]
    loops["epoch_loop.state_dict"]["_batches_that_stepped"] -= 1


def forget_restart(trainer: lightning.Trainer) -> None:
    """Let Lightning count and validate as in a run that was not interrupted; called when the next step begins."""
    loop = trainer.fit_loop
    steps = loop.epoch_loop.batch_progress.total
    steps.ready = steps.completed + 1  # that which the checkpoint counted as begun is begun only now
    loop._restarting = False  # or ReduceLROnPlateau would not hear of this epoch
