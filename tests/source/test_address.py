"""A URL names a transport of git's, and nothing else; a secret in it is refused without being shown."""

import pytest

from reconciler.core.errors import BadSettings, NotSupported
from reconciler.source.address import without_user
from reconciler.source.remote import Remote


@pytest.mark.parametrize(
    ("url", "scheme", "path"),
    [
        ("/srv/git/r", "file", "/srv/git/r"),
        ("file:///srv/a%20b", "file", "/srv/a b"),
        ("file://localhost/srv/r", "file", "/srv/r"),
        ("http://127.0.0.1:8080/r", "http", "http://127.0.0.1:8080/r"),
        ("https://git.example.org/home/r.git", "https", "https://git.example.org/home/r.git"),
        ("https://[::1]:443/r", "https", "https://[::1]:443/r"),
        ("https://example.org/r@v2", "https", "https://example.org/r@v2"),
        ("ssh://git@example.org:2222/r.git", "ssh", "ssh://git@example.org:2222/r.git"),
        ("ssh://example.org/~me/r", "ssh", "ssh://example.org/~me/r"),
        ("git@example.org:home/r.git", "ssh", "git@example.org:home/r.git"),
    ],
)
def test_a_url_says_how_git_goes(url, scheme, path):
    assert (Remote(url).scheme, Remote(url).path) == (scheme, path)


@pytest.mark.parametrize(
    "url",
    [
        "git://example.org/r",
        "ftp://h/r",
        "HTTP://h/r",
        "https:///r",
        "https://h",
        "host:r.git",
        "relative/path",
        "~/r",
        "",
        "ext::sh",
        "file://elsewhere/r",
        "http::https://h/r",
        "ssh://-oProxyCommand=x/r",
        "https://h/r?token=hidden",
    ],
)
def test_other_transports_are_refused_by_name(url):
    with pytest.raises(NotSupported, match="no such transport") as caught:
        Remote(url)
    assert "give https" in caught.value.hint
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://me:hidden@h/r",
        "https://hidden@h/r",
        "http://me:hidden@h/r",
        "ssh://me:hidden@h/r",
        "git://me:hidden@h/r",
        "me:hidden@h:r",
        "https://me:hid/hidden@h/r",
        "https://a@hidden@h/r",
        "https://me:hidden@h/\n",
        "hidden@h:-x",
        "hidden@-oProxyCommand=x:r",
        "-hidden@h:r",
    ],
)
def test_a_name_or_password_is_not_shown(url):
    with pytest.raises(BadSettings) as caught:
        Remote(url)
    assert "hidden" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    "url", ["-x", "--upload-pack=touch", "/a\nb", "/a\0b", "file:///a%00b", "file:///a%0ab", "https://h/%0aHost:x"]
)
def test_a_url_that_could_be_something_else_is_refused(url):
    with pytest.raises(BadSettings):
        Remote(url)


def test_what_git_says_is_shown_without_names():
    said = "could not read Password for 'https://hidden@h:1': x; https://a:hidden@h/r, https://h/r"
    assert without_user(said) == "could not read Password for 'https://…@h:1': x; https://…@h/r, https://h/r"
