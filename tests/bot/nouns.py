"""Random nouns for tests of what is stored and compared. They need not make sense together."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from bot.model import (
    Ceiling,
    Change,
    Current,
    Do,
    Finding,
    Goal,
    Gone,
    Kind,
    Leg,
    Loss,
    LossQuality,
    Measure,
    OnFailure,
    Phase,
    Plan,
    PointKind,
    Points,
    Preview,
    Purpose,
    RestorePoint,
    Risk,
    Span,
    Step,
    UndoMode,
    Unit,
    Verdict,
    When,
)
from bot.pins import Pin

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)  # what UTF-8 can hold
times = st.integers(946_684_800_000, 4_102_444_800_000).map(lambda ms: datetime.fromtimestamp(ms / 1000, UTC))
seconds = st.floats(0, 1e9, allow_nan=False)
counts = st.integers(0, 2**53)
values = st.none() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts


def lines() -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(texts, max_size=2).map(tuple)


def points() -> st.SearchStrategy[RestorePoint]:
    return st.builds(
        RestorePoint,
        texts,
        st.none() | times,
        texts,
        st.none() | texts,
        st.booleans(),
        st.sampled_from(PointKind),
        st.lists(st.builds(Span, times, st.none() | times), max_size=2).map(tuple),
        fingerprint=texts,
        proven_at=st.none() | times,
    )


def currents() -> st.SearchStrategy[Current]:
    return st.builds(Current, texts, texts, texts, st.none() | times, st.none() | times, st.none() | texts)


def units() -> st.SearchStrategy[tuple[Unit, ...]]:
    changes, measures = st.sampled_from(Change), st.sampled_from(Measure)
    return st.lists(st.builds(Unit, texts, counts, changes, measures, st.booleans()), max_size=2).map(tuple)


def losses() -> st.SearchStrategy[Loss]:
    return st.builds(Loss, st.sampled_from(LossQuality), st.none() | times, units(), texts, st.none() | times)


def goals() -> st.SearchStrategy[Goal]:
    return st.builds(Goal, point=texts) | st.builds(Goal, before=times) | st.builds(Goal, undo_of=texts)


def findings() -> st.SearchStrategy[Finding]:
    verdicts = st.none() | st.sampled_from(Verdict)
    return st.builds(Finding, texts, st.sampled_from(When), verdicts, values, values, texts)


def all_points() -> st.SearchStrategy[Points]:
    listed = st.lists(points(), max_size=3).map(tuple)
    return st.builds(Points, listed, currents(), lines())


def legs() -> st.SearchStrategy[Leg]:
    gone = st.builds(Gone, texts, texts, st.none() | times, texts, texts)
    return st.builds(
        Leg,
        texts,
        currents(),
        points(),
        losses(),
        st.lists(gone, max_size=2).map(tuple),
        texts,
        st.sampled_from(Preview),
        st.sampled_from(UndoMode),
        st.lists(st.builds(Pin, texts, texts), max_size=2).map(tuple),
    )


def steps() -> st.SearchStrategy[Step]:
    return st.builds(
        Step,
        st.integers(1, 99),
        st.sampled_from(Phase),
        st.sampled_from(Do),
        texts,
        seconds,
        st.sampled_from(OnFailure),
        texts,
    )


def plans() -> st.SearchStrategy[Plan]:
    return st.builds(
        Plan,
        target=texts,
        kind=st.sampled_from(Kind),
        environment=texts,
        purpose=st.sampled_from(Purpose),
        risk=st.sampled_from(Risk),
        legs=st.lists(legs(), max_size=2).map(tuple),
        loss=losses(),
        ceiling=st.builds(Ceiling, st.none() | seconds, units()),
        rpo=st.none() | seconds,
        rto=st.none() | seconds,
        outage=st.none() | seconds,
        outage_range=st.none() | st.tuples(seconds, seconds),
        outage_runs=counts,
        undo_days=counts,
        steps=st.lists(steps(), max_size=2).map(tuple),
        warnings=lines(),
        blockers=lines(),
        approvals_needed=counts,
        approvers=lines(),
        expires=seconds,
        start_within=seconds,
        policy_digest=texts,
        procedure_digest=texts,
        made_at=times,
    )
