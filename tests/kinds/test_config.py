import pytest

from reconciler.core.host import Access
from reconciler.core.identity import Digest
from reconciler.core.kind import Mistake
from reconciler.host.simulated import SimulatedHost
from reconciler.kinds.config import KIND, ConfigEntry, ConfigState, declare
from tests.kinds.laws import Bytes, LawsOfAKind
from tests.kinds.test_file import Inline

COMMENTED = """\
# the server
server:
  port: 8000   # behind the tunnel
  host: 127.0.0.1

logging: {level: INFO}
"""


def wanted(format: str, values: dict, mode: int | None = None) -> ConfigState:
    return declare("/etc/app/config", ConfigEntry(format, values, mode), Inline())


class OfAFormat(LawsOfAKind):
    kind = KIND
    name = "/etc/app/config"
    format = ""

    def a(self, payloads: Bytes) -> ConfigState:
        return wanted(self.format, {"port": 8000, "name": "x", "on": True}, 0o640)

    def b(self, payloads: Bytes) -> ConfigState:
        return wanted(self.format, {"port": 8700, "level": "DEBUG"}, 0o600)


class TestYaml(OfAFormat):
    format = "yaml"


class TestJson(OfAFormat):
    format = "json"


class TestToml(OfAFormat):
    format = "toml"


class TestEnv(OfAFormat):
    format = "env"


class TestComments(OfAFormat):
    format = "yaml"

    def test_comments_and_order_of_an_existing_file_are_kept(self, host: SimulatedHost) -> None:
        host.files.write(self.name, [COMMENTED.encode()], Access())
        host.files.settle()
        values = {"server": {"host": "127.0.0.1", "port": 8700}, "logging": {"level": "INFO"}, "new": [1, 2]}
        self.bring(host, wanted("yaml", values))
        text = b"".join(host.files.read(self.name)).decode()
        assert text == COMMENTED.replace("8000", "8700") + "new:\n- 1\n- 2\n"

    def test_a_comment_that_was_added_is_no_drift(self, host: SimulatedHost) -> None:
        host.files.write(self.name, [b"# mine\na: 1\n"], Access())
        host.files.settle()
        assert KIND.diff(wanted("yaml", {"a": 1}), KIND.observe(self.name, host)) == ()

    def test_a_key_that_was_added_is_drift(self, host: SimulatedHost) -> None:
        host.files.write(self.name, [b"a: 1\nb: 2\n"], Access())
        host.files.settle()
        (drift,) = KIND.diff(wanted("yaml", {"a": 1}), KIND.observe(self.name, host))
        assert drift.field == "values"

    @pytest.mark.parametrize("content", [b"a: [1", b"\xff\xfe", b"a: 1\na: 2\n", b"", b"- 1\n", b"\x00"])
    def test_what_cannot_be_read_is_replaced(self, host: SimulatedHost, content: bytes) -> None:
        host.files.write(self.name, [content], Access(0o640))
        host.files.settle()
        self.bring(host, wanted("yaml", {"a": 1}))
        assert b"".join(host.files.read(self.name)) == b"a: 1\n"

    def test_taking_back_restores_the_exact_bytes(self, host: SimulatedHost, payloads: Bytes) -> None:
        odd = b"a:   1\r\n\r\n# end"
        host.files.write(self.name, [odd], Access(0o640))
        host.files.settle()
        before = KIND.observe(self.name, host)
        payloads.put(odd)
        self.bring(host, wanted("yaml", {"a": 2}, 0o600))
        self.bring(host, before)
        assert b"".join(host.files.read(self.name)) == odd
        assert host.files.stat(self.name).mode == 0o640


@pytest.mark.parametrize(
    ("format", "values", "says"),
    [
        ("toml", {"a": [1, None]}, "toml cannot hold these values: TOML has no null"),
        ("env", {"a": {"b": 1}}, "an env file is flat"),
        ("env", {"a-b": 1}, "cannot be the name of an environment variable"),
        ("env", {"a": "x\ny"}, "line break"),
    ],
)
def test_what_a_format_cannot_hold_is_a_mistake(format: str, values: dict, says: str) -> None:
    with pytest.raises(Mistake, match=says):
        wanted(format, values)


def test_the_digest_of_what_is_observed_is_that_of_the_bytes() -> None:
    host = SimulatedHost(Bytes())
    host.files.write("/x", [b"a: 1\n"], Access())
    host.files.settle()
    assert KIND.observe("/x", host).content == Digest.of(b"a: 1\n")
