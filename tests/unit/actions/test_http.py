"""webhook, abuseipdb and cloudflare, told of bans as a jail would; the receiver is a real HTTP server."""

import json
import socket
import ssl
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from f2b.actions import http
from f2b.config.actions import read_actions
from f2b.config.files import Files
from f2b.config.spec import parse as parse_spec
from f2b.errors import ActionError, HopelessError, Origin
from f2b.outbox import Step
from tests.support.receiver import Receiver, Reply, Sent
from tests.unit.actions.shipped import ETC, made, row, settings, values


def told(spec: str, address: str = "192.0.2.7", step: Step = Step.BAN, **more: str) -> None:
    of = row(address, step)
    made(spec).carry_out(step.value, values(of, **more))


def test_every_field_of_a_webhook() -> None:
    with Receiver() as receiver:
        told(f"webhook[url={receiver.url}/hook?a=b, token=t, lines=yes]", matches="one\ntwo")
    (sent,) = receiver.sent
    assert (sent.method, sent.path) == ("POST", "/hook?a=b")
    assert sent.headers["Content-Type"] == "application/json"
    assert sent.headers["Authorization"] == "Bearer t"
    assert sent.headers["Idempotency-Key"] == row().id
    assert json.loads(sent.body) == {
        "id": row().id,
        "event": "ban",
        "host": "host.example.org",
        "jail": "sshd",
        "ip": "192.0.2.7",
        "family": "inet4",
        "time": 1_700_000_000.0,
        "bantime": 600,
        "failures": 5,
        "bancount": 2,
        "restored": False,
        "text": "host.example.org: 192.0.2.7 is banned in jail sshd, for 600 seconds",
        "lines": ["one", "two"],
    }


def test_the_events_of_a_webhook() -> None:
    with Receiver() as receiver:
        for spec in ("webhook[url={}]", 'webhook[url={}, events="unban"]'):
            hook = made(spec.format(receiver.url))
            for step in Step:
                hook.carry_out(step.value, values(row(step=step, until=None)))
    events = [json.loads(sent.body)["event"] for sent in receiver.sent]
    assert events == ["ban", "unban", "ban", "prolong", "unban"]
    assert json.loads(receiver.sent[0].body)["bantime"] is None
    assert "lines" not in json.loads(receiver.sent[0].body)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 422])
def test_what_can_never_succeed_is_given_up(status: int) -> None:
    reply = Reply(status, b'{"error": "no such   key: hush"}')
    with Receiver(lambda _: reply) as receiver, pytest.raises(HopelessError) as raised:
        told(f"webhook[url={receiver.url}/hush-path, token=hush]")
    said = str(raised.value)
    assert said == f'{receiver.url} answered {status}: \'{{"error": "no such key: ***"}}\''


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_succeed_later_is_tried_again(status: int) -> None:
    with Receiver(lambda _: Reply(status)) as receiver, pytest.raises(ActionError) as raised:
        told(f"webhook[url={receiver.url}]")
    assert raised.value.retry
    assert not isinstance(raised.value, HopelessError)


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("7", 7, 7),
        ("0", 1, 1),
        ("999999", 3600, 3600),
        ("soon", 0, 0),
        ("-5", 0, 0),
        ("DATE", 40, 60),
    ],
)
def test_retry_after_counts_within_bounds(header: str, low: float, high: float) -> None:
    if header == "DATE":
        header = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    reply = Reply(429, headers=(("Retry-After", header),))
    with Receiver(lambda _: reply) as receiver, pytest.raises(ActionError) as raised:
        told(f"webhook[url={receiver.url}]")
    assert low <= raised.value.delay <= high


def test_who_asks_for_a_rest_gets_it() -> None:
    now = 0.0
    asked = http.Receiver(clock=lambda: now)
    replies = [Reply(503), Reply(503), Reply(200), Reply(429, headers=(("Retry-After", "9"),))]
    with Receiver(lambda _: replies.pop(0)) as receiver:
        request = http.Request("POST", receiver.url, {}, b"")
        for at, sent, delay in ((0.0, 1, 1.0), (0.5, 1, 0.5), (1.0, 2, 2.0), (2.0, 2, 1.0)):
            now = at
            with pytest.raises(ActionError, match="answered 503") as raised:
                asked.ask(request)
            assert (len(receiver.sent), raised.value.delay) == (sent, delay)
        now = 3.0
        assert asked.ask(request).status == 200
        for at, sent in ((3.0, 4), (11.0, 4)):
            now = at
            with pytest.raises(ActionError, match="answered 429"):
                asked.ask(request)
            assert len(receiver.sent) == sent


def test_a_redirect_is_not_followed() -> None:
    with Receiver() as other:
        reply = Reply(307, headers=(("Location", f"{other.url}/hush"),))
        with Receiver(lambda _: reply) as receiver, pytest.raises(HopelessError) as raised:
            told(f"webhook[url={receiver.url}, token=hush]")
    assert other.sent == []
    assert "answered 307 and points to 127.0.0.1" in str(raised.value)
    assert "hush" not in str(raised.value)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(
        ActionError, match=f"http://127.0.0.1:{port}: Connection refused"
    ) as raised:
        told(f"webhook[url=http://127.0.0.1:{port}/x]")
    assert raised.value.retry


@pytest.mark.parametrize(
    ("said", "why"), [(b"", "no answer within"), (b"hello\n", "no HTTP answer")]
)
def test_one_that_hangs_or_speaks_no_http(
    monkeypatch: pytest.MonkeyPatch, said: bytes, why: str
) -> None:
    monkeypatch.setattr(http, "TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = made(f"webhook[url=http://127.0.0.1:{server.getsockname()[1]}]")
        if said:

            def talk() -> None:
                with server.accept()[0] as connection:
                    connection.recv(65536)
                    connection.sendall(said)

            threading.Thread(target=talk, daemon=True).start()
        with pytest.raises(ActionError, match=why) as raised:
            client.carry_out("ban", values(row()))
    assert raised.value.retry


def test_megabytes_of_answer_are_not_read() -> None:
    reply = Reply(400, b"x" * 5_000_000)
    with Receiver(lambda _: reply) as receiver, pytest.raises(HopelessError) as raised:
        told(f"webhook[url={receiver.url}]")
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("webhook[url=example.org/x]", "the url is none"),
        ("webhook[url=ftp://example.org]", "the url is none"),
        ("webhook[url=https://example.org:port]", "the url is none"),
        ("webhook[url=http://example.org, token=hush]", "a secret is not sent to example.org in the open"),
        ("webhook[url=http://me:hush@example.org]", "a secret is not sent to example.org in the open"),
        ("webhook[url=https://127.0.0.1:1/a b\x01]", "malformed"),
        ("webhook[url=https://127.0.0.1:1, lines=perhaps]", "lines needs yes or no"),
    ],
)  # fmt: skip
def test_wrong_parameters(spec: str, why: str) -> None:
    with pytest.raises(HopelessError, match=why) as raised:
        told(spec)
    assert "hush" not in str(raised.value)


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=x",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with Receiver() as receiver:
        receiver.encrypt(context)
        url = receiver.url.replace("http", "https")
        with pytest.raises(ActionError, match="its certificate is not trusted") as raised:
            told(f"webhook[url={url}, token=hush]")
        assert raised.value.retry
        assert receiver.sent == []
        told(f"webhook[url={url}, token=hush, cafile={certificate}]")
        assert len(receiver.sent) == 1


def test_secrets_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver() as receiver:
        (tmp_path / "hook").write_text(f"{receiver.url}/one\n")
        (tmp_path / "token").write_text("first\n")
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        hook = made(f"webhook[url_file={tmp_path}/hook, token_file=token]")
        hook.carry_out("ban", values(row()))
        (tmp_path / "token").write_text("second\n")
        hook.carry_out("ban", values(row()))
    tokens = [sent.headers["Authorization"] for sent in receiver.sent]
    assert tokens == ["Bearer first", "Bearer second"]
    (tmp_path / "token").unlink()
    with pytest.raises(ActionError, match=r"token_file .*/token cannot be read: No such file"):
        hook.carry_out("ban", values(row()))


@pytest.mark.parametrize(
    ("spec", "needs"),
    [
        ("webhook", "url"),
        ("abuseipdb", "abuseipdb_apikey"),
        ("cloudflare[cfuser=a]", "cftoken"),
        ("cloudflare-token[cftoken=a]", "cfzone"),
    ],
)
def test_what_is_missing_is_told_at_the_load(spec: str, needs: str) -> None:
    actions, problems = read_actions(
        [(parse_spec(spec), Origin("jail.local", 3))], Files(ETC), {}, "x"
    )
    assert actions == ()
    assert f"needs {needs}" in str(problems[0])
    assert str(problems[0]).startswith("jail.local:3: action")


# --- abuseipdb ----------------------------------------------------------------------------------


def test_abuseipdb() -> None:
    with Receiver() as receiver:
        spec = 'abuseipdb[abuseipdb_apikey="k", abuseipdb_category="18,22", api={}/v2'
        told(f"{spec.format(receiver.url)}]", matches="secret user")
        told(f"{spec.format(receiver.url)}, lines=yes]", matches="x" * 5000)
        told(f"{spec.format(receiver.url)}]", step=Step.UNBAN)
    sent, with_lines = receiver.sent
    assert (sent.method, sent.path, sent.headers["Key"]) == ("POST", "/v2/report", "k")
    assert sent.headers["Idempotency-Key"] == row().id
    assert parse_qs(sent.body.decode()) == {
        "ip": ["192.0.2.7"],
        "categories": ["18,22"],
        "comment": ["f2b: sshd"],
        "timestamp": ["2023-11-14T22:13:20+00:00"],
    }
    assert len(parse_qs(with_lines.body.decode())["comment"][0]) == 1000
    assert settings("abuseipdb[abuseipdb_apikey=k]").norestored


def test_abuseipdb_gets_the_address_of_a_banned_network() -> None:
    with Receiver() as receiver:
        spec = f"abuseipdb[abuseipdb_apikey=k, api={receiver.url}]"
        captured = {"F-IP6": "2001:db8::7"}
        made(spec).carry_out("ban", values(row("2001:db8::/64"), **captured))
        told(spec, "198.51.100.0/24")
    found = [parse_qs(sent.body.decode())["ip"] for sent in receiver.sent]
    assert found == [["2001:db8::7"], ["198.51.100.0"]]


# --- cloudflare ---------------------------------------------------------------------------------


class Edge:
    """Cloudflare's access rules, as their API has them."""

    def __init__(self) -> None:
        self.rules: dict[str, dict[str, object]] = {}

    def __call__(self, sent: Sent) -> Reply:
        path, _, query = sent.path.partition("?")
        if sent.method == "POST":
            rule = json.loads(sent.body)
            if rule in self.rules.values():
                errors = [
                    {"code": 10009, "message": "firewallaccessrules.api.duplicate_of_existing"}
                ]
                return Reply(400, json.dumps({"success": False, "errors": errors}).encode())
            self.rules[f"id{len(self.rules)}"] = rule
            return Reply(200, b'{"success": true}')
        if sent.method == "DELETE":
            gone = self.rules.pop(path.rpartition("/")[2], None)
            return Reply(200 if gone else 404)
        value = parse_qs(query)["configuration.value"][0]
        found = [
            {"id": name, **rule}
            for name, rule in self.rules.items()
            if value in json.dumps(rule["configuration"])
        ]
        return Reply(200, json.dumps({"result": found}).encode())


@pytest.mark.parametrize(
    ("parameters", "path"),
    [
        ("cfuser=me@example.org", "/user"),
        ("cfzone=z1", "/zones/z1"),
        ("cfaccount=a1", "/accounts/a1"),
    ],
)
def test_cloudflare(parameters: str, path: str) -> None:
    edge = Edge()
    with Receiver(edge) as receiver:
        spec = f"cloudflare[cftoken=t, api={receiver.url}, {parameters}]"
        told(spec)
        told(spec)  # twice, as after a crash
        told(spec, "2001:db8::/64")
        told(spec, "2001:db8::7")
        assert [rule["configuration"] for rule in edge.rules.values()] == [
            {"target": "ip", "value": "192.0.2.7"},
            {"target": "ip_range", "value": "2001:db8::/64"},
            {"target": "ip6", "value": "2001:db8::7"},
        ]
        assert {(rule["mode"], rule["notes"]) for rule in edge.rules.values()} == {
            ("block", "f2b sshd")
        }
        edge.rules["his"] = {
            "mode": "block", "notes": "by hand", "configuration": {"target": "ip", "value": "192.0.2.7"}
        }  # fmt: skip
        for address in ("192.0.2.7", "2001:db8::/64", "2001:db8::7", "192.0.2.8"):
            told(spec, address, Step.UNBAN)
        assert set(edge.rules) == {"his"}
    assert {sent.path.partition("?")[0].partition("/firewall")[0] for sent in receiver.sent} == {
        path
    }
    headers = receiver.sent[0].headers
    assert headers["Idempotency-Key"] == row().id
    if "cfuser" in parameters:
        assert (headers["X-Auth-Email"], headers["X-Auth-Key"]) == ("me@example.org", "t")
    else:
        assert headers["Authorization"] == "Bearer t"


def test_cloudflare_takes_few_networks() -> None:
    with Receiver(Edge()) as receiver:
        spec = f"cloudflare[cftoken=t, api={receiver.url}]"
        with pytest.raises(HopelessError, match="it takes /16, /24"):
            told(spec, "198.51.100.0/25")
        told(spec, "198.51.100.0/25", Step.UNBAN)
    assert receiver.sent == []


def test_cloudflare_refuses() -> None:
    reply = Reply(403, b'{"errors": [{"code": 10000, "message": "Authentication error: hush"}]}')
    with Receiver(lambda _: reply) as receiver, pytest.raises(HopelessError) as raised:
        told(f"cloudflare[cftoken=hush, api={receiver.url}]")
    assert "Authentication error: ***" in str(raised.value)


def test_a_list_that_is_none() -> None:
    with (
        Receiver(lambda _: Reply(200, b"<html>")) as receiver,
        pytest.raises(ActionError, match="no list"),
    ):
        told(f"cloudflare[cftoken=t, api={receiver.url}]", step=Step.UNBAN)
