"""The page without a server: its networks are those of torch, and it plays in a browser."""

import functools
import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

import onnxruntime as ort

from pacdream.command.export_page import play_contexts
from pacdream.core.checkpoints import build_model
from pacdream.core.instantiate import build
from pacdream.play import onnx_networks
from pacdream.play.onnx_networks import export_networks
from pacdream.play.session import Models
from pacdream.play.static_page import RUNTIME, write_page
from pacdream.rollout.step import condition, predict
from pacdream.world_model.base import likeliest
from tests.conftest import ROOT, TINY_ATTENTION, compose_config
from tests.play.test_browser import CHROMIUM, browser, colours, context, step_of, waits_for  # noqa: F401 - fixtures
from tests.play.test_session import make_env
from tests.runs import untrained_gru, untrained_outcome

FROM_NPM = ROOT / "node_modules" / "onnxruntime-web" / "dist"


def attention(latents):
    torch.manual_seed(0)
    model = build_model(OmegaConf.create(TINY_ATTENTION), latents.facts()).eval()
    model.head.weight.data.normal_()  # an untrained one stays where it is
    return model


@pytest.fixture(scope="module", params=["attention", "gru"])
def models(request, latents):
    model = attention(latents) if request.param == "attention" else untrained_gru(latents)
    return Models(model.eval(), latents.tokenizer.eval(), untrained_outcome(latents).eval())


@functools.cache
def contexts_of(tokenizer, count=3):
    policy = build(compose_config("export_page", []).policy)
    return play_contexts(make_env(), policy, tokenizer, count, length=5, intro=66, seed=0)


def test_contexts_are_what_the_game_showed(latents):
    codes, actions = contexts_of(latents.tokenizer)
    assert codes.shape == (3, 5, 7, 5)
    assert actions.shape == (3, 4)
    again = contexts_of.__wrapped__(latents.tokenizer)
    assert torch.equal(codes, again[0])
    assert torch.equal(actions, again[1])
    assert len({tuple(grids.flatten().tolist()) for grids in codes}) == 3


def test_exported_networks_dream_decode_and_judge_like_torch(models, tmp_path):
    state = export_networks(models, tmp_path)
    names = ("world_model", "decoder", "outcome")
    world_model, decoder, outcome = (ort.InferenceSession(tmp_path / f"{name}.onnx") for name in names)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{name}.onnx" for name in names)
    contexts, actions = contexts_of(models.tokenizer)
    rng = np.random.default_rng(0)
    grids = models.outcome.grids
    for past, taken in zip(contexts, actions, strict=True):
        parts = [np.full(part["shape"], part["value"], part["type"]) for part in state]
        for codes, action in zip(past[:-1].numpy(), taken.numpy(), strict=True):
            parts = _run(world_model, codes, action, state, parts)[1:]
        theirs = condition(models.model, past[None], taken[None])
        codes, seen, done = past[-1].numpy(), list(past), taken.tolist()
        for action in rng.integers(9, size=20):
            step, theirs = predict(models.model, theirs, torch.tensor([action]), likeliest)
            logits, *parts = _run(world_model, codes, action, state, parts)
            codes = logits[0].argmax(-1)
            assert (codes == step.codes[0].numpy()).all()
            frame = decoder.run(None, {"codes": codes[None]})[0]
            assert (frame == models.tokenizer.decode(step.codes).numpy()).all()
            seen, done = [*seen, step.codes[0]], [*done, int(action)]
        around, at = torch.stack(seen[-grids:])[None], torch.tensor([done[-1 - models.outcome.after]])
        points, lost = outcome.run(None, {"codes": around.numpy(), "actions": at.numpy()})
        logits = models.outcome(around, at)
        assert points[0] == pytest.approx(float((logits.points.softmax(-1) * models.outcome.points).sum()), abs=1e-4)
        assert lost[0] == pytest.approx(float(logits.lost[0, 0].sigmoid()), abs=1e-5)


def _run(world_model, codes, action, state, parts):
    given = {"codes": codes[None], "actions": np.array([action])}
    wanted = {entry.name for entry in world_model.get_inputs()}
    given |= {told["name"]: part for told, part in zip(state, parts, strict=True)}
    return world_model.run(None, {name: value for name, value in given.items() if name in wanted})


def test_weights_that_fit_half_precision_are_stored_in_it(latents, tmp_path, monkeypatch):
    export = onnx_networks._export

    def export_world_model(network, inputs, names, outputs, path):
        if path.stem == "world_model":  # the others take seconds
            export(network, inputs, names, outputs, path)

    monkeypatch.setattr(onnx_networks, "_export", export_world_model)
    model = attention(latents)
    export_networks(Models(model, latents.tokenizer, None), tmp_path)
    full = (tmp_path / "world_model.onnx").stat().st_size
    model.load_state_dict({name: value.half().float() for name, value in model.state_dict().items()})
    export_networks(Models(model, latents.tokenizer, None), tmp_path)
    assert (tmp_path / "world_model.onnx").stat().st_size < full
    assert not (tmp_path / "outcome.onnx").exists()


def test_without_the_runtime_it_says_how_to_get_it(models, tmp_path):
    with pytest.raises(ValueError, match="npm install"):
        write_page(
            models, make_env().action_names, contexts_of(models.tokenizer), tmp_path / "nowhere", tmp_path, 15.0, 1.0
        )


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.skipif(not FROM_NPM.is_dir(), reason="onnxruntime-web is not installed: npm install onnxruntime-web")
def test_it_plays_in_a_browser_from_any_server_of_files(context, models, tmp_path):  # noqa: F811
    write_page(
        models, make_env().action_names, contexts_of(models.tokenizer), FROM_NPM, tmp_path, fps=15.0, temperature=1.0
    )
    assert all((tmp_path / "page" / name).is_file() for name in (*RUNTIME, "play.js", "worker.js"))
    assert json.loads((tmp_path / "page" / "dream.json").read_text())["twin"] is False
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    page = context.new_page()
    asked, wrong = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(address)
    waits_for(page, "document.body.dataset.step > 3")
    assert colours(page, "dream") > 1
    assert not page.locator("#twin").is_visible()
    assert not page.locator("#swap").is_visible()
    page.keyboard.down("ArrowLeft")
    waits_for(page, "document.getElementById('action').textContent === 'LEFT'")
    page.keyboard.up("ArrowLeft")
    waits_for(page, "document.getElementById('action').textContent === 'NOOP'")
    page.keyboard.press("Space")
    page.wait_for_timeout(300)
    stands = step_of(page)
    page.keyboard.press(".")
    waits_for(page, f"document.body.dataset.step == {stands + 1}")
    page.locator("#reset").click()
    waits_for(page, "document.body.dataset.step == 0")
    assert all(url.startswith((address, "data:", f"blob:{address}")) for url in asked)
    assert not wrong
    server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing."""
