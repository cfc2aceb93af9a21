"""What each figure of the scorecard means: the last part of its name is its definition."""

DEFINITIONS = {
    "accuracy": "share of right codes",
    "unchanged_accuracy": "share of right codes among those that stay as they are",
    "changed_recall": "share of right codes among those that change",
    "changed_precision": "share of right codes among those that the model changes",
    "changed_f1": "harmonic mean of changed-code precision and recall",
    "bits_per_frame": "negative log-likelihood of the real grid in bits; a uniform guess costs log2 K per code",
    "ece": "expected calibration error: mean gap between confidence and accuracy in 15 bins of confidence",
    "confidence": "mean confidence of the most likely code in each bin",
    "right": "share of right codes in each bin of confidence",
    "skill": "(accuracy - copy*) / (ceiling - copy*): 0 copies, 1 is what the game scores against itself, "
    "below 0 is worse than copying",
    "skill_area": "mean skill of the first 15 horizons",
    "steps_until_half_skill": "imagined steps before skill first falls below 0.5",
    "copy": "accuracy of the last real grid",
    "phase_copy": "accuracy of the real grid a whole number of blinking periods before; copy if nothing blinks",
    "copy_star": "the better of copy and phase_copy",
    "unigram": "accuracy of each position's most frequent code in the training episodes",
    "ceiling": "accuracy of another real continuation: same emulator state, same actions, other sticky noise",
    "pixel_accuracy": "share of pixels with the right palette index",
    "psnr": "peak signal-to-noise ratio of the RGB picture in dB",
    "median": "median distance in pixels between the sprite's colour and its position in the console's memory; a lost "
    "sprite counts as 200",
    "p90": "distance in pixels that 90 % of the sprites do not exceed; a lost sprite counts as 200",
    "lost": "share of the frames showing the sprite in which its colour is not found",
    "doubled": "share of the frames showing the sprite in which its colour is found in two places",
    "dots_too_many_eaten": "dots per frame that are gone but should be there",
    "dots_too_few_eaten": "dots per frame that are there but should be gone",
    "retrieval": "share of held directions whose dream is nearest, in codes, to the real future of the same direction; "
    "one in their number for a dream that does not listen",
    "retrieval_best": "the same for the real futures themselves, some of which are equal (walls)",
    "spread_imagined": "share of codes in which the dreams of two directions differ",
    "spread_real": "share of codes in which the real futures of two directions differ",
    "move": "share of held directions after which the imagined player has gone where the real one has",
    "move_chance": "the same with the directions exchanged: what a dream that does not listen scores",
    "move_tokenizer": "the same for the decoded real codes: what the tokenizer allows",
    "divergence": "share of codes in which dreams with true and with another window's actions differ",
    "shuffled_accuracy": "accuracy of the dream with another window's actions",
}


def definition_of(name: str) -> str:
    """Id of the definition of a figure, e.g. ``skill`` of ``open_loop/argmax/skill``."""
    return name.rsplit("/", 1)[-1]
