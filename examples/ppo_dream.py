"""Proximal policy optimization in one file, in the dream: ``python examples/ppo_dream.py --steps 50000``.

In the manner of CleanRL: everything is here, from top to bottom, to be read and changed.
"""

import argparse
import time

import gymnasium
import numpy as np
import torch
from torch import Tensor, nn

import pacdream  # noqa: F401 - makes the dream known to Gymnasium


class Agent(nn.Module):
    """Actor and critic over one body that reads flat codes."""

    def __init__(self, cells: int, codes: int, actions: int) -> None:
        super().__init__()
        self.code, self.place = nn.Embedding(codes, 16), nn.Parameter(0.02 * torch.randn(cells, 16))
        self.body = nn.Sequential(nn.Linear(16 * cells, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU())
        self.actor, self.critic = nn.Linear(256, actions), nn.Linear(256, 1)

    def forward(self, observations: Tensor) -> tuple[torch.distributions.Categorical, Tensor]:
        """What to do, and what it is worth."""
        features = self.body((self.code(observations) + self.place).flatten(1))
        return torch.distributions.Categorical(logits=self.actor(features)), self.critic(features)[:, 0]


def main() -> None:
    """Learn."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", default=None, help="folder of a run; else the bundled one")
    parser.add_argument("--steps", type=int, default=50_000)
    parser.add_argument("--envs", type=int, default=32)
    parser.add_argument("--rollout", type=int, default=64, help="steps of each dream between two updates")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--minibatch", type=int, default=256)
    parser.add_argument("--lr", type=float, default=3e-4)
    parser.add_argument("--gamma", type=float, default=0.98)
    parser.add_argument("--lam", type=float, default=0.95)
    parser.add_argument("--clip", type=float, default=0.2)
    parser.add_argument("--entropy", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    envs = gymnasium.make_vec(
        "pacdream/Dream-v0", args.envs, "vector_entry_point", run=args.run, obs="codes", horizon=60
    )
    cells, codes = len(envs.single_observation_space.nvec), int(envs.single_observation_space.nvec[0])
    agent = Agent(cells, codes, int(envs.single_action_space.n))
    optimizer = torch.optim.Adam(agent.parameters(), lr=args.lr)

    shape = (args.rollout, args.envs)
    seen = torch.zeros(*shape, cells, dtype=torch.int64)
    done_actions = torch.zeros(shape, dtype=torch.int64)
    log_probs, rewards, values, ends = (torch.zeros(shape) for _ in range(4))
    observation = torch.as_tensor(envs.reset(seed=args.seed)[0])
    points, returns, begin = np.zeros(args.envs), [], time.time()

    for update in range(max(1, args.steps // (args.rollout * args.envs))):
        # Act.
        for t in range(args.rollout):
            with torch.no_grad():
                choice, value = agent(observation)
                action = choice.sample()
            seen[t], done_actions[t], values[t], log_probs[t] = observation, action, value, choice.log_prob(action)
            next_seen, reward, terminated, truncated, info = envs.step(action.numpy())
            points += reward
            bonus = np.zeros(args.envs)
            ended = terminated | truncated
            if truncated.any():  # a dream that was cut was worth something yet
                with torch.no_grad():
                    bonus[truncated] = agent(torch.as_tensor(info["final_obs"][truncated]))[1].numpy()
                bonus[terminated] = 0
            rewards[t] = torch.as_tensor(0.1 * reward + args.gamma * bonus)
            ends[t] = torch.as_tensor(ended)
            returns += points[ended].tolist()
            points[ended] = 0
            observation = torch.as_tensor(next_seen)

        # Generalized advantage estimation (Schulman et al., 2016).
        with torch.no_grad():
            next_value, advantage = agent(observation)[1], torch.zeros(args.envs)
            advantages = torch.zeros(shape)
            for t in reversed(range(args.rollout)):
                goes_on = 1 - ends[t]
                error = rewards[t] + args.gamma * next_value * goes_on - values[t]
                advantage = error + args.gamma * args.lam * goes_on * advantage
                advantages[t], next_value = advantage, values[t]
            targets = (advantages + values).flatten()

        # Learn.
        flat = seen.flatten(0, 1), done_actions.flatten(), log_probs.flatten(), advantages.flatten()
        for _ in range(args.epochs):
            for rows in torch.randperm(len(targets)).split(args.minibatch):
                observations, actions, old, gain = (part[rows] for part in flat)
                choice, value = agent(observations)
                ratio = (choice.log_prob(actions) - old).exp()
                gain = (gain - gain.mean()) / (gain.std(correction=0) + 1e-8)  # also of one
                policy_loss = -torch.min(gain * ratio, gain * ratio.clamp(1 - args.clip, 1 + args.clip)).mean()
                value_loss = 0.5 * (value - targets[rows]).square().mean()
                loss = policy_loss + 0.5 * value_loss - args.entropy * choice.entropy().mean()
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
                optimizer.step()

        steps = (update + 1) * args.rollout * args.envs
        mean = np.mean(returns[-100:]) if returns else float("nan")
        print(f"{steps} steps, {steps / (time.time() - begin):.0f} a second, mean return {mean:.1f} points")  # noqa: T201


if __name__ == "__main__":
    main()
