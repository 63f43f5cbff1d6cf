CREATE TABLE journal (seq INTEGER PRIMARY KEY, entry TEXT NOT NULL) STRICT;
CREATE TABLE generation (
    number INTEGER PRIMARY KEY, digest TEXT NOT NULL, "commit" TEXT NOT NULL, author TEXT NOT NULL,
    subject TEXT NOT NULL, plan TEXT NOT NULL, result TEXT NOT NULL, reason TEXT,
    started TEXT NOT NULL, ended TEXT, desired TEXT NOT NULL
) STRICT;
CREATE TABLE applied (only INTEGER PRIMARY KEY CHECK (only = 1), generation INTEGER NOT NULL,
    "commit" TEXT NOT NULL, digest TEXT NOT NULL, at TEXT NOT NULL) STRICT;
CREATE TABLE inventory (resource TEXT PRIMARY KEY, origin TEXT NOT NULL,
    implied INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE floor (only INTEGER PRIMARY KEY CHECK (only = 1), "commit" TEXT NOT NULL, ref TEXT NOT NULL,
    author TEXT NOT NULL, subject TEXT NOT NULL, at TEXT NOT NULL) STRICT;
CREATE TABLE expanded (only INTEGER PRIMARY KEY CHECK (only = 1), key TEXT NOT NULL, desired TEXT NOT NULL) STRICT;
CREATE TABLE quarantine (digest TEXT PRIMARY KEY, "commit" TEXT NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL,
    at TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE hold (kind TEXT PRIMARY KEY, reason TEXT NOT NULL, since TEXT NOT NULL, lift TEXT NOT NULL,
    until TEXT) STRICT, WITHOUT ROWID;
INSERT INTO hold VALUES ('rollback', 'rolled back to generation 1', '2026-11-20T10:00:00Z', '`reconciler resume`', NULL);
INSERT INTO quarantine VALUES ('sha256:0000000000000000000000000000000000000000000000000000000000000000', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'not-converged', 'file:/a is not as it should be', '2026-11-20T10:00:00Z');
PRAGMA user_version=1;
