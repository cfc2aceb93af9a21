import gymnasium as gym
import numpy as np
import pytest

from pacdream.game.atari import make_env
from pacdream.game.palette import ntsc_palette

PAC_MAN = {"id": "ALE/MsPacman-v5", "frameskip": 4, "repeat_action_probability": 0.25, "pooling": "all4"}
WINDOWS = {"none": 1, "last2": 2, "all4": 4}
INTRO = 66  # steps before anything moves


def pac_man(**changes):
    return make_env(**{**PAC_MAN, **changes})


def raw_pac_man():
    return gym.make(PAC_MAN["id"], obs_type="ram", frameskip=1, repeat_action_probability=0.25)


def scripted_actions(num_steps):
    return np.repeat(np.random.default_rng(0).integers(9, size=num_steps), 6)[:num_steps].tolist()


def step_by_hand(raw, action):
    """All screens and rewards of one step."""
    screens, rewards = [], []
    for _ in range(4):
        rewards.append(raw.step(action)[1])
        screens.append(raw.unwrapped.ale.getScreen())
    return np.stack(screens), rewards


def naive_brightest(screens):
    lumas = ntsc_palette().astype(float) @ np.array([0.299, 0.587, 0.114])
    place = {index: i for i, index in enumerate(sorted(range(256), key=lambda index: (lumas[index], index)))}
    places = np.vectorize(place.get)(screens)
    return np.take_along_axis(screens, places.argmax(0)[None], 0)[0]


def played_side_by_side(pooling, num_steps):
    """Frames and rewards of the environment, and screens and rewards of an equal emulator, after the intro."""
    env, raw = pac_man(pooling=pooling), raw_pac_man()
    env.reset(seed=5)
    raw.reset(seed=5)
    for step, action in enumerate(scripted_actions(INTRO + num_steps)):
        frame, reward, *_ = env.step(action)
        screens, rewards = step_by_hand(raw, action)
        if step >= INTRO:
            yield frame, reward, screens, rewards


@pytest.mark.parametrize("pooling", WINDOWS)
def test_frame_is_the_brightest_of_the_pooled_screens(pooling):
    for frame, _, screens, _ in played_side_by_side(pooling, num_steps=12):
        assert np.array_equal(frame, naive_brightest(screens[-WINDOWS[pooling] :]))


def test_pooling_invents_no_colour():
    for frame, _, screens, _ in played_side_by_side("all4", num_steps=12):
        assert (frame == screens).any(0).all()


def test_pooling_changes_what_is_seen():
    assert any((frame != screens[-1]).any() for frame, _, screens, _ in played_side_by_side("all4", num_steps=12))


def test_reward_is_summed_over_the_skipped_frames():
    rewards = [(reward, sum(by_hand)) for _, reward, _, by_hand in played_side_by_side("none", num_steps=60)]
    assert max(rewards)[0] > 0
    assert all(reward == by_hand for reward, by_hand in rewards)


def test_info_carries_the_consoles_memory_and_lives():
    env = pac_man()
    env.reset(seed=0)
    *_, info = env.step(0)
    assert np.array_equal(info["ram"], env.ale.getRAM())
    assert info["lives"] == env.ale.lives()


def test_actions_are_the_minimal_set_in_the_emulators_order():
    env = pac_man()
    names = ("NOOP", "UP", "RIGHT", "LEFT", "DOWN", "UPRIGHT", "UPLEFT", "DOWNRIGHT", "DOWNLEFT")
    assert env.action_names == names
    assert [action.name for action in env.ale_actions] == list(names)


def test_frames_fit_the_observation_space():
    env = pac_man()
    frame, _ = env.reset(seed=0)
    assert env.observation_space.contains(frame)
    assert frame.shape == (210, 160)


def test_equal_seeds_give_equal_episodes():
    def play():
        env = pac_man()
        frames = [env.reset(seed=3)[0]]
        return np.stack(frames + [env.step(action)[0] for action in scripted_actions(90)])

    assert np.array_equal(play(), play())


def test_other_games_work():
    env = pac_man(id="ALE/Breakout-v5")
    env.reset(seed=0)
    frame, *_ = env.step(env.num_actions - 1)
    assert env.action_names == ("NOOP", "FIRE", "RIGHT", "LEFT")
    assert env.observation_space.contains(frame)


def test_game_over_ends_the_episode():
    env = pac_man(frameskip=40)
    env.reset(seed=0)
    ends = [env.step(2)[2] for _ in range(150)]
    assert True in ends


@pytest.mark.parametrize("game", ["ALE/NoSuchGame-v5", "CartPole-v1", "pacman"])
def test_unknown_game_is_refused(game):
    with pytest.raises(ValueError, match=f"env.id='{game}' is not an ALE game"):
        pac_man(id=game)


def test_unknown_pooling_is_refused():
    with pytest.raises(ValueError, match=r"env\.pooling='max' is unknown"):
        pac_man(pooling="max")


@pytest.mark.parametrize(("frameskip", "pooling"), [(0, "none"), (1, "last2"), (0, "all4")])
def test_frameskip_shorter_than_the_pooling_is_refused(frameskip, pooling):
    with pytest.raises(ValueError, match=f"env.frameskip={frameskip} is too small for env.pooling={pooling}"):
        pac_man(frameskip=frameskip, pooling=pooling)


def test_a_missing_rom_is_one_line_that_names_it_and_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No such file or directory", "roms/ms_pacman.bin")

    monkeypatch.setattr(gym, "make", missing)
    with pytest.raises(ValueError, match=r"the ROM of ALE/MsPacman-v5 is missing: .*ms_pacman\.bin.*force-reinstall"):
        pac_man()
