"""From the repo to a desired state that may be trusted: each stage takes what the one before gives, and asks no more.

What was accepted and expanded once is not parsed again: at rest, this is one look at the repo's head.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler import __version__
from reconciler.agent.aside import aside
from reconciler.agent.parts import Parts
from reconciler.agent.settings import arch
from reconciler.core.desired import Desired
from reconciler.core.errors import CorruptStore, HostileSource, Moved
from reconciler.core.facts import Head
from reconciler.core.identity import Digest, Revision
from reconciler.source.git import Source
from reconciler.store.floor import Floor


class Material:
    """Bytes by digest: from the store where they are kept, else from the revision that was just read."""

    def __init__(self, parts: Parts, fresh: dict[Digest, bytes] | None = None) -> None:
        self._objects = parts.store.objects
        self._fresh = fresh or {}

    def open(self, digest: Digest) -> Iterator[bytes]:
        if digest in self._fresh:
            return iter((self._fresh[digest],))
        return self._objects.open(digest)


@dataclass(frozen=True, slots=True)
class Followed:
    """What the head of the repo asks of this device, and who asked."""

    head: Head
    desired: Desired
    author: str
    subject: str
    material: Material


def still(parts: Parts, head: Head) -> Followed | None:
    """What was followed a moment ago, without asking the repo again; None where it is not at hand."""
    floor = parts.store.floor.get()
    if floor is None or floor.commit != head.commit or (known := _remembered(parts, head.commit)) is None:
        return None
    return Followed(head, known, floor.author, floor.subject, Material(parts))


def follow(parts: Parts, *, keep: bool, revision: Revision | None = None) -> Followed:
    """`keep` raises the floor and remembers what was made of it; without it nothing is written but the clone.

    Raises Transient where the repo cannot be reached, Rejected where what it holds cannot be accepted.
    """
    source = parts.source()
    floor = parts.store.floor.get()
    revision = revision or source.head(floor.commit if floor else None)
    if (followed := still(parts, Head(revision, parts.settings.ref, parts.now()))) is not None:
        return followed
    if not (parts.is_resident and keep):
        return _read(parts, source, revision, keep=keep)
    parts.store.close()  # a connection to SQLite does not survive a fork
    aside(lambda: _read(parts, source, revision, keep=True).head)
    if (followed := still(parts, Head(revision, parts.settings.ref, parts.now()))) is None:
        raise CorruptStore("cannot read back the desired state that was just stored")
    return followed


def _read(parts: Parts, source: Source, revision: Revision, *, keep: bool) -> Followed:
    # Here, because most passes read nothing, and the language is most of the start-up time.
    from reconciler.language.expand import Facts, expand  # noqa: PLC0415
    from reconciler.language.load import load  # noqa: PLC0415
    from reconciler.language.vocabulary import Vocabulary  # noqa: PLC0415

    floor = parts.store.floor.get()
    with source.open(revision, floor.commit if floor else None) as snapshot:
        commit = snapshot.commit
        head = Head(revision, parts.settings.ref, parts.now())
        author = f"{commit.author} <{commit.email}>"
        if keep and (floor is None or floor.commit != revision):
            with parts.store.transaction():
                parts.store.floor.raise_to(Floor(revision, head.ref, author, commit.subject, parts.now()))
        vocabulary = Vocabulary(parts.kinds, parts.probes)
        expansion = expand(load(snapshot, parts.settings.device), vocabulary, Facts(arch()))
        desired = expansion.desired
        if not keep:
            near = desired.payloads - desired.remotes.keys()
            fresh = {digest: expansion.payload(digest) for digest in near}
            return Followed(head, desired, author, commit.subject, Material(parts, fresh))
        with parts.store.objects.batch():
            for digest in sorted(desired.payloads):
                if digest not in desired.remotes:
                    parts.store.objects.put((expansion.payload(digest),), digest)
                elif not parts.store.objects.has(digest):
                    _download(parts, digest, desired.remotes[digest])
            object = parts.store.save_desired(desired)
        with parts.store.transaction():
            parts.store.floor.remember(_key(parts, revision), object)
        return Followed(head, desired, author, commit.subject, Material(parts))


def _download(parts: Parts, digest: Digest, url: str) -> None:
    """Into the batch of objects that is open. Raises Transient; what has another digest is not kept, either."""
    parts.say(f"downloading {url.partition('?')[0]}")
    try:
        parts.store.objects.put(parts.fetch(url), digest)
    except Moved as error:
        hint, where = "check the sha256 in the desired state, or what the server gives", url.partition("?")[0]
        raise HostileSource("cannot use a download: its sha256 is another", where=where, hint=hint) from error


def _remembered(parts: Parts, revision: Revision) -> Desired | None:
    """None too where it, or a payload of it, was lost: then it is made anew."""
    object = parts.store.floor.expanded(_key(parts, revision))
    if object is None:
        return None
    try:
        desired = parts.store.load_desired(object)
    except CorruptStore:
        return None
    return None if parts.store.objects.missing(desired.payloads) else desired


def _key(parts: Parts, revision: Revision) -> str:
    return json.dumps([str(revision), str(parts.settings.device), arch(), __version__])
