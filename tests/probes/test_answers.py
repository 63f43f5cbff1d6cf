"""http, tcp, socket, tls, exec and unit: who is asked, and what counts as well."""

from datetime import timedelta
from typing import Any

import pytest

from reconciler.core.errors import Overdue, Transient
from reconciler.core.kind import Mistake
from reconciler.core.probe import Health, Verdict
from reconciler.core.senses import Answer, Ran, UnitStat
from reconciler.probes import exec as exec_probe
from reconciler.probes import http, socket, tcp, tls, unit
from reconciler.probes.exec import ExecEntry
from reconciler.probes.http import HttpEntry
from reconciler.probes.socket import SocketEntry
from reconciler.probes.tcp import TcpEntry
from reconciler.probes.tls import TlsEntry
from reconciler.probes.unit import UnitEntry
from tests.probes.views import Device

URL = "http://127.0.0.1:8700/health"
DAY = timedelta(days=1)


def asked(body: bytes, wanted: dict[str, Any]) -> Verdict:
    device = Device()
    device.senses.answers[URL] = Answer(200, body, 0.01)
    return device.ask(http.PROBE, HttpEntry(URL, expect_json=wanted))


def test_a_server_is_well() -> None:
    device = Device()
    device.senses.answers[URL] = Answer(200, b"", 0.0123)
    assert device.ask(http.PROBE, HttpEntry(URL)) == Verdict(Health.OK, f"GET {URL} answered 200 in 0.0123 s", 0.0123)


def test_a_server_has_another_status() -> None:
    device = Device()
    device.senses.answers[URL] = Answer(503, b"", 0.01)
    assert device.ask(http.PROBE, HttpEntry(URL)).message == f"GET {URL} answered 503, not 200"
    assert device.ask(http.PROBE, HttpEntry(URL)).health is Health.CRITICAL
    assert device.ask(http.PROBE, HttpEntry(URL, 503)).health is Health.OK


def test_a_server_is_slow() -> None:
    device = Device()
    device.senses.answers[URL] = Answer(200, b"", 2.5)
    verdict = device.ask(http.PROBE, HttpEntry(URL, 200, {}, timedelta(seconds=1), timedelta(seconds=3)))
    assert verdict == Verdict(Health.WARNING, f"GET {URL} answered 200 in 2.5 s (warning from 1 s)", 2.5)
    with pytest.raises(Overdue):
        device.ask(http.PROBE, HttpEntry(URL), timedelta(seconds=2))


def test_what_may_be_secret_in_a_url_is_not_shown() -> None:
    device = Device()
    url = "https://ada:p@ss@h.example:1/x?token=secret"
    url = url.replace("p@ss", "p%40ss")
    device.senses.answers[url] = Answer(500, b"", 0.1)
    assert device.ask(http.PROBE, HttpEntry(url)).message == "GET https://h.example:1/x answered 500, not 200"


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        pytest.param(b'{"status": "healthy", "more": 1}', {"status": "healthy"}, id="and more"),
        pytest.param(b'{"a": {"b": 1, "c": 2}}', {"a": {"b": 1}}, id="deeper"),
        pytest.param(b'{"a": [1, {"b": 2}]}', {"a": [1, {"b": 2}]}, id="a list"),
        pytest.param(b'{"a": 1.0}', {"a": 1}, id="JSON knows one sort of number"),
        pytest.param(b'{"a": null}', {"a": None}, id="null"),
        pytest.param(b"no JSON", {}, id="nothing is wanted of it"),
    ],
)
def test_json_holds_what_is_wanted(body: bytes, wanted: dict[str, Any]) -> None:
    assert asked(body, wanted).health is Health.OK


@pytest.mark.parametrize(
    ("body", "wanted", "why"),
    [
        (b'{"status": "degraded"}', {"status": "healthy"}, 'with "degraded" as `status`, not "healthy"'),
        (b"{}", {"status": "healthy"}, "without `status`"),
        (b'{"a": {"b": 2}}', {"a": {"b": 1}}, "with 2 as `a.b`, not 1"),
        (b'{"a": true}', {"a": 1}, "with true as `a`, not 1"),
        (b'{"a": 1}', {"a": True}, "with 1 as `a`, not true"),
        (b'{"a": "1"}', {"a": 1}, 'with "1" as `a`, not 1'),
        (b'{"a": [1, 2]}', {"a": [1]}, "with [1, 2] as `a`, not [1]"),
        (b'{"a": [{"b": 1, "c": 2}]}', {"a": [{"b": 1}]}, 'with [{"b": 1, "c": 2}] as `a`, not [{"b": 1}]'),
        (b'{"a": 0}', {"a": None}, "with 0 as `a`, not null"),
        (b"[]", {"a": 1}, "JSON that is no map"),
        (b"<html>", {"a": 1}, "what is not JSON"),
        (b"\xff", {"a": 1}, "what is not JSON"),
        (b"[" * 60_000, {"a": 1}, "what is not JSON"),
        (b'{"a": "' + b"x" * 99 + b'"}', {"a": 1}, f'with "{"x" * 59}… as `a`, not 1'),
    ],
)
def test_json_does_not_hold_what_is_wanted(body: bytes, wanted: dict[str, Any], why: str) -> None:
    assert asked(body, wanted) == Verdict(Health.CRITICAL, f"GET {URL} answered {why}", 0.01)


def test_nobody_answers() -> None:
    for probe, entry in (
        (http.PROBE, HttpEntry(URL)),
        (tcp.PROBE, TcpEntry(80)),
        (socket.PROBE, SocketEntry("/run/app.sock")),
        (tls.PROBE, TlsEntry("h.example")),
    ):
        with pytest.raises(Transient):
            Device().ask(probe, entry)


def test_a_port_and_a_socket_accept_connections() -> None:
    device = Device()
    device.senses.ports["::1", 22] = 0.01
    device.senses.sockets["/run/app.sock"] = 0.02
    assert device.ask(tcp.PROBE, TcpEntry(22, "::1")) == Verdict(Health.OK, "[::1]:22 accepts connections", 0.01)
    assert device.ask(socket.PROBE, SocketEntry("/run/app.sock")).message == "/run/app.sock accepts connections"


@pytest.mark.parametrize(
    ("left", "health", "said"),
    [
        (30 * DAY, Health.OK, "ends in 30 days, on 2026-01-31"),
        (20.5 * DAY, Health.WARNING, "ends in 20 days, on 2026-01-21 (warning below 21 days)"),
        (1.5 * DAY, Health.CRITICAL, "ends in 36 hours, on 2026-01-02 (critical below 3 days)"),
    ],
)
def test_a_certificate_ends_soon(left: timedelta, health: Health, said: str) -> None:
    device = Device()
    device.senses.certificates["h.example", 443] = device.senses.now() + left
    verdict = device.ask(tls.PROBE, TlsEntry("h.example"))
    assert (verdict.health, verdict.message) == (health, f"the certificate of h.example {said}")
    assert verdict.value == left / DAY


@pytest.mark.parametrize(
    ("ran", "health", "said"),
    [
        (Ran(0, "all well\n"), Health.OK, "ended with 0"),
        (Ran(2, "one\nno sensor\x1b[0m\n\n"), Health.CRITICAL, "ended with 2, not with 0: no sensor?[0m"),
        (Ran(1, ""), Health.CRITICAL, "ended with 1, not with 0"),
        (Ran(-9, ""), Health.CRITICAL, "was ended by signal 9, not with 0"),
    ],
)
def test_a_command_ends(ran: Ran, health: Health, said: str) -> None:
    device = Device()
    device.senses.programs["/opt/check", "--token=secret"] = ran
    entry = ExecEntry(("/opt/check", "--token=secret"), timeout=timedelta(seconds=1))
    assert device.ask(exec_probe.PROBE, entry) == Verdict(health, f"/opt/check {said}")


def test_a_command_should_fail() -> None:
    device = Device()
    device.senses.programs["false",] = Ran(1, "")
    assert device.ask(exec_probe.PROBE, ExecEntry(("false",), 1)).health is Health.OK


def test_a_unit_runs_or_not() -> None:
    device = Device()
    device.units.known["a.service"] = UnitStat(running=True, failed=False, enabled=True)
    device.units.known["b.service"] = UnitStat(running=False, failed=True, enabled=True)
    said = [device.ask(unit.PROBE, UnitEntry(f"{name}.service")).message for name in "abc"]
    assert said == ["a.service runs", "b.service has failed", "c.service does not run"]


@pytest.mark.parametrize(
    ("check", "entry", "keys"),
    [
        pytest.param(http.check, HttpEntry("ftp://h/"), ("url",), id="ftp"),
        pytest.param(http.check, HttpEntry("http:///x"), ("url",), id="no host"),
        pytest.param(http.check, HttpEntry("http://h:70000/"), ("url",), id="no such port"),
        pytest.param(http.check, HttpEntry("http://h/a b"), ("url",), id="a space"),
        pytest.param(http.check, HttpEntry("http://h/\r\nX: y"), ("url",), id="a header in it"),
        pytest.param(http.check, HttpEntry("http://h/ä"), ("url",), id="not ASCII"),
        pytest.param(http.check, HttpEntry("http://u:\x01@h/"), ("url",), id="a control character"),
        pytest.param(http.check, HttpEntry("http://h/", 99), ("expectStatus",), id="no status"),
        pytest.param(
            http.check,
            HttpEntry("http://h/", 200, {}, 2 * DAY, DAY),
            ("warnLatency",),
            id="a warning that comes too late",
        ),
        pytest.param(tcp.check, TcpEntry(0), ("port",), id="no port"),
        pytest.param(tcp.check, TcpEntry(1, "a b"), ("host",), id="no host for tcp"),
        pytest.param(tls.check, TlsEntry("https://h/"), ("host",), id="a URL for a host"),
        pytest.param(tls.check, TlsEntry("h", 0), ("port",), id="no port for tls"),
        pytest.param(tls.check, TlsEntry("h", 443, DAY), ("warnBefore",), id="a warning after it is critical"),
        pytest.param(socket.check, SocketEntry("app.sock"), ("path",), id="a path that is not absolute"),
        pytest.param(exec_probe.check, ExecEntry(()), ("command",), id="no command"),
        pytest.param(exec_probe.check, ExecEntry(("a\0b",)), ("command",), id="a NUL"),
        pytest.param(exec_probe.check, ExecEntry(("true",), 256), ("expectStatus",), id="no exit status"),
        pytest.param(exec_probe.check, ExecEntry(("true",), 0, timedelta(0)), ("timeout",), id="no time"),
    ],
)
def test_a_mistake(check: object, entry: object, keys: tuple[str, ...]) -> None:
    assert callable(check)
    with pytest.raises(Mistake) as mistake:
        check(entry)
    assert mistake.value.keys == keys


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8700/health",
        "https://h.example",
        "http://[fe80::1]/",
        "http://u:p@h/?a=b&c",
        "http://h?x",
        "http://h_1/",
    ],
)
def test_such_a_url_is_one(url: str) -> None:
    http.check(HttpEntry(url))
