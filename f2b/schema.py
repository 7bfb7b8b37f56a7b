"""What the database looks like, and how it is told from other people's."""

VERSION = 2
APPLICATION = 0x66326200  # "f2b": other people's databases are not touched

OUTBOX = """
CREATE TABLE outbox (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at REAL NOT NULL, jail TEXT NOT NULL, action TEXT NOT NULL,
    step TEXT NOT NULL, offender TEXT NOT NULL, about TEXT NOT NULL
);
"""

SCHEMA = f"""
CREATE TABLE position (
    only_one INTEGER PRIMARY KEY CHECK (only_one = 1), cursor TEXT, time REAL NOT NULL, sessions REAL
);
CREATE TABLE jails (name TEXT PRIMARY KEY, fingerprint TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE failures (
    jail TEXT NOT NULL, offender TEXT NOT NULL, cursor TEXT NOT NULL, time REAL NOT NULL,
    address TEXT NOT NULL, user TEXT, counts INTEGER NOT NULL,
    PRIMARY KEY (jail, offender, cursor)
) WITHOUT ROWID;
CREATE TABLE bans (
    jail TEXT NOT NULL, offender TEXT NOT NULL, offence INTEGER NOT NULL,
    start REAL NOT NULL, until REAL, source TEXT NOT NULL, failures INTEGER NOT NULL, session TEXT,
    ended REAL, reason TEXT,
    PRIMARY KEY (jail, offender, offence)
) WITHOUT ROWID;
{OUTBOX}
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {VERSION};
"""

FROM_OLDER = {1: OUTBOX}
"""What each version adds to the one before it, by the number of that."""
