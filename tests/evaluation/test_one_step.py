import copy
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from pacdream.data.episode_store import Manifest
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.evaluation.one_step import OneStep, measure_one_step
from pacdream.evaluation.windows import held_out_episodes
from pacdream.metric.episode_metric import Figure, draw_episodes
from pacdream.world_model.base import WorldModel
from tests.conftest import STEPS
from tests.rollout.scripted import ScriptedWorldModel, UniformWorldModel, count_up, stand_still
from tests.runs import several_held_out, untrained_gru

WARMUP = 3
TARGETS = STEPS - WARMUP
"""Grids of each episode that are predicted."""
DRAWS = draw_episodes(3, 20, seed=0)


@pytest.fixture(scope="module")
def data(latents: LatentDataModule) -> LatentDataModule:
    return several_held_out(latents)


@pytest.fixture(scope="module")
def counting(data: LatentDataModule) -> LatentDataModule:
    """The same, but every grid is the one before plus one."""
    changed = copy.copy(data)
    changed.codes = (torch.arange(len(data.codes)) % 16).to(torch.uint8)[:, None, None].expand_as(data.codes)
    return changed


def measured(
    model: WorldModel, data: LatentDataModule, manifest: Manifest, num_worst: int = 3, batch_size: int = 50
) -> OneStep:
    changed = copy.copy(data)
    changed.val_batch_size = batch_size
    return measure_one_step(model, changed, manifest, DRAWS, WARMUP, num_worst)


def steps(data: LatentDataModule) -> list[tuple[int, int, Tensor, Tensor, Tensor]]:
    """Of every held-out grid after the warm-up: rank, frame, present, target, action; one after the other."""
    found = []
    for rank, number in enumerate(data.split.val):
        first, end = int(data.cache.starts[number]), int(data.cache.starts[number + 1])
        for n in range(first + WARMUP + 1, end):
            found.append((rank, n - first, data.codes[n - 1].long(), data.codes[n].long(), data.actions[n - 1].long()))
    return found


@pytest.fixture(scope="module")
def of_gru(data: LatentDataModule, manifest: Manifest, seeded_gru: WorldModel) -> OneStep:
    return measured(seeded_gru, data, manifest)


@pytest.fixture(scope="module")
def seeded_gru(data: LatentDataModule) -> WorldModel:
    return untrained_gru(data)


@pytest.fixture(scope="module")
def predictions(data: LatentDataModule, seeded_gru: WorldModel) -> list[Tensor]:
    """Logits of every step, each asked for alone."""
    with torch.inference_mode():
        return [seeded_gru.step(present[None], action[None], ())[0].logits[0] for *_, present, _, action in steps(data)]


@pytest.fixture(scope="module")
def of_copier(data: LatentDataModule, manifest: Manifest) -> dict[str, Figure]:
    return measured(ScriptedWorldModel(stand_still), data, manifest).figures


def test_a_model_with_a_memory_sees_each_episode_from_its_beginning(data: LatentDataModule, manifest: Manifest) -> None:
    model = ScriptedWorldModel(stand_still)
    measured(model, data, manifest)
    longest = max(int(data.cache.starts[e + 1] - data.cache.starts[e]) for e in data.split.val)
    assert max(model.steps_seen) == longest - 2


def test_figures_are_those_of_a_naive_loop(of_gru: OneStep, data: LatentDataModule, predictions: list[Tensor]) -> None:
    right, hits, changed, claimed, bits = 0, 0, 0, 0, 0.0
    for (*_, present, target, _), logits in zip(steps(data), predictions, strict=True):
        predicted = logits.argmax(-1)
        right += int((predicted == target).sum())
        hits += int(((predicted == target) & (target != present)).sum())
        changed += int((target != present).sum())
        claimed += int((predicted != present).sum())
        bits += float(torch.nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="sum"))
    figures, total = of_gru.figures, 3 * TARGETS * 35
    assert figures["one_step/accuracy"].n == total
    assert figures["one_step/bits_per_frame"].n == 3 * TARGETS
    assert float(figures["one_step/accuracy"].value) == pytest.approx(right / total)
    assert float(figures["one_step/changed_recall"].value) == pytest.approx(hits / changed)
    assert float(figures["one_step/changed_precision"].value) == pytest.approx(hits / claimed)
    assert float(figures["one_step/bits_per_frame"].value) == pytest.approx(
        bits / math.log(2) / (3 * TARGETS), rel=1e-5
    )


def test_positions_and_states_agree_with_the_whole(of_gru: OneStep) -> None:
    figures = of_gru.figures
    assert float(figures["position/accuracy"].value.mean()) == pytest.approx(float(figures["one_step/accuracy"].value))
    for name in ("accuracy", "changed_recall", "changed_precision", "changed_f1"):
        assert figures[f"state/{name}"].value[0] == pytest.approx(float(figures[f"one_step/{name}"].value))
    assert float(figures["position/copy"].value.mean()) == pytest.approx(float(figures["state/copy"].value[0]))


def test_states_count_the_frames_that_are_predicted(
    of_gru: OneStep, data: LatentDataModule, manifest: Manifest, predictions: list[Tensor]
) -> None:
    lives = {item.rank: item.episode.lives.astype(int) for item in held_out_episodes(data, manifest)}
    near, right = 0, 0
    for (rank, frame, _, target, _), logits in zip(steps(data), predictions, strict=True):
        lost = np.flatnonzero(np.diff(lives[rank]) < 0) + 1
        if any(abs(frame - at) <= 8 for at in lost):
            near += 1
            right += int((logits.argmax(-1) == target).sum())
    deaths, accuracy = of_gru.state_names.index("death"), of_gru.figures["state/accuracy"]
    assert 0 < near == accuracy.n[deaths]
    assert float(accuracy.value[deaths]) == pytest.approx(right / (35 * near))
    assert accuracy.n[0] == 3 * TARGETS


def test_the_confusion_holds_every_code(of_gru: OneStep, data: LatentDataModule, predictions: list[Tensor]) -> None:
    naive = torch.zeros(16, 16, dtype=torch.int64)
    for (*_, target, _), logits in zip(steps(data), predictions, strict=True):
        for row, column in zip(target.flatten().tolist(), logits.argmax(-1).flatten().tolist(), strict=True):
            naive[row, column] += 1
    assert torch.equal(of_gru.confusion, naive)


def test_the_worst_steps_are_the_most_surprising_ones_of_different_events(
    of_gru: OneStep, data: LatentDataModule, predictions: list[Tensor]
) -> None:
    bits: dict[tuple[int, int], float] = {}
    for (rank, frame, _, target, _), logits in zip(steps(data), predictions, strict=True):
        nats = torch.nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="sum")
        bits[rank, frame] = float(nats) / math.log(2)
    for worst in of_gru.worst:
        place = max(bits, key=lambda key: bits[key])
        assert (worst.episode, worst.step) == place
        assert worst.bits == pytest.approx(bits[place], rel=1e-5)
        bits = {key: b for key, b in bits.items() if key[0] != place[0] or abs(key[1] - place[1]) > 30}
    assert len(of_gru.worst) == 3


def test_a_surprise_shows_its_grids(of_gru: OneStep, data: LatentDataModule) -> None:
    for worst in of_gru.worst:
        at = int(data.cache.starts[data.split.val[worst.episode]]) + worst.step
        assert torch.equal(worst.present, data.codes[at - 1].long())
        assert torch.equal(worst.target, data.codes[at].long())


def test_numbers_do_not_depend_on_the_batch_size(
    of_gru: OneStep, data: LatentDataModule, manifest: Manifest, seeded_gru: WorldModel
) -> None:
    other = measured(seeded_gru, data, manifest, batch_size=100)
    for name, figure in of_gru.figures.items():
        torch.testing.assert_close(other.figures[name].value, figure.value, equal_nan=True, rtol=1e-5, atol=1e-6)
    assert [(s.episode, s.step) for s in other.worst] == [(s.episode, s.step) for s in of_gru.worst]


def test_one_that_knows_the_rule_is_never_wrong(counting: LatentDataModule, manifest: Manifest) -> None:
    found = measured(ScriptedWorldModel(count_up), counting, manifest)
    for name in ("accuracy", "changed_recall", "changed_precision", "changed_f1"):
        assert found.figures[f"one_step/{name}"].value == 1
        assert found.figures[f"state/{name}"].value[0] == 1
    assert found.figures["one_step/bits_per_frame"].value == pytest.approx(0, abs=1e-6)
    assert found.figures["one_step/ece"].value == pytest.approx(0, abs=1e-6)
    assert (found.figures["position/accuracy"].value == 1).all()
    assert (found.confusion == found.confusion.diag().diag()).all()


def test_a_copier_is_right_where_nothing_changes(of_copier: dict[str, Figure], data: LatentDataModule) -> None:
    stayed = torch.stack([(present == target).float().mean() for *_, present, target, _ in steps(data)]).mean()
    assert float(of_copier["one_step/accuracy"].value) == pytest.approx(float(stayed))
    assert of_copier["one_step/unchanged_accuracy"].value == 1
    assert torch.equal(of_copier["state/copy"].value.nan_to_num(-1), of_copier["state/accuracy"].value.nan_to_num(-1))
    assert torch.equal(of_copier["position/copy"].value, of_copier["position/accuracy"].value)


def test_a_copier_foresees_no_change(of_copier: dict[str, Figure]) -> None:
    assert of_copier["one_step/changed_recall"].value == 0
    assert of_copier["one_step/changed_f1"].value == 0
    assert of_copier["one_step/changed_precision"].value.isnan()


def test_one_that_believes_in_nothing_pays_four_bits_per_code(data: LatentDataModule, manifest: Manifest) -> None:
    found = measured(UniformWorldModel(), data, manifest, num_worst=1)
    assert float(found.figures["one_step/bits_per_frame"].value) == pytest.approx(35 * math.log2(16))
    confidence = found.figures["one_step/confidence"].value
    assert confidence[~confidence.isnan()].tolist() == pytest.approx([1 / 16])
    assert found.figures["one_step/ece"].value == pytest.approx(
        abs(float(found.figures["one_step/accuracy"].value) - 1 / 16)
    )


def test_copy_star_is_measured_beside_the_model(of_gru: OneStep, data: LatentDataModule) -> None:
    guesses = []
    for number in data.split.val:
        codes, _ = data.episode(number)
        guesses.append((data.best_copy(1).one_step(codes, WARMUP + 1) == codes[WARMUP + 1 :]).double().flatten())
    found = of_gru.figures["one_step_copy_star/accuracy"]
    assert float(found.value) == pytest.approx(float(torch.cat(guesses).mean()))


def test_episodes_that_end_before_the_warm_up_are_refused(data: LatentDataModule, manifest: Manifest) -> None:
    with pytest.raises(ValueError, match=r"no held-out episode has more than report\.warmup=200 steps"):
        measure_one_step(UniformWorldModel(), data, manifest, DRAWS, 200, 1)
