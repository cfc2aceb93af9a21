"""The registry of figures: what each means, how it is shown, and which ones a run is remembered and compared by.

A figure's full name is a path such as ``open_loop/argmax/skill``; its last part is its entry in ``FIGURES``. A new
figure is one entry here, and a metric that computes it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Definition:
    """What a figure means and how it is shown."""

    text: str
    label: str
    """Short, for a row or column of a table."""
    unit: str = "%"
    """``%`` for shares, which are stored in [0, 1]; px, dB, bits, dots, points, steps; nothing for a plain number."""

    @property
    def scale(self) -> int:
        """What the stored value is multiplied with to be shown."""
        return 100 if self.unit == "%" else 1

    @property
    def digits(self) -> int:
        """Decimals that are shown."""
        return {"": 2, "dots": 2, "points": 1, "steps": 0}.get(self.unit, 1)

    @property
    def label_with_unit(self) -> str:
        """``median error, px``."""
        return f"{self.label}, {self.unit}" if self.unit else self.label


FIGURES = {
    "accuracy": Definition("share of right codes", "right codes"),
    "unchanged_accuracy": Definition("share of right codes among those that stay as they are", "unchanged codes right"),
    "changed_recall": Definition("share of right codes among those that change", "recall of changes"),
    "changed_precision": Definition(
        "share of right codes among those that the prediction changes", "precision of changes"
    ),
    "changed_f1": Definition("harmonic mean of changed-code precision and recall", "F1 of changes"),
    "bits_per_frame": Definition(
        "negative log-likelihood of the real grid; a uniform guess costs log2 K per code", "bits per frame", "bits"
    ),
    "ece": Definition(
        "expected calibration error: mean gap between confidence and accuracy in 15 bins of confidence", "ECE", ""
    ),
    "confidence": Definition("mean confidence of the most likely code in each bin", "confidence"),
    "right": Definition("share of right codes in each bin of confidence", "right codes"),
    "skill": Definition(
        "(accuracy - copy*) / (ceiling - copy*): 0 copies, 1 is what the game scores against itself, below 0 is worse "
        "than copying",
        "skill",
        "",
    ),
    "skill_area": Definition("mean skill of the first 15 horizons", "skill area", ""),
    "steps_until_half_skill": Definition(
        "imagined steps before skill first falls below 0.5", "steps until half skill", "steps"
    ),
    "copy": Definition("accuracy of the last real grid", "copy"),
    "phase_copy": Definition(
        "accuracy of the real grid a whole number of blinking periods before; copy if nothing blinks", "phase copy"
    ),
    "copy_star": Definition(
        "accuracy of copy or phase copy, whichever is right more often at this horizon and position in the training "
        "episodes, or in the measured ones where there are no others",
        "copy*",
    ),
    "unigram": Definition("accuracy of each position's most frequent code in the training episodes", "unigram"),
    "ceiling": Definition(
        "accuracy of another real continuation: same emulator state, same actions, other sticky noise", "ceiling"
    ),
    "pixel_accuracy": Definition("share of pixels with the right palette index", "pixels"),
    "psnr": Definition("peak signal-to-noise ratio of the RGB picture", "PSNR", "dB"),
    "median": Definition(
        "median distance between the sprite's colour and its position in the console's memory; a lost sprite counts "
        "as 200",
        "median error",
        "px",
    ),
    "p90": Definition(
        "distance that 90 % of the sprites do not exceed; a lost sprite counts as 200", "90 % error", "px"
    ),
    "lost": Definition("share of the frames showing the sprite in which its colour is not found", "lost"),
    "doubled": Definition("share of the frames showing the sprite in which its colour is found twice", "doubled"),
    "dots_too_many_eaten": Definition("per frame, gone but should be there", "dots too many eaten", "dots"),
    "dots_too_few_eaten": Definition("per frame, there but should be gone", "dots too few eaten", "dots"),
    "dots_eaten_within_one": Definition(
        "share of the dreams in which as many dots are gone as in the game, give or take one", "dots eaten within one"
    ),
    "dots_eaten_correlation": Definition(
        "Pearson's correlation, over the dreams, of the dots that are gone with those that are gone in the game; 0 for "
        "dreams that all eat the same",
        "dots eaten, correlation",
        "",
    ),
    "ap": Definition(
        "average precision: how well the foretold chances rank the steps in which it happens; the base rate is what "
        "chance scores",
        "average precision",
    ),
    "base_rate": Definition("share of the steps in which it happens", "base rate"),
    "return_correlation": Definition(
        "Pearson's correlation, over the windows, of the points that the outcome or span network expects up to this "
        "step with those that the same actions really earned",
        "return, correlation",
        "",
    ),
    "return_expected": Definition(
        "points that the outcome or span network expects up to this step", "points expected", "points"
    ),
    "return_real": Definition("points that were really earned up to this step", "points earned", "points"),
    "position_skill": Definition(
        "(error of copying - error) / (error of copying - error of the tokenizer alone), of the median errors of "
        "player and ghosts, a lost sprite counting as 200 px: 0 copies, 1 is all that the tokenizer shows; it compares "
        "models behind different tokenizers",
        "position skill",
        "",
    ),
    "turn": Definition(
        "share of the eaten power pills after which ghosts are frightened in the dream, as they are in the game",
        "turns seen",
    ),
    "false_turn": Definition(
        "share of the dreams that show frightened ghosts where the game has none", "turns imagined"
    ),
    "retrieval": Definition(
        "share of held directions whose rollout is nearest, in codes, to the real future of the same direction; one in "
        "their number for a model that ignores the action",
        "rollout nearest to its own direction's future",
    ),
    "retrieval_best": Definition(
        "the same for the real futures themselves, some of which are equal (walls)", "the same for the real futures"
    ),
    "spread_imagined": Definition(
        "share of codes in which the rollouts of two directions differ", "codes that differ between directions: rollout"
    ),
    "spread_real": Definition(
        "share of codes in which the real futures of two directions differ",
        "codes that differ between directions: real",
    ),
    "move": Definition(
        "share of held directions after which the imagined player has gone where the real one has, at moments where it "
        "survives all of them and not all lead the same way",
        "moves",
    ),
    "move_chance": Definition(
        "the same with the directions exchanged: what a model that ignores the action scores", "moves by chance"
    ),
    "move_tokenizer": Definition(
        "the same for the decoded real codes: what the tokenizer allows", "moves after the tokenizer"
    ),
    "divergence": Definition(
        "share of codes in which rollouts with true and with another window's actions differ",
        "codes changed by exchanged actions",
    ),
    "shuffled_accuracy": Definition(
        "accuracy of the rollout with another window's actions", "accuracy with exchanged actions"
    ),
}
"""By the last part of a figure's name."""


def definition_of(name: str) -> Definition:
    """The definition of a figure, e.g. that of ``skill`` for ``open_loop/argmax/skill``."""
    return FIGURES[name.rsplit("/", 1)[-1]]


@dataclass(frozen=True)
class Headline:
    """A figure that a run is remembered by."""

    name: str
    """In the metric schema, under which it is logged."""
    figure: str
    """In the scorecard."""
    horizon: int | None = None
    """Its step, or state, counted from 1; -1 for the last; none for a figure of one number."""
    column: str | None = None
    """Heading of its column where runs are compared; none if they are not compared by it."""


_HORIZONS = (1, 2, 4, 8, 15, 30)

HEADLINES = (
    *(
        Headline(
            f"game/position_skill@{h}", "game/position_skill", h, f"position skill@{h}" if h in (1, 8, 15) else None
        )
        for h in _HORIZONS
    ),
    Headline("report/accuracy", "one_step/accuracy", column="one step: codes %"),
    Headline("report/copy_accuracy", "state/copy", 1),
    Headline("report/copy_star_accuracy", "one_step_copy_star/accuracy"),
    Headline("report/changed_precision", "one_step/changed_precision"),
    Headline("report/changed_recall", "one_step/changed_recall"),
    Headline("report/changed_f1", "one_step/changed_f1", column="changed F1 %"),
    Headline("report/copy_star_changed_f1", "one_step_copy_star/changed_f1"),
    Headline("report/bits_per_frame", "one_step/bits_per_frame", column="bits/frame"),
    Headline("report/ece", "one_step/ece", column="ECE"),
    *(
        Headline(f"rollout/accuracy@{h}", "open_loop/argmax/accuracy", h, "codes@8 %" if h == 8 else None)
        for h in _HORIZONS
    ),
    *(Headline(f"rollout/copy_star@{h}", "baseline/copy_star", h) for h in _HORIZONS),
    *(
        Headline(f"rollout/skill@{h}", "open_loop/argmax/skill", h, f"skill@{h}" if h in (1, 8) else None)
        for h in _HORIZONS
    ),
    Headline("rollout/skill_area", "open_loop/argmax/skill_area", column="skill area"),
    Headline("rollout/steps_until_half_skill", "open_loop/argmax/steps_until_half_skill"),
    Headline("game/player_error@8", "game/dream/player/median", 8, "player px@8"),
    Headline("game/player_error@15", "game/dream/player/median", 15),
    Headline("game/dots_eaten_within_one@12", "game/dream/dots_eaten_within_one", 12),
    Headline("game/dots_eaten_correlation@12", "game/dream/dots_eaten_correlation", 12, "dots eaten, r@12"),
    Headline("game/turn", "game/dream/turn"),
    Headline("game/pixel_accuracy@8", "game/dream/pixel_accuracy", 8, "pixels@8 %"),
    Headline("control/retrieval", "control/retrieval", -1),
    Headline("control/move", "control/move", column="moves %"),
    Headline("control/move_chance", "control/move_chance"),
    Headline("outcome/step/points/ap", "outcome/step/points/ap"),
    Headline("outcome/step/lost_within/ap", "outcome/step/lost_within/ap", -1),
    *(
        Headline(
            f"{judge}/{grids}/return_correlation@{h}",
            f"{judge}/{grids}/return_correlation",
            h,
            "return, r@12" if (judge, grids, h) == ("outcome", "dream", 12) else None,
        )
        for judge in ("outcome", "spans")
        for grids in ("real", "dream")
        for h in (5, 12)
    ),
)
COMPARED = tuple(headline for headline in HEADLINES if headline.column)

CURVES = {
    "open_loop/accuracy": "open_loop/argmax/accuracy",
    "open_loop/skill": "open_loop/argmax/skill",
    "open_loop/changed_f1": "open_loop/argmax/changed_f1",
    "open_loop/bits_per_frame": "open_loop/argmax/bits_per_frame",
    "open_loop/copy_star": "baseline/copy_star",
    "open_loop/ceiling": "baseline/ceiling",
    "open_loop/position_skill": "game/position_skill",
    "open_loop/pixel_accuracy": "game/dream/pixel_accuracy",
    "open_loop/player_error": "game/dream/player/median",
    "open_loop/divergence": "control/divergence",
}
"""What W&B plots over the axis ``horizon``: the name there, and the figure."""
