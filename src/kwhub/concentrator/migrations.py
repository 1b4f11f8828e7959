"""The tables of the store, as the numbered steps that led to them.

A file is brought to the newest version when it is opened, each step in one transaction.
"""

__all__ = ["MIGRATIONS"]

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE reading (
            id INTEGER PRIMARY KEY AUTOINCREMENT, -- the place in the outbox, never given twice
            point INTEGER NOT NULL,
            register TEXT NOT NULL,
            interval_s INTEGER NOT NULL,
            at INTEGER NOT NULL,
            value INTEGER,                        -- value * 10^scale; NULL: the meter has none
            scale INTEGER NOT NULL,
            quality INTEGER NOT NULL,
            received_at INTEGER NOT NULL,
            source TEXT NOT NULL,
            delivered_at INTEGER,                 -- NULL: the head-end has not confirmed it
            withheld TEXT,                        -- why it cannot be said on the uplink
            UNIQUE (point, register, interval_s, at)
        ) STRICT""",
        """CREATE INDEX reading_waiting ON reading (id)
            WHERE delivered_at IS NULL AND withheld IS NULL""",
        "CREATE INDEX reading_delivered ON reading (delivered_at) WHERE delivered_at IS NOT NULL",
        """CREATE TABLE meter (
            point INTEGER PRIMARY KEY,
            address TEXT NOT NULL,
            silent_since INTEGER,
            attempts INTEGER NOT NULL DEFAULT 0,
            next_try INTEGER NOT NULL DEFAULT 0,
            clock_error_s REAL,
            clock_read_at INTEGER
        ) STRICT""",
        """CREATE TABLE progress (                  -- all planned before or at "until" is got or a gap
            point INTEGER NOT NULL,
            series TEXT NOT NULL,
            until INTEGER NOT NULL,
            PRIMARY KEY (point, series)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE gap (
            point INTEGER NOT NULL,
            register TEXT NOT NULL,
            interval_s INTEGER NOT NULL,
            at INTEGER NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('open', 'lost')),
            reason TEXT NOT NULL,
            attempts INTEGER NOT NULL,
            next_try INTEGER NOT NULL,
            PRIMARY KEY (point, interval_s, at, register)
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX gap_open ON gap (point, next_try) WHERE state = 'open'",
    ),
    ("ALTER TABLE gap ADD COLUMN silences INTEGER NOT NULL DEFAULT 0",),
    (
        "ALTER TABLE meter ADD COLUMN adopted_at INTEGER",  # NULL: no other meter was here before
        """CREATE TABLE reading_of_meter (
            id INTEGER PRIMARY KEY AUTOINCREMENT, -- the place in the outbox, never given twice
            point INTEGER NOT NULL,
            meter TEXT NOT NULL,                  -- its address; another may take its place
            register TEXT NOT NULL,
            interval_s INTEGER NOT NULL,
            at INTEGER NOT NULL,
            value INTEGER,                        -- value * 10^scale; NULL: the meter has none
            scale INTEGER NOT NULL,
            quality INTEGER NOT NULL,
            received_at INTEGER NOT NULL,
            source TEXT NOT NULL,
            delivered_at INTEGER,                 -- NULL: the head-end has not confirmed it
            withheld TEXT,                        -- why it is not offered to the head-end
            UNIQUE (point, register, interval_s, at, meter)
        ) STRICT""",
        """INSERT INTO reading_of_meter
            SELECT reading.id, reading.point, coalesce(meter.address, ''), register, interval_s, at,
                value, scale, quality, received_at, source, delivered_at, withheld
            FROM reading LEFT JOIN meter ON meter.point = reading.point ORDER BY reading.id""",
        # The next place comes after all that were ever given, also when their rows are forgotten.
        "DELETE FROM sqlite_sequence WHERE name = 'reading_of_meter'",
        """INSERT INTO sqlite_sequence (name, seq)
            SELECT 'reading_of_meter', seq FROM sqlite_sequence WHERE name = 'reading'""",
        "DROP TABLE reading",
        "ALTER TABLE reading_of_meter RENAME TO reading",
        """CREATE INDEX reading_waiting ON reading (id)
            WHERE delivered_at IS NULL AND withheld IS NULL""",
        "CREATE INDEX reading_delivered ON reading (delivered_at) WHERE delivered_at IS NOT NULL",
    ),
    ("CREATE INDEX reading_withheld ON reading (received_at) WHERE withheld IS NOT NULL",),
    (
        """CREATE TABLE archive (                   -- 04-F10: which meter is at which point
            place INTEGER PRIMARY KEY,            -- the index of F10
            point INTEGER NOT NULL UNIQUE,
            record BLOB NOT NULL                  -- 27 bytes as on the wire
        ) STRICT""",
        """CREATE TABLE archive_seed (              -- what the settings file said last
            point INTEGER PRIMARY KEY,
            record BLOB NOT NULL
        ) STRICT""",
        """CREATE TABLE parameter (                 -- everything else that AFN 04 sets
            function INTEGER NOT NULL,
            point INTEGER NOT NULL,
            item INTEGER NOT NULL,                -- port, index or class in a list; else 0
            data BLOB NOT NULL,
            PRIMARY KEY (function, point, item)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE state (                     -- what AFN 05 orders and a restart must not forget
            name TEXT PRIMARY KEY,
            value INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE event (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            important INTEGER NOT NULL,
            number INTEGER NOT NULL,              -- counted from 0 within its class; EC is modulo 256
            code INTEGER NOT NULL,                -- ERC
            at INTEGER NOT NULL,                  -- seconds since 1970 UTC
            body BLOB NOT NULL,
            reported_at INTEGER,
            UNIQUE (important, number)
        ) STRICT""",
        """CREATE TABLE file_segment (
            file INTEGER NOT NULL,
            segment INTEGER NOT NULL,
            data BLOB NOT NULL,
            PRIMARY KEY (file, segment)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE file (
            file INTEGER PRIMARY KEY,
            segments INTEGER NOT NULL,
            sha256 TEXT,                          -- NULL: not complete yet
            completed_at INTEGER
        ) STRICT""",
    ),
    (
        "ALTER TABLE gap ADD COLUMN cause TEXT NOT NULL DEFAULT 'unknown'",
        """CREATE TABLE duty (                      -- what is wanted of a point since when
            point INTEGER NOT NULL,
            series TEXT NOT NULL,
            register TEXT NOT NULL,
            interval_s INTEGER NOT NULL,
            since INTEGER NOT NULL,
            PRIMARY KEY (point, series, register)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE drift (                     -- what a meter's clock showed, beside ours
            point INTEGER NOT NULL,
            at INTEGER NOT NULL,
            error_s REAL NOT NULL,                -- meter minus ours
            PRIMARY KEY (point, at)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE clock_order (               -- when a meter was told the time last
            point INTEGER PRIMARY KEY,
            at INTEGER NOT NULL
        ) STRICT""",
        """CREATE TABLE meter_word (                -- status words as they were read last
            point INTEGER PRIMARY KEY,
            at INTEGER NOT NULL,
            words BLOB NOT NULL,
            counted_at INTEGER NOT NULL           -- when all counters were read last
        ) STRICT""",
        """CREATE TABLE meter_count (               -- how often a thing happened, as told by the meter
            point INTEGER NOT NULL,
            kind TEXT NOT NULL,
            place INTEGER NOT NULL,
            count INTEGER NOT NULL,
            PRIMARY KEY (point, kind, place)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE abnormal (                  -- meters with which something is wrong now
            point INTEGER NOT NULL,
            kind TEXT NOT NULL,
            since INTEGER NOT NULL,
            detail TEXT NOT NULL,
            PRIMARY KEY (point, kind)
        ) STRICT, WITHOUT ROWID""",
    ),
    (
        """CREATE TABLE forgotten (                 -- values up to here were kept and dropped again
            point INTEGER NOT NULL,
            register TEXT NOT NULL,
            interval_s INTEGER NOT NULL,
            until INTEGER NOT NULL,
            PRIMARY KEY (point, register, interval_s)
        ) STRICT, WITHOUT ROWID""",
    ),
    (
        """CREATE TABLE task_run (                  -- 04-F65 and F66: the run that was done last
            class INTEGER NOT NULL,
            task INTEGER NOT NULL,
            at INTEGER NOT NULL,                  -- its moment, seconds since 1970 UTC
            PRIMARY KEY (class, task)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE task_report (               -- waits until the head-end has confirmed it
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            afn INTEGER NOT NULL,
            body BLOB NOT NULL                    -- data units as on the wire
        ) STRICT""",
    ),
)
"""Numbered from 1; a published one is never edited."""
