"""What a scorecard says, in sentences."""

import math

from pacdream.evaluation.scorecard import Scorecard
from pacdream.metric.code_score import AREA_HORIZON


def verdict(card: Scorecard) -> str:
    """Whether it is better than copying, for how long, and whether it obeys the action."""
    sentences = []
    position = {h: card.at("game/position_skill", h) for h in (1, 8, 15)}
    if known := [f"{value:.2f} after {h}" for h, value in position.items() if not math.isnan(value)]:
        sentences.append(
            "Position skill of player and ghosts (0 is copying, 1 is what the tokenizer shows): "
            f"{', '.join(known)} steps."
        )
    area, half = card.figures["open_loop/argmax/skill_area"], card.scalar("open_loop/argmax/steps_until_half_skill")
    interval = "" if math.isnan(area.low) else f" [{float(area.low):.2f}, {float(area.high):.2f}]"
    steps = min(AREA_HORIZON, len(card.figures["open_loop/argmax/skill"].value))
    sentences += [
        f"Skill over the first {steps} imagined steps is {area.item:.2f}{interval} (0 is copy*, "
        f"1 is {card.about['ceiling']}); it stays above one half for {half:.0f} step(s).",
        f"One step ahead {card.scalar('one_step/accuracy'):.1%} of the codes are right "
        f"(copy* {card.scalar('one_step_copy_star/accuracy'):.1%}), and of those that change "
        f"{card.scalar('one_step/changed_recall'):.1%} (F1 {card.scalar('one_step/changed_f1'):.2f}, "
        f"copy* {card.scalar('one_step_copy_star/changed_f1'):.2f}).",
    ]
    move = card.scalar("control/move")
    if not math.isnan(move):
        sentences.append(
            f"Given a direction, the imagined player goes where the real one goes in {move:.0%} of the cases; one that "
            f"ignores the action would in {card.scalar('control/move_chance'):.0%}, the tokenizer alone in "
            f"{card.scalar('control/move_tokenizer'):.0%}."
        )
    turn = card.scalar("game/dream/turn")
    false_turn = card.scalar("game/dream/false_turn")
    if not math.isnan(turn):
        without = "" if math.isnan(false_turn) else f", without one in {false_turn:.0%}"
        best = card.scalar("game/tokenizer/turn")
        most = "" if math.isnan(best) else f" (the tokenizer alone shows {best:.0%})"
        sentences.append(f"After an eaten power pill ghosts are frightened in {turn:.0%} of the dreams{most}{without}.")
    return " ".join(sentences)
