"""The W&B workspace of the project, a section for each question; its library is the extra ``dashboard``."""

from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import wandb_workspaces.workspaces as ws

STEP, HORIZON = "trainer/global_step", "horizon"
COLUMNS = ("run:tags", "summary:rollout/skill_area", "summary:rollout/skill@8", "summary:report/changed_f1")
"""Shown beside every run. Runs are not grouped: those of a sweep differ, and their mean is nobody's figure."""


def workspace(entity: str, project: str) -> "ws.Workspace":
    """Build it; nothing is sent to W&B.

    Raises:
        ValueError: the library is not installed.
    """
    try:
        import wandb_workspaces.reports.v2 as wr
        import wandb_workspaces.workspaces as ws
    except ImportError as error:
        raise ValueError("dashboard.py needs wandb-workspaces: pip install -e '.[dashboard]'") from error
    panels = {
        "Better than copying?": _better_than_copying(wr),
        "Training": _training(wr),
        "Does it obey the action?": _control(wr),
        "The game itself": _game(wr),
        "Dreams": _dreams(wr),
        "Tokenizer": _tokenizer(wr),
    }
    sections = [ws.Section(name=name, panels=shown, is_open=True) for name, shown in panels.items()]
    runs = ws.RunsetSettings(pinned_columns=list(COLUMNS))
    return ws.Workspace(entity=entity, project=project, name="Scorecard", sections=sections, runset_settings=runs)


def save(built: "ws.Workspace") -> str:
    """Send it to W&B as a new saved view and return its address.

    Raises:
        ValueError: W&B refuses it or cannot be reached.
    """
    try:
        return str(built.save().url)
    except Exception as error:  # of whatever type: the server's answer comes through two libraries
        reason = " ".join(str(error).split())
        raise ValueError(f"W&B did not save the workspace of {built.entity}/{built.project}: {reason}") from error


def _better_than_copying(wr: ModuleType) -> list[Any]:
    accuracies = ["open_loop/accuracy", "open_loop/copy_star", "open_loop/ceiling"]
    return [
        wr.LinePlot(title="Skill: 0 copies, 1 reaches the ceiling", x=HORIZON, y=["open_loop/skill"]),
        wr.LinePlot(title="Right codes", x=HORIZON, y=accuracies),
        wr.MediaBrowser(title="Right codes, with intervals", media_keys=["report/accuracy_by_horizon"]),
        wr.BarPlot(title="Skill, mean of the first 15 horizons", metrics=["rollout/skill_area"]),
        wr.BarPlot(title="Skill after 8 steps", metrics=["rollout/skill@8"]),
        wr.BarPlot(title="F1 of the changed codes, one step", metrics=["report/changed_f1"]),
    ]


def _training(wr: ModuleType) -> list[Any]:
    return [
        wr.LinePlot(title="Loss", x=STEP, y=["train/loss_epoch", "val/loss"]),
        wr.LinePlot(title="Accuracy beside copying", x=STEP, y=["val/accuracy", "val/copy_accuracy"]),
        wr.LinePlot(title="Skill, one step", x=STEP, y=["val/skill"]),
        wr.LinePlot(title="Right among changed codes", x=STEP, y=["val/changed_accuracy"]),
        wr.LinePlot(title="Learning rate", x=STEP, metric_regex="^lr-.*$"),  # named after the optimizer's class
    ]


def _control(wr: ModuleType) -> list[Any]:
    return [
        wr.BarPlot(title="Goes where it is told", metrics=["control/move", "control/move_chance"]),
        wr.BarPlot(title="Finds its direction's future again", metrics=["control/retrieval"]),
        wr.LinePlot(title="Codes that other actions change", x=HORIZON, y=["open_loop/divergence"]),
        wr.MediaBrowser(title="Control", media_keys=["report/control"]),
    ]


def _game(wr: ModuleType) -> list[Any]:
    return [
        wr.LinePlot(title="Right pixels", x=HORIZON, y=["open_loop/pixel_accuracy"]),
        wr.LinePlot(title="Error of the player's position, pixels", x=HORIZON, y=["open_loop/player_error"]),
        wr.MediaBrowser(title="Whose error is it?", media_keys=["report/game"]),
    ]


def _dreams(wr: ModuleType) -> list[Any]:
    videos = [f"report/dream_{i}" for i in range(3)]  # report.num_videos
    return [
        wr.MediaBrowser(title="Real codes decoded above, dream below", media_keys=["report/dream"]),
        wr.MediaBrowser(title="Dreams", media_keys=videos),
        wr.WeavePanelSummaryTable(table_name="report/worst_predictions"),
        wr.MediaBrowser(title="The whole report", media_keys=["report/page"]),
    ]


def _tokenizer(wr: ModuleType) -> list[Any]:
    return [
        wr.LinePlot(title="Loss", x=STEP, y=["train/loss", "val/loss"]),
        wr.LinePlot(title="Right pixels", x=STEP, y=["train/pixel_accuracy", "val/pixel_accuracy"]),
        wr.LinePlot(title="Intersection over union of each colour", x=STEP, metric_regex="^tokenizer/iou/.*$"),
        wr.LinePlot(title="Effective number of codes", x=STEP, y=["tokenizer/perplexity"]),
        wr.LinePlot(title="Share of codes in use", x=STEP, y=["tokenizer/usage"]),
        wr.MediaBrowser(title="Real above, reconstructed below", media_keys=["tokenizer/reconstructions"]),
    ]
