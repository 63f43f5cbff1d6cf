"""A text that leaves a device shows no secret, and is still of use to whoever helps."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.redact import REDACTED, redact, redacted

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\nhunter2\n-----END OPENSSH PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("situation", "text", "shown"),
    [
        ("a variable", "run with DB_PASSWORD=hunter2 now", "run with DB_PASSWORD=« now"),
        ("a variable in quotes", "PASSPHRASE='hunter2 x' now", "PASSPHRASE=« now"),
        ("a variable with an escaped quote", r'token="hunter2\"hunter2" now', "token=« now"),
        ("a query", "https://x.org/?access_token=hunter2&page=2", "https://x.org/?access_token=«&page=2"),
        ("any key", "key=hunter2 apiKey=hunter2", "key=« apiKey=«"),
        ("an ini file", "password = hunter2 hunter2\nuser = ada", "password = «\nuser = ada"),
        ("toml", 'secret = "hunter2"  # why', "secret = «  # why"),
        ("yaml", "  password: hunter2 hunter2\n  user: ada", "  password: «\n  user: ada"),
        ("yaml of one line", "{user: ada, apiKey: hunter2}", "{user: ada, apiKey: «"),
        ("json", '{"password":"hunter2","user":"ada"}', '{"password":«,"user":"ada"}'),
        ("json with blanks", '{"key": "hunter2", "user": "ada"}', '{"key": «, "user": "ada"}'),
        ("a log", "passwd:hunter2 for ada", "passwd:« for ada"),
        ("a header", "Authorization: Bearer hunter2hunter2", "Authorization: «"),
        ("a bearer", "sent bearer hunter2hunter2== to it", "sent bearer « to it"),
        ("a URL", "cannot reach https://ada:hunter2@x.org/a.git: no", "cannot reach https://«@x.org/a.git: no"),
        ("a URL whose password has slashes", "https://ada:hun/ter2@x.org/a", "https://«@x.org/a"),
        ("a token in a URL", "'https://hunter2@x.org/'", "'https://«@x.org/'"),
        ("a private key", f"before {KEY} after", "before « after"),
        ("a private key without its end", KEY[:60], "«"),
        ("an age key", "AGE-SECRET-KEY-1HUNTER2 and more", "« and more"),
        ("a token of a forge", "used ghp_hunter2 and glpat-hunter2", "used « and «"),
    ],
)
def test_a_secret_in(situation: str, text: str, shown: str) -> None:
    assert "hunter2" not in redact(text).lower(), situation
    assert redact(text) == shown.replace("«", REDACTED), situation


@pytest.mark.parametrize(
    "text",
    [
        "cannot use the ssh key: others may read or change it: /etc/reconciler/key",
        "sha256:2f8eae53e31f0541810e89798a4a015b775e77dd0a723536d0e5d2b49576bcff",
        "git@example.org:home/desired-state.git",
        "https://example.org/home.git at 545786b5f833",
        "secret:db-password",
        "file:/etc/secret.yml: other content",
        "passwordFile: /etc/app/password",
        "mode: 0600 → 0644",
        "Ada <ada@example.org>",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_plain_data_is_redacted_in_depth() -> None:
    data = {
        "url": "https://ada:hunter2@x.org/",
        "list": [{"dbPassword": ["hunter2"]}, "token=hunter2"],
        "apiToken": None,
        "password=hunter2": 1,
        "count": 7,
    }
    shown = redacted(data)
    assert "hunter2" not in json.dumps(shown)
    assert (shown["count"], shown["apiToken"]) == (7, None)
    assert shown["list"][0]["dbPassword"] == REDACTED


WORDS = ["password", "=", ": ", '"', "'", "\\", " ", "\n", "x", "://", "@", "key", KEY, REDACTED]


@given(st.lists(st.sampled_from(WORDS)))
def test_redacting_twice_is_redacting_once(words: list[str]) -> None:
    once = redact("".join(words))
    assert redact(once) == once
