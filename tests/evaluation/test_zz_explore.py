import numpy as np, torch
from pacdream.data.episode_store import read_episode
from pacdream.evaluation.dots import *
from pacdream.evaluation.states import rare_states
from pacdream.evaluation.sprites import *
from pacdream.env.ram import *
from pacdream.evaluation.cost import _mflop
def test_x(episodes, manifest, gru):
    for entry in manifest.episodes:
        e = read_episode(episodes, entry, manifest.num_actions)
        print(len(e.frames), maze_colours(e.frames[0]), len(dot_sites(e.frames[0])), e.ram[:, DOTS_EATEN].tolist()[::10], set(e.ram[:,0]), set(e.lives))
        s = dot_sites(e.frames[0]); c = maze_colours(e.frames[0])
        print("gone", dot_counts(np.broadcast_to(e.frames[0], e.frames.shape), e.frames, s, c)[::10].tolist())
        print({k: v.sum() for k, v in rare_states(e, True).items()})
        for sp in SPRITES:
            m = SpriteScore(1, len(e.frames)); m.update(e.frames[None], e.frames[None], e.ram[None], sp, torch.tensor([0]))
            f = m.figures(m.sums.sum((0,1))); print(sp.name, {k:(float(v.value), float(v.n)) for k,v in f.items()})
    print("mflop", _mflop(gru), gru.codebook_size, gru.num_actions, sum(p.numel() for p in gru.parameters()))
