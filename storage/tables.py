"""Every table. Times are text, `2026-11-22T10:00:00.000Z`: they sort as they pass, on every database.

Truth: `run_events` and `evidence`, only ever appended to. `runs` is a projection of them, written
by the store alone. The rest is what has still to be done or was done about them.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Which rows `ix_runs_behind` and `ix_cards_owed` hold stands in their migration alone: said here, it would
# import the dialect of PostgreSQL, 60 ms that a start with an SQLite file does not need.

installation = Table(
    "installation",
    metadata,
    Column("id", String(8), primary_key=True),  # random; part of every op id
    Column("made_at", String(24), nullable=False),
    Column("runs", Integer, nullable=False),  # number of the newest run; who takes the next one counts it up
    Column("backups", Integer, nullable=False, server_default="0"),  # as `runs`, of those by the clock
    Column("restored_at", String(24), nullable=True),  # by `db restore`; null: this is no restored backup
    Column("restored_from", String(24), nullable=True),  # when the backup's newest evidence was written
)

run_events = Table(
    "run_events",
    metadata,
    Column("run_id", String(16), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),  # from 1, no gaps
    Column("at", String(24), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("by", String(32), nullable=False),  # Slack user id; empty: the bot
    Column("data", JSON, nullable=False),
    Column("signature", String(128), nullable=False),  # Ed25519 in hex; empty: the driver's event
)

evidence = Table(
    "evidence",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=False),  # from 1, no gaps
    Column("at", String(24), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("run_id", String(16), nullable=True),  # null: belongs to no run
    Column("by", String(64), nullable=False),
    Column("body", Text, nullable=False),  # canonical JSON: what is hashed
    Column("prev", String(64), nullable=False),  # hash of the entry before; zeros at the first
    Column("hash", String(64), nullable=False),  # SHA-256 over prev and body
    Index("ix_evidence_run_id", "run_id"),
)

evidence_head = Table(
    "evidence_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # always 1
    Column("n", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("run_id", String(16), primary_key=True),
    Column("number", Integer, nullable=False, unique=True),  # of RB-42: 42; of BK-7, which is in no list: -7
    Column("target", String(64), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("drill_of", String(64), nullable=True),  # of a rehearsal: the target whose drill it is
    Column("requester", String(32), nullable=False),
    Column("requester_human", String(128), nullable=False),
    Column("channel", String(32), nullable=False),
    Column("state", String(24), nullable=False),
    Column("phase", String(16), nullable=True),
    Column("final", Boolean, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("requested_at", String(24), nullable=False),
    Column("changed_at", String(24), nullable=False),
    Column("outage_seconds", Integer, nullable=True),  # of a succeeded run
    Column("due_at", String(24), nullable=True),  # when the clock ends it; null: never
    Column("wants_driving", Boolean, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("lease_until", String(24), nullable=True),  # null: nobody drives
    Column("progress", JSON, nullable=True),  # of the step under way; never an event
    Column("shown_seq", Integer, nullable=False),  # the seq that every card shows; behind: a card is owed
    Index("ix_runs_target", "target", "number"),
    Index("ix_runs_due_at", "due_at"),
    Index("ix_runs_open", "final", "number"),
    Index("ix_runs_wants_driving", "wants_driving", "lease_until"),
    Index("ix_runs_behind", "changed_at"),
)

target_locks = Table(
    "target_locks",
    metadata,
    Column("target", String(64), primary_key=True),  # one open run a target
    Column("run_id", String(16), ForeignKey("runs.run_id"), nullable=False),
)

holds = Table(
    "holds",
    metadata,
    Column("target", String(64), primary_key=True),
    Column("point", String(256), primary_key=True),  # the version that was rolled back
    Column("run_id", String(16), nullable=False),
    Column("placed_at", String(24), nullable=False),
    Column("lifted_at", String(24), nullable=True),
)

spans = Table(
    "spans",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("target", String(64), nullable=False),
    Column("point", String(256), nullable=False),  # what was live, as its backend calls it
    Column("token", String(512), nullable=False),
    Column("label", String(256), nullable=False),
    Column("author", String(256), nullable=True),
    Column("run_id", String(16), nullable=True),  # our run that put it there
    Column("after", String(24), nullable=True),  # when another state was seen last; null: nobody had looked
    Column("since", String(24), nullable=False),  # from when on it was live for certain
    Column("seen", String(24), nullable=False),  # when it was seen last
    Index("ix_spans_target", "target", "id"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("key", String(255), primary_key=True),  # of Slack's payload, in the transaction of its effect
    Column("at", String(24), nullable=False),
    Index("ix_deliveries_at", "at"),
)

looks = Table(
    "looks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("target", String(64), nullable=False),
    Column("goal", JSON, nullable=True),  # null: the points only
    Column("wanted_at", String(24), nullable=False),
    Column("answered_at", String(24), nullable=True),
    Column("answer", JSON, nullable=True),
    Index("ix_looks_answered_at", "answered_at"),
)

modals = Table(
    "modals",
    metadata,
    Column("view_id", String(32), primary_key=True),
    Column("person", String(32), nullable=False),
    Column("target", String(64), nullable=False),
    Column("look_id", Integer, nullable=False),  # that fills it
    Column("context", JSON, nullable=False),  # what the person chose so far
    Column("opened_at", String(24), nullable=False),
    Column("filled", String(16), nullable=False),  # what it shows: reading, late, filled
    Column("send_to", String(32), nullable=True),  # "send it to me": whom to message the answer
)

duties = Table(
    "duties",
    metadata,
    Column("key", String(12), primary_key=True),  # random; what its buttons carry
    Column("kind", String(16), nullable=False),
    Column("target", String(64), nullable=False),
    Column("run_id", String(16), nullable=False),  # the drill that it follows; empty: it follows none
    Column("due_at", String(24), nullable=False),
    Column("next_at", String(24), nullable=False),  # when somebody is told next
    Column("told", Integer, nullable=False),  # how often; whoever tells it counts it up
    Column("every_seconds", Integer, nullable=True),  # null: it is done once
    Column("passed_at", String(24), nullable=True),  # when a drill passed last
    Column("passed_over", Integer, nullable=False),  # how many of those who are told could not be reached
    Column("card", String(16), nullable=True),  # the message in which it was told last
    Column("put_off_by", String(32), nullable=True),
    Column("put_off_why", Text, nullable=False),
    Column("handed_to", String(32), nullable=True),  # who is told instead
    Column("done_at", String(24), nullable=True),  # of a follow-up or an old point; null: it is open
    Column("done_by", String(32), nullable=True),  # who says so, or the drill that has shown it
    Column("newest_at", String(24), nullable=True),  # of an old point: of when it is; null: there is none
    Column("because", Text, nullable=True),  # of a drill: after which change; null: it is due by its time
    Column("changed_at", String(24), nullable=True),  # when one was due by a change last
    UniqueConstraint("kind", "target", "run_id", name="uq_duties_what"),
    Index("ix_duties_next_at", "next_at"),
    Index("ix_duties_card", "card"),
)

schedules = Table(
    "schedules",
    metadata,
    Column("target", String(64), primary_key=True),
    Column("every_seconds", Integer, nullable=False),
    Column("due_at", String(24), nullable=False),  # of the next backup
    Column("begun", Integer, nullable=False),  # how often; whoever begins one counts it up
)

changes = Table(
    "changes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("target", String(64), nullable=False),
    Column("at", String(24), nullable=False),  # when it was done
    Column("heard_at", String(24), nullable=False),
    Column("source", String(64), nullable=False),  # the name of the hook; empty: a look has seen it
    Column("kind", String(64), nullable=False),
    Column("label", String(256), nullable=False),
    Column("author", String(256), nullable=False),
    Column("paths", JSON, nullable=False),
    Column("size", BigInteger, nullable=True),
    Column("significant", Boolean, nullable=False),
    Column("times", Integer, nullable=False),  # how often it was told within a minute
    Index("ix_changes_target", "target", "at"),
    Index("ix_changes_heard_at", "heard_at"),
)

practices = Table(
    "practices",
    metadata,
    Column("person", String(32), primary_key=True),  # account of an approver
    Column("asked_at", String(24), nullable=False),
    Column("card", String(16), nullable=False),  # the newest message; its buttons carry the key
    Column("answered_at", String(24), nullable=True),
    Column("answer", String(8), nullable=False),  # yes, no; empty: none yet
    Column("silent", Integer, nullable=False),  # messages before it, in a row, without an answer
    Index("ix_practices_card", "card"),
)

proofs = Table(
    "proofs",
    metadata,
    Column("target", String(64), primary_key=True),
    Column("point", String(256), primary_key=True),
    # The newest drill of it that has shown something, else the backup that has saved it and looked into it.
    # What that was is told by its events, which are proven.
    Column("run_id", String(16), nullable=False),
)

cards = Table(
    "cards",
    metadata,
    Column("key", String(16), primary_key=True),  # random; the opaque part of its buttons' values
    Column("run_id", String(16), nullable=False),  # empty: a reminder, or a digest
    Column("kind", String(16), nullable=False),  # as `storage.cards.CardKind` has them
    Column("recipient", String(32), nullable=False),  # channel id, or user id of a direct copy
    Column("moment", String(32), nullable=False),  # of a notice or a digest: which; else empty
    Column("thread_ts", String(32), nullable=True),
    Column("channel", String(32), nullable=True),  # where it really stands; null: not posted yet
    Column("ts", String(32), nullable=True),
    Column("drawn", String(64), nullable=True),  # digest of what it shows
    Column("drawn_at", String(24), nullable=True),
    Column("made_at", String(24), nullable=False),
    Column("tried_at", String(24), nullable=True),  # a post was sent; without ts: its answer was lost
    Column("gone", String(64), nullable=True),  # why it cannot be posted or changed any more
    Column("superseded_ts", String(32), nullable=True),  # an older message of it, to be marked so
    UniqueConstraint("run_id", "kind", "recipient", "moment", name="uq_cards_place"),
    Index("ix_cards_owed", "run_id"),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(32), primary_key=True),  # of what only one process may do: publisher, spool:NAME
    Column("holder", String(64), nullable=False),
    Column("epoch", Integer, nullable=False),  # counted up with every holder
    Column("until", String(24), nullable=True),  # null: given back
)

processes = Table(
    "processes",
    metadata,
    Column("id", String(16), primary_key=True),  # random, another one at each start
    Column("name", String(64), nullable=False),  # host and pid
    Column("role", String(8), nullable=False),
    Column("zone", String(64), nullable=False),  # of a worker; else empty
    Column("version", String(32), nullable=False),
    Column("key", String(8), nullable=False),  # which key it signs with, without telling it
    Column("pins", JSON, nullable=False),  # target to a digest of what its settings and programs come to
    Column("started_at", String(24), nullable=False),
    Column("seen_at", String(24), nullable=False),  # renewed by the process itself
)
