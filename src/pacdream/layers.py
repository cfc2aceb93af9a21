"""The packages from top to bottom: each imports only those below it. ``tests/test_layers.py`` holds them to it."""

LAYERS = {
    "benchmark": "what bench.py measures",
    "sweep": "a sweep's jobs, read from their folders, and their summary",
    "command": "what the entry points run: train, evaluate, rollout; a run's folder, resuming, provenance, loggers",
    "play": "the dream to play in a browser, beside the game or alone: session, wire, server, recorder, page, ONNX",
    "report": "what is said of figures: tables, plots, pages, comparison, W&B",
    "agent": "agents that learn in the dream or in the game, and play: Stable-Baselines3",
    "dream": "the dream as a Gymnasium environment, alone and as a vector of many",
    "planner": "deciding by imagining: random shooting, CEM, oracles, the policy that plans",
    "evaluation": "what is measured: windows, real futures, one step, rollouts, game space, control, cost",
    "outcome": "points, lives and the end of the game, read from codes",
    "rollout": "imagined steps: condition, predict, fork; samplers, video",
    "callback": "what happens while training: safe stop, random state, reconstructions",
    "world_model": "interface, GRU, attention with memory, loss, one LightningModule for all of them",
    "data": "episode store, collection, replay, split, frames, latent cache and windows",
    "tokenizer": "interface, VQ-VAE, quantizers, crops to train on, its LightningModule",
    "policy": "who acts, in the game and in rollouts",
    "game": "the real environment, and what is known of each game",
    "metric": "figures over tensors: pure functions under thin metrics, and the registry that names them",
    "core": "files, settings, checkpoints, instantiation, optimizers: knows nothing of the above",
}
