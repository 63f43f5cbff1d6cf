"""What git, curl and ssh say of a failure, in the words of somebody who has to act.

Their text is partly the server's own, so nothing but words depends on it, and a server that lies about its own
failure gains nothing. It is read in the C locale; what is not known here is shown as git says it.
"""

import re
from dataclasses import dataclass

_PORTAL = "perhaps the network has a login page, or a proxy answers in the server's place"
_LATER = "nothing to do here: it is tried again"


@dataclass(frozen=True, slots=True)
class Cause:
    """`is_away` where the fault is on the way or at the other end, whatever the clone is like."""

    words: str
    hint: str
    is_away: bool = True


_TABLE: tuple[tuple[str, str, str], ...] = (
    (r"could not read (?:Username|Password)", "the server wants credentials", "name a file with a line for this host"),
    (
        r"Authentication failed for|returned error: 401",
        "the server refuses the credentials",
        "the token may have run out, or is for another repo",
    ),
    (r"returned error: 403", "the server forbids it (HTTP 403)", "the token may lack the right to read this repo"),
    (
        r"repository '.*' not found|returned error: 404|does not appear to be a git repository",
        "there is no such repo, or it is hidden from us",
        "check the URL; some servers hide what the credentials do not open",
    ),
    (
        r"returned error: (3\d\d)",
        r"the server sends us elsewhere (HTTP \1)",
        f"redirects are not followed: give the URL where the repo is now; {_PORTAL}",
    ),
    (r"returned error: 429", "the server asks us to come less often (HTTP 429)", "follow at longer intervals"),
    (r"returned error: (5\d\d)", r"the server is in trouble (HTTP \1)", _LATER),
    (r"returned error: (\d{3})", r"the server refuses (HTTP \1)", _PORTAL),
    (r"is this a git repository\?|invalid (?:server|ls-refs) response", "what answers is no git repo", _PORTAL),
    (
        r"dumb http transport",
        "the server only offers files (the dumb http protocol)",
        "serve the repo by `git http-backend` or a git forge",
    ),
    (
        r"Could not resolve (?:host|proxy)|Name or service not known|name resolution",
        "its name cannot be resolved",
        "check the name and the device's DNS",
    ),
    (
        r"(?:subject name|certificate) .*does not match|no alternative certificate subject",
        "the server's certificate is for another name",
        f"check the URL; {_PORTAL}",
    ),
    (
        r"certificate verification failed|certificate signer not trusted|SSL certificate problem",
        "the server's certificate is not trusted",
        "name a file of certificates that vouch for it; check the device's clock",
    ),
    (
        r"error (?:setting|reading|adding) (?:certificate|ca cert)|SSL CA cert",
        "the file of certificates cannot be used",
        "it must hold PEM certificates",
    ),
    (
        r"(?i:gnutls)|SSL_|OpenSSL|TLS connect",
        "no TLS connection comes about",
        f"check the URL and its port; {_PORTAL}",
    ),
    (
        r"HOST IDENTIFICATION HAS CHANGED",
        "the server's host key has changed",
        "perhaps somebody stands in between: compare the new key by other means before you put it into the known hosts",
    ),
    (
        r"host key is known|Host key verification failed",
        "the server's host key is unknown",
        "get it by `ssh-keyscan`, compare it by other means, and put it into the known hosts",
    ),
    (
        r"UNPROTECTED PRIVATE KEY|bad permissions|Load key",
        "our ssh key cannot be used",
        "it must be a private key without a passphrase that only the user who runs git can read",
    ),
    (r"Permission denied \(", "the server refuses our ssh key", "allow the key to read the repo, as a deploy key"),
    (
        r"Connection refused|Couldn't connect|Failed to connect|No route to host|Network is unreachable",
        "nothing answers there",
        "check the network, the name and the port",
    ),
    (r"Out of memory", "what it says does not fit into the memory that git may use", _PORTAL),
    (r"timed out|too slow|Timeout", "the connection stands still", _LATER),
)
_BREAKS_OFF = re.compile(
    r"hung up|early EOF|Connection reset|Connection closed|closed by remote|Empty reply|Recv failure|partial file|"
    r"outstanding read data|unexpected disconnect|still expected|RPC failed|non-properly terminated|flush after|"
    r"bad line length|protocol error|remote-curl: "
)


def cause_of(text: str) -> Cause | None:
    """What is known of what a failed git wrote; None where it is for git itself to say."""
    for pattern, words, hint in _TABLE:
        if found := re.search(pattern, text):
            return Cause(found.expand(words), hint)
    if _BREAKS_OFF.search(text):
        return Cause("the connection breaks off", _LATER, is_away=False)
    return None
