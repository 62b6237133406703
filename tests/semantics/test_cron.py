"""Cron schedules: what robfig/cron reads and when it runs."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.semantics.cron import CronError, parse


def stamp(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("line", "after", "expected"),
    [
        ("*/5 * * * *", "2026-01-01T00:03:10Z", "2026-01-01T00:05:00Z"),
        ("* * * * *", "2026-01-01T00:03:00Z", "2026-01-01T00:04:00Z"),
        ("0 9 * * mon-fri", "2026-01-02T10:00:00Z", "2026-01-05T09:00:00Z"),
        ("30 4 1,15 * *", "2026-01-01T05:00:00Z", "2026-01-15T04:30:00Z"),
        ("0 0 13 * 5", "2026-01-10T00:00:00Z", "2026-01-13T00:00:00Z"),
        ("@monthly", "2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z"),
        ("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("0 0 31 2 *", "2026-01-01T00:00:00Z", None),
        # What robfig/cron reads and others do not.
        ("1,2,,3 * * * *", "2026-01-01T00:02:00Z", "2026-01-01T00:03:00Z"),
        ("+5 * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z"),
        (", * * * *", "2026-01-01T00:00:00Z", None),
        ("*-7 * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"),
        ("50/5 * * * *", "2026-01-01T00:52:00Z", "2026-01-01T00:55:00Z"),
        ("0 0 * JAN Sun", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"),
        # A star with a step is no star: either field will do. One among others is: both have to match.
        ("0 0 */2 * 1", "2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z"),
        ("0 0 */1 * 1", "2026-01-01T00:00:00Z", "2026-01-05T00:00:00Z"),
        ("0 0 1,* * 1", "2026-01-01T00:00:00Z", "2026-01-05T00:00:00Z"),
        ("0 0 13 * */2", "2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z"),
        ("0 0 ? * 1", "2026-01-01T00:00:00Z", "2026-01-05T00:00:00Z"),
        # Durations.
        ("@every 1h30m", "2026-01-01T00:00:00Z", "2026-01-01T01:30:00Z"),
        ("@every 90000ms", "2026-01-01T00:00:00Z", "2026-01-01T00:01:30Z"),
        ("@every 1.5s", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"),
        ("@every 0", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"),
        ("@every -5m", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"),
        # Zones, and days on which the clocks change.
        ("TZ=Europe/Berlin 0 12 * * *", "2026-07-01T00:00:00Z", "2026-07-01T10:00:00Z"),
        ("CRON_TZ=Asia/Tokyo 0 0 * * *", "2026-01-01T00:00:00Z", "2026-01-01T15:00:00Z"),
        ("TZ=Asia/Tokyo   @daily", "2026-01-01T00:00:00Z", "2026-01-01T15:00:00Z"),
        ("TZ=Europe/Berlin 30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z"),
        ("TZ=Europe/Berlin 30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
        ("TZ=Europe/Berlin 30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
        ("TZ=America/Sao_Paulo 0 0 * * *", "2018-11-03T12:00:00Z", "2018-11-05T02:00:00Z"),
    ],
)
def test_next(line: str, after: str, expected: str | None) -> None:
    assert parse(line).next(stamp(after)) == (stamp(expected) if expected else None)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("", "empty spec string"),
        (" ", "expected exactly 5 fields, found 0: []"),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        (" @daily", "expected exactly 5 fields, found 1: [@daily]"),
        ("@daily ", "unrecognized descriptor: @daily "),
        ("@often", "unrecognized descriptor: @often"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("a * * * *", 'failed to parse int from a: strconv.Atoi: parsing "a": invalid syntax'),
        ("a/1/2 * * * *", 'failed to parse int from a: strconv.Atoi: parsing "a": invalid syntax'),
        ("1_0 * * * *", 'failed to parse int from 1_0: strconv.Atoi: parsing "1_0": invalid syntax'),
        ("\u0661 * * * *", 'failed to parse int from \u0661: strconv.Atoi: parsing "\u0661": invalid syntax'),
        ("*/mon * * * mon", 'failed to parse int from mon: strconv.Atoi: parsing "mon": invalid syntax'),
        (f"{2**63} * * * *", f'failed to parse int from {2**63}: strconv.Atoi: parsing "{2**63}": value out of range'),
        ("@every 5", 'failed to parse duration @every 5: time: missing unit in duration "5"'),
        ("@every x", 'failed to parse duration @every x: time: invalid duration "x"'),
        ("@every 5y", 'failed to parse duration @every 5y: time: unknown unit "y" in duration "5y"'),
        ("@every ", 'failed to parse duration @every : time: invalid duration ""'),
        ("TZ=Nowhere/X * * * * *", "provided bad location Nowhere/X: unknown time zone Nowhere/X"),
    ],
)
def test_errors(line: str, error: str) -> None:
    with pytest.raises(CronError) as raised:
        parse(line)
    assert str(raised.value) == error


NUMBERS = st.integers(0, 70).map(str)
PIECES = st.one_of(
    NUMBERS, st.just("*"), st.tuples(NUMBERS, NUMBERS).map("-".join), st.tuples(st.just("*"), NUMBERS).map("/".join)
)
FIELDS = st.lists(PIECES, min_size=1, max_size=3).map(",".join)


@given(st.lists(FIELDS, min_size=5, max_size=5).map(" ".join), st.integers(0, 4 * 10**9))
def test_a_moment_is_later_and_nothing_matches_before_it(line: str, after: int) -> None:
    try:
        schedule = parse(line)
    except CronError:
        return
    moment = schedule.next(after)
    if moment is None:
        return
    assert moment > after
    assert moment % 60 == 0
    assert schedule.next(moment - 1) == moment
    assert schedule.next(after + (moment - 1 - after) // 2) == moment
