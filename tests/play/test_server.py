import json
import threading
import time

import pytest

pytest.importorskip("starlette")
pytest.importorskip("httpx")

from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from pacdream.play.library import Library, Limits
from pacdream.play.server import LOOPBACK, Server
from pacdream.play.tab import reason_of
from pacdream.play.wire import HEADER
from tests.play.test_session import LEFT, UP, models, session  # noqa: F401 - a fixture

HOST = "127.0.0.1:8017"
HEADERS = {"host": HOST, "origin": f"http://{HOST}"}


def served(models, token=None, begin=None, keep=None, **limits):  # noqa: F811
    settings = {"fps": 50.0, "games": 2, "messages_per_second": 30, "silence": 5.0, "recorded_steps": 500, **limits}
    library = Library(["one", "two"], begin or (lambda name, seed: session(models, intro=10)), keep or (lambda *_: ""))
    server = Server(library, Limits(**settings), LOOPBACK, token)
    return server, TestClient(server.app(), base_url=f"http://{HOST}")


def connect(client, **headers):
    return client.websocket_connect("/play", headers={**HEADERS, **headers})


def head(socket):
    return HEADER.unpack_from(socket.receive_bytes())


def wait_for(socket, wanted, ticks=200):
    """The first of the next pictures' headers that is as wanted."""
    for _ in range(ticks):
        if wanted(found := head(socket)):
            return found
    raise AssertionError("that never came")


def hear(socket):
    """What is said next, whatever pictures come before it."""
    while "text" not in (message := socket.receive()):
        pass
    return json.loads(message["text"])


def begin(socket):
    facts = json.loads(socket.receive_text())
    socket.receive_bytes()
    return facts


def drain(socket):
    """Read pictures until the socket is closed."""
    for _ in range(400):
        socket.receive_bytes()


def say(socket, **content):
    socket.send_text(json.dumps(content))


def test_a_tab_is_told_what_it_must_know_and_gets_pictures(models):  # noqa: F811
    _, client = served(models)
    with client, connect(client) as socket:
        facts = begin(socket)
        assert facts["grid"] == [7, 5]
        assert facts["frame"] == [210, 160]
        assert len(facts["palette"]) == 2 * 3 * 256
        steps = [head(socket)[1] for _ in range(3)]
        assert steps == sorted(steps)


def test_what_is_held_is_done_and_acknowledged(models):  # noqa: F811
    _, client = served(models)
    with client, connect(client) as socket:
        begin(socket)
        say(socket, input=5, action="LEFT")
        found = wait_for(socket, lambda h: h[2] == 5)
        assert wait_for(socket, lambda h: h[4] == LEFT)[2] == 5
        say(socket, input=6, action="NOOP")
        assert wait_for(socket, lambda h: h[2] == 6 and h[4] == 0)
        assert found


def test_a_short_tap_is_not_missed(models):  # noqa: F811
    _, client = served(models, fps=5.0)
    with client, connect(client) as socket:
        begin(socket)
        say(socket, input=1, action="LEFT")
        say(socket, input=2, action="NOOP")
        assert wait_for(socket, lambda h: h[4] == LEFT, ticks=3)
        assert head(socket)[4] == 0


def test_a_tap_while_another_key_is_held_is_done_once(models):  # noqa: F811
    _, client = served(models, fps=5.0)
    with client, connect(client) as socket:
        begin(socket)
        say(socket, input=1, action="LEFT")
        wait_for(socket, lambda h: h[4] == LEFT)
        say(socket, input=2, action="UP")
        say(socket, input=3, action="LEFT")
        actions = [head(socket)[4] for _ in range(4)]
        assert actions.count(UP) == 1
        assert actions[-1] == LEFT


def test_a_heartbeat_does_not_press_a_key_again(models):  # noqa: F811
    _, client = served(models, fps=5.0)
    with client, connect(client) as socket:
        begin(socket)
        say(socket, input=1, action="LEFT")
        wait_for(socket, lambda h: h[4] == LEFT)
        say(socket, input=2, action="LEFT")
        say(socket, input=3, action="NOOP")
        assert [head(socket)[4] for _ in range(3)][-2:] == [0, 0]


def test_pausing_stops_it_and_single_steps_go_on(models):  # noqa: F811
    _, client = served(models)
    with client, connect(client) as socket:
        begin(socket)
        say(socket, command="pause", value=True)
        time.sleep(0.2)
        say(socket, command="step")
        first = wait_for(socket, lambda h: h[5])[1]
        time.sleep(0.3)
        say(socket, command="step")
        assert head(socket)[1] == first + 1


def test_a_new_game_and_a_dream_from_here_begin_at_step_0(models):  # noqa: F811
    _, client = served(models)
    with client, connect(client) as socket:
        begin(socket)
        wait_for(socket, lambda h: h[1] >= 3)
        for command, value in (("reset", 7), ("swap", None), ("temperature", 0.5)):
            say(socket, command=command, value=value)
            wait_for(socket, lambda h: h[1] <= 1)
            wait_for(socket, lambda h: h[1] >= 3)


def test_an_error_of_the_game_is_told_and_frees_it(models):  # noqa: F811
    def broken(name, seed):
        raise RuntimeError("no memory left")

    server, client = served(models, begin=broken)
    with client, connect(client) as socket:
        with pytest.raises(WebSocketDisconnect, match="") as closed:
            socket.receive_text()
        assert (closed.value.code, closed.value.reason) == (1011, "no memory left")
    assert server.games == 0


@pytest.mark.parametrize(
    "message",
    [
        '{"command": "model", "value": "three"}',
        "garbage",
        '{"command": []}',
        '{"command": "speed", "value": 99}',
        '{"input": 1, "action": "JUMP"}',
    ],
)
def test_garbage_closes_the_socket_with_a_reason_and_frees_the_game(models, message):  # noqa: F811
    server, client = served(models)
    with client:
        with connect(client) as socket:
            begin(socket)
            socket.send_text(message)
            with pytest.raises(WebSocketDisconnect) as closed:
                drain(socket)
        deadline = time.monotonic() + 2
        while server.games and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.games == 0
    assert closed.value.code == 1008
    assert closed.value.reason


def test_two_tabs_have_games_of_their_own_and_a_third_is_told_to_wait(models):  # noqa: F811
    server, client = served(models)
    with client, connect(client) as one, connect(client) as two:
        begin(one), begin(two)
        say(one, input=1, action="LEFT")
        assert wait_for(one, lambda h: h[4] == LEFT)
        assert head(two)[4] == 0
        assert server.games == 2
        with connect(client) as three, pytest.raises(WebSocketDisconnect, match="") as closed:
            three.receive_text()
        assert closed.value.code == 1013
        assert "2 games are being played already" in closed.value.reason


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"origin": "http://["}, "own page"),
        ({"origin": "http://evil.example"}, "own page"),
        ({"host": "evil.example"}, "does not answer to that name"),
    ],
)
def test_other_sites_may_not_play(models, headers, reason):  # noqa: F811
    _, client = served(models)
    with client, connect(client, **headers) as socket, pytest.raises(WebSocketDisconnect) as closed:
        socket.receive_text()
    assert reason in closed.value.reason


def test_a_tunnel_may_change_the_port(models):  # noqa: F811
    _, client = served(models)
    with client, connect(client, host="localhost:9000", origin="http://localhost:9000") as socket:
        assert begin(socket)["grid"] == [7, 5]


def test_with_a_token_only_who_has_it_is_served(models):  # noqa: F811
    _, client = served(models, token="secret")
    with client:
        assert client.get("/").status_code == 403
        assert client.get("/?token=wrong").status_code == 403
        assert "<canvas" in client.get("/?token=secret").text


def test_the_page_loads_nothing_from_elsewhere(models):  # noqa: F811
    _, client = served(models)
    with client:
        page = client.get("/").text
        names = ["play.js", "view.js", "keys.js", "wire.js", "style.css"]
        parts = [client.get(f"/page/{name}") for name in names]
    assert all(part.status_code == 200 for part in parts)
    assert not any("http://" in text or "https://" in text for text in (page, *(part.text for part in parts)))


def test_the_page_reads_the_header_that_the_server_writes():
    from pathlib import Path

    from pacdream.play import wire

    script = (Path(wire.__file__).parent / "page" / "wire.js").read_text()
    assert f"HEADER_BYTES = {HEADER.size};" in script
    assert hex(int.from_bytes(wire.MAGIC, "big")) in script


def test_a_tab_that_says_nothing_holds_nothing(models):  # noqa: F811
    _, client = served(models, silence=0.3)
    with client, connect(client) as socket:
        begin(socket)
        say(socket, input=1, action="LEFT")
        wait_for(socket, lambda h: h[4] == LEFT)
        wait_for(socket, lambda h: h[4] == 0)


def test_a_flood_of_messages_is_cut(models):  # noqa: F811
    _, client = served(models, messages_per_second=5)
    with client, connect(client) as socket:
        begin(socket)
        for number in range(40):
            say(socket, input=number, action="NOOP")
        with pytest.raises(WebSocketDisconnect) as closed:
            drain(socket)
    assert closed.value.code == 1008
    assert "more than 5 messages a second" in closed.value.reason


def test_another_world_model_plays_the_same_game(models):  # noqa: F811
    begun = []

    def begin_one(name, seed):
        begun.append((name, seed))
        return session(models, seed=seed, intro=10)

    _, client = served(models, begin=begin_one)
    with client, connect(client) as socket:
        facts = begin(socket)
        assert (facts["models"], facts["model"]) == (["one", "two"], "one")
        wait_for(socket, lambda h: h[1] >= 2)
        say(socket, command="pause", value=True)
        wait_for(socket, lambda h: h[5] == 1)
        say(socket, command="model", value="two")
        told = hear(socket)
        assert (told["model"], told["seed"]) == ("two", facts["seed"])
    assert begun == [("one", facts["seed"]), ("two", facts["seed"])]


def test_what_is_recorded_is_what_was_played(models):  # noqa: F811
    kept = []

    def keep(recorder, played):
        kept.append((recorder.episode(), recorder.film(played.models, played.action_names)))
        return "recorded"

    _, client = served(models, keep=keep, fps=10.0)
    with client, connect(client) as socket:
        begin(socket)
        say(socket, command="record", value=True)
        began = wait_for(socket, lambda h: h[5] == 2)[1]
        say(socket, input=1, action="LEFT")
        ended = wait_for(socket, lambda h: h[1] >= began + 6)[1]
        say(socket, command="record", value=False)
        assert hear(socket) == {"said": "recorded"}
    (episode, film) = kept[0]
    assert ended - began <= len(episode.actions) <= ended - began + 2
    assert len(film.dreamt) == len(episode.actions)
    assert set(episode.actions.tolist()) <= {0, LEFT}
    assert LEFT in episode.actions
    assert episode.truncated.tolist() == [False] * (len(episode.actions) - 1) + [True]
    assert (episode.ram[1:] != episode.ram[:-1]).any(1).all()


def test_a_recording_ends_when_it_is_long_enough_or_the_tab_is_closed(models):  # noqa: F811
    kept = []
    _, client = served(
        models, keep=lambda recorder, _: kept.append(len(recorder.episode().actions)) or "", recorded_steps=4
    )
    with client, connect(client) as socket:
        begin(socket)
        say(socket, command="record", value=True)
        while "text" not in socket.receive():
            pass
        assert kept == [4]
        say(socket, command="record", value=True)
        while (began := head_of(socket))[5] != 2:
            pass
        wait_for(socket, lambda h: h[1] >= began[1] + 2)
    deadline = time.monotonic() + 5
    while len(kept) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(kept) == 2


def test_a_disk_that_is_full_is_told_and_the_game_goes_on(models):  # noqa: F811
    def keep(*_):
        raise OSError(28, "No space left on device")

    _, client = served(models, keep=keep, recorded_steps=2)
    with client, connect(client) as socket:
        begin(socket)
        say(socket, command="record", value=True)
        assert "No space left" in hear(socket)["said"]
        wait_for(socket, lambda h: h[1] >= 5)


def head_of(socket):
    """The header of the next message if it is a picture, else nothing that matches."""
    message = socket.receive()
    return HEADER.unpack_from(message["bytes"]) if "bytes" in message else [None] * 12


def test_the_game_goes_on_while_a_recording_is_written(models):  # noqa: F811
    done = threading.Event()

    def keep(*_):
        assert done.wait(10)
        return "recorded"

    _, client = served(models, keep=keep)
    with client, connect(client) as socket:
        begin(socket)
        say(socket, command="record", value=True)
        began = wait_for(socket, lambda h: h[5] == 2)[1]
        wait_for(socket, lambda h: h[1] >= began + 2)
        say(socket, command="record", value=False)
        stopped = wait_for(socket, lambda h: h[5] == 0)[1]
        say(socket, input=9, action="UP")
        wait_for(socket, lambda h: h[2] == 9 and h[1] >= stopped + 3)
        done.set()
        assert hear(socket) == {"said": "recorded"}


@pytest.mark.parametrize("error", [ValueError("that one is damaged"), RuntimeError("no kernel image")])
def test_a_world_model_that_cannot_be_opened_is_told_and_the_game_goes_on(models, error):  # noqa: F811
    def begin_one(name, seed):
        if name == "two":
            raise error
        return session(models, seed=seed, intro=10)

    _, client = served(models, begin=begin_one)
    with client, connect(client) as socket:
        begin(socket)
        say(socket, command="model", value="two")
        assert hear(socket) == {"said": str(error)}
        wait_for(socket, lambda h: h[1] >= 5)


def test_no_picture_of_the_old_model_follows_what_is_told_of_the_new_one(models):  # noqa: F811
    """While it is loaded the old one plays on."""

    def begin_one(name, seed):
        if name == "two":
            time.sleep(0.3)
        return session(models, seed=seed, intro=10 if name == "one" else 30)

    _, client = served(models, begin=begin_one)
    with client, connect(client) as socket:
        begin(socket)
        wait_for(socket, lambda h: h[1] >= 8)
        say(socket, command="model", value="two")
        assert hear(socket)["model"] == "two"
        assert head(socket)[1] <= 1


def test_keys_count_while_a_world_model_is_loaded(models):  # noqa: F811
    loaded = threading.Event()

    def begin_one(name, seed):
        if name == "two":
            assert loaded.wait(10)
        return session(models, seed=seed, intro=10)

    _, client = served(models, begin=begin_one)
    with client, connect(client) as socket:
        begin(socket)
        say(socket, command="model", value="two")
        say(socket, input=5, action="UP")
        wait_for(socket, lambda h: h[2] == 5 and h[4] == UP)
        loaded.set()
        assert hear(socket)["model"] == "two"


def test_a_pause_shows_that_a_recording_has_ended(models):  # noqa: F811
    _, client = served(models)
    with client, connect(client) as socket:
        begin(socket)
        say(socket, command="record", value=True)
        say(socket, command="pause", value=True)
        wait_for(socket, lambda h: h[5] == 3)
        say(socket, command="record", value=False)
        while head_of(socket)[5] != 1:
            pass


def test_a_game_that_is_over_is_not_recorded(models):  # noqa: F811
    over = session(models, intro=10)
    over.over = True
    _, client = served(models, begin=lambda name, seed: over)
    with client, connect(client) as socket:
        begin(socket)
        say(socket, command="record", value=True)
        assert "the game is over" in hear(socket)["said"]
        assert head(socket)[5] == 0


def test_a_world_model_may_have_a_long_name(models):  # noqa: F811
    long = "outputs/sweep/" + 400 * "x"
    library = Library(["one", long], lambda name, seed: session(models, intro=10), lambda *_: "")
    limits = Limits(fps=50.0, games=2, messages_per_second=30, silence=5.0, recorded_steps=500)
    client = TestClient(Server(library, limits, LOOPBACK, None).app(), base_url=f"http://{HOST}")
    with client, connect(client) as socket:
        begin(socket)
        say(socket, command="model", value=long)
        assert hear(socket)["model"] == long


def test_a_reason_fits_into_the_frame_that_closes_a_socket():
    assert len(reason_of(200 * "ü…").encode()) <= 123
    assert reason_of("too short to be cut…") == "too short to be cut…"


def test_a_recording_ends_where_another_world_model_begins(models):  # noqa: F811
    kept, loaded = [], threading.Event()

    def begin_one(name, seed):
        if name == "two":
            assert loaded.wait(10)
        return session(models, seed=seed, intro=10)

    def keep(recorder, _):
        kept.append(recorder.episode())
        return "recorded"

    _, client = served(models, begin=begin_one, keep=keep)
    with client, connect(client) as socket:
        begin(socket)
        say(socket, command="model", value="two")
        say(socket, command="record", value=True)
        began = wait_for(socket, lambda h: h[5] == 2)[1]
        wait_for(socket, lambda h: h[1] >= began + 3)
        loaded.set()
        told = [hear(socket), hear(socket)]
        assert {"said": "recorded"} in told
        assert any(each.get("model") == "two" for each in told)
    assert len(kept) == 1
