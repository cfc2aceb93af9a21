import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from pacdream.core.checkpoints import build_model
from pacdream.core.instantiate import build
from pacdream.play.session import Models, Session
from pacdream.play.wire import HEADER, MAGIC, Command, Input, Tick, parse
from pacdream.rollout.sampler import Categorical, Greedy
from pacdream.rollout.step import condition, predict
from tests.conftest import TINY_ATTENTION, compose_config
from tests.runs import untrained_gru, untrained_outcome

NAMES = ("NOOP", "UP", "RIGHT", "LEFT")
UP, RIGHT, LEFT = 1, 2, 3


def make_env():
    config = compose_config("play", []).env
    config.repeat_action_probability = 0.0
    return build(config)


@pytest.fixture(scope="module")
def models(latents):
    return Models(untrained_gru(latents), latents.tokenizer, untrained_outcome(latents))


def session(models, sampler=None, seed=0, intro=70):
    return Session(models, make_env, sampler or Greedy(), seed, intro, context=8, left_at=0.05)


def test_the_game_beside_it_is_the_real_one(models):
    played, env = session(models), make_env()
    env.reset(seed=0)
    for _ in range(70):
        env.step(0)
    points = 0.0
    for action in [LEFT] * 10 + [RIGHT] * 5:
        frame, reward, *_ = env.step(action)
        points += reward
        picture = played.step(action)
        assert (picture.game == frame).all()
        assert picture.real_points == points


def test_the_dream_is_what_the_model_alone_imagines_from_the_same_past(latents, models):
    """Also of a model that remembers what was done, from where the game stands after some steps."""
    torch.manual_seed(0)
    model = build_model(OmegaConf.create(TINY_ATTENTION), latents.facts()).eval()
    played, env = session(Models(model, latents.tokenizer, models.outcome)), make_env()
    before = [0] * 70 + [LEFT, LEFT, UP, RIGHT, LEFT, UP]
    frames = [env.reset(seed=0)[0], *(env.step(action)[0] for action in before)][-9:]
    for action in before[70:]:
        played.step(action)
    played.swap()
    grids = latents.tokenizer.encode(torch.from_numpy(np.stack([frames[:-1], frames[1:]], 1)))
    state = condition(model, grids[None], torch.tensor([before[-7:]]))
    imagined = [grids[-1]]
    for action in (LEFT, RIGHT, RIGHT):
        step, state = predict(model, state, torch.tensor([action]), lambda logits: logits.argmax(-1))
        imagined.append(step.codes[0])
        picture = played.step(action)
        assert (picture.codes == step.codes[0].numpy()).all()
    judged = models.outcome.judge(torch.stack(imagined)[None], torch.tensor([[LEFT, RIGHT, RIGHT]]))
    assert picture.points == pytest.approx(float(judged.expected.sum()), rel=1e-4)


def test_a_game_that_is_over_is_not_compared_any_more(models):
    played = session(models)
    played.over, played._left_at = True, -1.0
    assert played.step(LEFT).left_after == 0


def test_the_same_seed_is_the_same_game_and_dream(models):
    sampler = Categorical(1.0, None, 0)
    first, again = session(models, sampler, seed=4), session(models, sampler, seed=9)
    again.reset(4)
    for action in (LEFT, RIGHT, LEFT):
        one, other = first.step(action), again.step(action)
        assert (one.codes == other.codes).all()
        assert (one.game == other.game).all()


def test_swapping_begins_the_dream_where_the_game_stands(models):
    played = session(models)
    for _ in range(5):
        played.step(LEFT)
    picture = played.swap()
    assert (picture.codes == picture.real_codes).all()
    assert (picture.step, picture.left_after, picture.points, picture.real_points) == (0, 0, 0.0, 0.0)


def test_it_says_when_the_dream_left_reality_and_does_not_take_it_back(models):
    played = session(models)
    left = [played.step(LEFT).left_after for _ in range(6)]
    assert left[-1] > 0  # an untrained model knows nothing
    assert left == [left[-1] if step >= left[-1] else 0 for step in range(1, 7)]


def test_a_game_that_is_over_stays_as_it_was(models):
    played = session(models)
    played.over = True
    before = played.picture().game
    assert (played.step(LEFT).game == before).all()


def test_memory_does_not_grow(models):
    played = session(models)
    for _ in range(40):
        played.step(LEFT)
    assert max(len(played._frames), len(played._actions), len(played._grids), len(played._taken)) <= 10


def test_unknown_actions_are_refused(models):
    with pytest.raises(ValueError, match="action 9 is none of 0 to 8"):
        session(models).step(9)


def test_a_tick_is_read_as_it_was_written(models):
    picture = session(models).step(LEFT)
    data = Tick(picture, 77, LEFT, True, True, False, 12.5, 0.5).encode()
    magic, step, acknowledged, left, action, paused, over, points, real, lost, ms, late = HEADER.unpack_from(data)
    assert (magic, step, acknowledged, left, action, paused, over) == (MAGIC, 1, 77, picture.left_after, LEFT, 3, 0)
    assert (points, real, lost) == pytest.approx((picture.points, picture.real_points, picture.lost))
    assert (ms, late) == (12.5, 0.5)
    body = data[HEADER.size :]
    assert (np.frombuffer(body, "<u2", 35) == picture.codes.ravel()).all()
    assert (np.frombuffer(body, "<u2", 35, offset=70) == picture.real_codes.ravel()).all()
    assert (np.frombuffer(body, np.uint8, 35, offset=140) == picture.entropy.ravel()).all()
    pixels = 210 * 160
    assert (np.frombuffer(body, np.uint8, pixels, offset=175) == picture.dream.ravel()).all()
    assert (np.frombuffer(body, np.uint8, offset=175 + pixels) == picture.game.ravel()).all()


def test_messages_are_inputs_or_commands():
    assert parse('{"input": 7, "action": "LEFT"}', NAMES) == Input(7, "LEFT")
    assert parse('{"command": "pause", "value": true}', NAMES) == Command("pause", True)
    assert parse('{"command": "step"}', NAMES) == Command("step", None)
    assert parse('{"command": "speed", "value": 2}', NAMES) == Command("speed", 2)


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("", "not JSON"), ("nonsense", "not JSON"), ("[" * 200, "not JSON"), ("[]", "no JSON object"), ("7", "no JSON"),
        ('{"input": -1, "action": "LEFT"}', "no number"), ('{"input": true, "action": "LEFT"}', "no number"),
        ('{"input": 1, "action": "JUMP"}', "no such action"), ('{"input": 1}', "neither"),
        ('{"command": "format"}', "neither"), ('{"command": []}', "neither"),
        ('{"command": "reset", "value": "1"}', "must be a int"),
        ('{"command": "pause", "value": 1, "more": 2}', "neither"), ("x" * 5000, "longer than 4096"),
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_a_reason(message, why):
    with pytest.raises(ValueError, match=why):
        parse(message, NAMES)
