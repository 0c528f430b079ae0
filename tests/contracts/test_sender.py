"""What the sender does with the answers, the pace and a database in trouble, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from digest import tables
from digest.config import PaceSection
from digest.db import Database
from digest.delivery import mails, progress
from digest.delivery import sender as senders
from digest.delivery.mails import Mails
from digest.delivery.message import Recipient
from digest.delivery.pace import Pace
from digest.delivery.progress import Progress
from digest.delivery.sender import Sender
from digest.delivery.transports.base import Answer, Body, Group, Receipt
from digest.editions import Edition
from tests.stage import Scripted, Stage


@pytest.fixture
def stage(either_db: Database) -> Stage:
    """A digest without readers."""
    return Stage(either_db)


def crowd(stage: Stage, count: int, domain: str = "example.org", prefix: str = "reader") -> None:
    for n in range(count):
        stage.join(f"{prefix}{n}", domain=domain)


def planned(stage: Stage, slug: str = "x") -> Edition:
    stage.publish(slug, "a")
    return stage.cycle()


def states(stage: Stage, edition: Edition) -> list[str]:
    return sorted(state for state, _ in stage.rows(edition).values())


def all_of(stage: Stage, table: sa.Table) -> list[dict[str, Any]]:
    with stage.db.reading() as conn:
        return [dict(row._mapping) for row in conn.execute(sa.select(table))]


def scripted(stage: Stage, answer: Answer, *names: str, times: int = 1) -> None:
    for name in names:
        stage.transport.answers[stage.ids[name]] = [answer] * times


class Parallel(Scripted):
    """Several hand-overs under way at once; those of `stuck` get no answer as long as anything else gets one."""

    name = "parallel"
    group = 1
    connections = 4

    def __init__(self) -> None:
        super().__init__()
        self.stuck: set[int] = set()
        self.before_the_stuck: Callable[[], object] = lambda: None
        self.until = 0.0

    def hold(self, until: float) -> None:
        self.until = until

    def recall(self) -> Iterable[int]:
        return []

    def outcomes(self, timeout: float) -> Iterable[tuple[int, Receipt]]:
        waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
        free = [one for one in waiting if one[2].subscriber_id not in self.stuck]
        self._waiting.extend(one for one in waiting if one[2].subscriber_id in self.stuck)
        if not free and self._waiting:
            self.before_the_stuck()
            self.stuck.clear()
        for position, variant, recipient in free:
            yield position, self.deliver(variant, recipient)


class Requests(Scripted):
    """Takes several at once under one name of its own."""

    name = "requests"
    group = 3

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[int, str] = {}

    def deliver(self, variant: Body, recipient: Recipient) -> Receipt:
        receipt = super().deliver(variant, recipient)
        return Receipt(receipt.answer, provider_id=self.names[recipient.subscriber_id])

    def begin(self, group: Group) -> None:
        self.names |= {one.subscriber_id: f"request-{group.positions[0]}" for one in group.recipients}
        super().begin(group)


# --- the window ------------------------------------------------------------------------------------------------


def test_one_slow_answer_keeps_neither_other_rows_nor_other_editions_waiting(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(senders, "WINDOW", 4)
    crowd(stage, 9)
    first, second = planned(stage, "x"), planned(stage, "y")
    stage.transport = parallel = Parallel()
    seen: list[list[str]] = []
    parallel.stuck = {stage.ids["reader0"]}
    parallel.before_the_stuck = lambda: seen.append([*states(stage, first), *states(stage, second)])
    stage.sender().deliver(first.id, second.id)
    assert seen[-1].count("accepted") >= 16  # all but the stuck ones, perhaps not written yet
    assert states(stage, first) == states(stage, second) == ["accepted"] * 9
    stage.check_sums()


def test_no_more_than_a_window_is_ever_under_way(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(senders, "WINDOW", 5)
    crowd(stage, 23)
    edition = planned(stage)
    stage.transport = Parallel()
    most = []
    stage.transport.during = lambda reader: most.append(states(stage, edition).count("trying"))
    stage.deliver(edition)
    assert max(most) == 5
    assert states(stage, edition) == ["accepted"] * 23


# --- answers ---------------------------------------------------------------------------------------------------


def test_a_carrier_that_takes_nobody_now_is_waited_for_and_no_try_is_counted(stage: Stage) -> None:
    crowd(stage, 3)
    edition = planned(stage)
    scripted(stage, Answer.AWAY, "reader0", "reader1", "reader2")
    stage.deliver(edition)
    assert states(stage, edition) == ["planned"] * 3
    assert {row["attempts"] for row in all_of(stage, tables.deliveries)} == {0}
    [bucket] = all_of(stage, tables.pace_buckets)
    assert (bucket["name"], bucket["failures"]) == ("scripted", 1)
    stage.deliver(edition)
    assert stage.transport.handed == []
    stage.later(seconds=20)
    stage.see_through(edition)
    assert states(stage, edition) == ["accepted"] * 3
    assert [bucket["failures"] for bucket in all_of(stage, tables.pace_buckets)] in ([], [0])
    stage.check_sums()


def test_rows_that_came_back_only_because_the_lease_was_over_say_nothing_of_the_carrier(stage: Stage) -> None:
    class Late(Scripted):
        def deliver(self, variant: Body, recipient: Recipient) -> Receipt:
            receipt = super().deliver(variant, recipient)
            return Receipt(Answer.AWAY, "late") if receipt.answer is Answer.AWAY else receipt

    crowd(stage, 2)
    edition = planned(stage)
    stage.transport = Late()
    scripted(stage, Answer.AWAY, "reader0")
    stage.deliver(edition)
    assert all_of(stage, tables.pace_buckets) == []
    assert states(stage, edition) == ["accepted"] * 2


def test_what_is_put_off_in_several_commits_shares_a_later_batch(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(senders, "WINDOW", 2)
    stage.transport.group = 1
    crowd(stage, 8)
    edition = planned(stage)
    scripted(stage, Answer.TRANSIENT, "reader0", "reader2", "reader5", "reader7")
    stage.deliver(edition)
    assert sorted(batch["size"] for batch in all_of(stage, tables.batches)) == [4, 4]
    stage.check_sums()
    stage.later(minutes=1.5)
    stage.see_through(edition)
    assert states(stage, edition) == ["accepted"] * 8
    stage.check_sums()


def test_a_domain_that_puts_off_waits_and_the_others_go_on(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(senders, "WINDOW", 4)
    stage.transport.group = 1
    crowd(stage, 8, domain="slow.example.org", prefix="slow")
    crowd(stage, 8)
    edition = planned(stage)
    scripted(stage, Answer.TRANSIENT, *(f"slow{n}" for n in range(8)), times=1)
    stage.deliver(edition)
    rows = stage.rows(edition)
    assert {state for name, (state, _) in rows.items() if name.startswith("reader")} == {"accepted"}
    tried = {row["subscriber_id"] for row in all_of(stage, tables.deliveries) if row["attempts"]}
    assert tried == {stage.ids[f"slow{n}"] for n in range(4)}  # the first window; the others were spared the try
    stage.transport.answers.clear()
    stage.later(minutes=3)
    stage.see_through(edition)
    assert states(stage, edition) == ["accepted"] * 16
    stage.check_sums()


def test_a_domain_that_refuses_the_mail_for_what_it_is_stops_the_edition(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(senders, "WINDOW", 10)
    stage.transport.group = 1
    crowd(stage, 40)
    edition = planned(stage)
    scripted(stage, Answer.POLICY, *(f"reader{n}" for n in range(6)))
    told: list[str] = []
    sender = Sender(
        stage.db, stage.transport, stage.people, clock=lambda: stage.now, owner="test", key=bytes(32),
        stopped=lambda conn, stopped, now: told.append(stopped.paused_why),
    )  # fmt: skip
    sender.deliver(edition.id)
    found = stage.find(edition)
    assert found.shown_state == "paused"
    assert "example.org refuses the mail for what it is (6 of 10)" in found.paused_why
    assert told == [found.paused_why]
    assert states(stage, edition).count("planned") == 30
    stage.check_sums()


def test_a_few_refusals_for_policy_stop_nothing(stage: Stage) -> None:
    crowd(stage, 40)
    edition = planned(stage)
    scripted(stage, Answer.POLICY, "reader1", "reader2", "reader3", "reader4")
    stage.see_through(edition)
    assert stage.find(edition).state == "sent"
    assert states(stage, edition).count("failed") == 4
    assert len(stage.carries()) == 4


def suppressed(stage: Stage) -> int:
    return len(all_of(stage, tables.metadata.tables["suppressions"]))


def test_an_address_refused_without_a_reason_is_given_up_at_the_second_edition(stage: Stage) -> None:
    crowd(stage, 2)
    for slug, expected in (("x", 0), ("y", 1)):
        edition = planned(stage, slug)
        scripted(stage, Answer.DOUBTFUL, "reader0")
        stage.see_through(edition)
        assert stage.rows(edition)["reader0"] == ("failed", "doubtful")
        assert suppressed(stage) == expected


def test_a_mailbox_that_is_full_five_times_in_two_weeks_is_given_up_and_owed_until_then(stage: Stage) -> None:
    crowd(stage, 1)
    for n, expected in enumerate((0, 0, 0, 0, 1)):
        edition = planned(stage, f"item{n}")
        scripted(stage, Answer.FULL, "reader0")
        stage.see_through(edition)
        assert stage.rows(edition)["reader0"] == ("failed", "full")
        assert suppressed(stage) == expected
        stage.later(days=4)


def test_a_mailbox_that_was_emptied_between_counts_anew(stage: Stage) -> None:
    crowd(stage, 1)
    for n in range(7):
        edition = planned(stage, f"item{n}")
        if n != 3:
            scripted(stage, Answer.FULL, "reader0")
        stage.see_through(edition)
        stage.later(days=4)
    assert suppressed(stage) == 0


def test_the_carrier_s_names_are_kept_for_each_delivery_or_once_for_a_request(stage: Stage) -> None:
    crowd(stage, 4)
    edition = planned(stage)
    stage.transport = Requests()
    stage.deliver(edition)
    names = sorted((row["recipients"], row["batch_n"]) for row in all_of(stage, tables.requests))
    assert names == [(3, 1)]
    single = [row["provider_id"] for row in all_of(stage, tables.deliveries) if row["provider_id"]]
    assert len(single) == 1
    assert single[0].startswith("request-")


# --- the pace --------------------------------------------------------------------------------------------------


def paced(stage: Stage, **settings: Any) -> Sender:
    """A sender at a pace, whose waits move the clock."""
    pace = Pace(PaceSection(**settings), zone="UTC", carrier=stage.transport.name)

    def rest(seconds: float) -> None:
        stage.later(seconds=seconds)

    return Sender(
        stage.db, stage.transport, stage.people, clock=lambda: stage.now, owner="test", key=bytes(32), pace=pace,
        rest=rest,
    )  # fmt: skip


def moments(stage: Stage) -> list[datetime]:
    return sorted(row["updated_at"] for row in all_of(stage, tables.deliveries) if row["state"] == 2)


def test_the_set_rate_is_kept(stage: Stage) -> None:
    crowd(stage, 30)
    edition = planned(stage)
    began = stage.now
    paced(stage, per_second=5).deliver(edition.id)
    assert states(stage, edition) == ["accepted"] * 30
    took = (moments(stage)[-1] - began).total_seconds()
    assert 4.5 <= took <= 8


def test_a_slow_domain_gets_its_slots_and_the_others_do_not_wait(stage: Stage) -> None:
    crowd(stage, 12, domain="slow.example.org", prefix="slow")
    crowd(stage, 12)
    edition = planned(stage)
    began = stage.now
    sender = paced(stage, per_domain={"slow.example.org": 0.1})
    sender.deliver(edition.id)
    rows = stage.rows(edition)
    assert {state for name, (state, _) in rows.items() if name.startswith("reader")} == {"accepted"}
    assert stage.now - began < timedelta(seconds=1)
    for _ in range(14):
        stage.later(seconds=10)
        sender.deliver(edition.id)
    assert states(stage, edition) == ["accepted"] * 24
    assert {row["attempts"] for row in all_of(stage, tables.deliveries)} == {0}
    stage.check_sums()


def test_outside_its_hours_nothing_goes_and_nothing_is_held(stage: Stage) -> None:
    crowd(stage, 2)
    edition = planned(stage)  # at 11:00 in UTC
    sender = paced(stage, hours="13-20")
    sender.deliver(edition.id)
    assert states(stage, edition) == ["planned"] * 2
    with stage.db.reading() as conn:
        assert sender.closed_until(conn) == stage.now.replace(hour=13)
    stage.later(hours=2)
    sender.deliver(edition.id)
    assert states(stage, edition) == ["accepted"] * 2


def test_progress_tells_the_rate_of_late_and_when_the_last_will_have_gone(stage: Stage) -> None:
    crowd(stage, 20)
    for n in range(3):
        stage.join(f"later{n}", hour=9)
    stage.publish("x", "a")
    edition = stage.freeze(by_hand=False)
    stage.plan(edition)
    begun, nine = stage.now, stage.now.replace(hour=13, minute=0, second=0, microsecond=0)  # 9:00 in New York
    with stage.db.reading() as conn:
        assert progress.look(conn, edition.id, now=stage.now) == Progress(0.0, None, due=20, following=nine)
    paced(stage, per_second=5).deliver(edition.id)
    with stage.db.reading() as conn:
        got_on = progress.look(conn, edition.id, now=stage.now)
        quiet = progress.look(conn, edition.id, now=nine)
    rate = round(20 / (stage.now - begun).total_seconds(), 1)
    assert (got_on.rate, got_on.eta, got_on.due, got_on.following) == (rate, nine, 0, nine)
    assert quiet == Progress(0.0, None, due=3, silent_since=moments(stage)[-1])


def test_right_after_the_start_nobody_can_tell_how_long_it_takes(stage: Stage) -> None:
    crowd(stage, 40)
    edition = planned(stage)
    begun, told = stage.now, list[tuple[float, Progress]]()

    def look(reader: int) -> None:
        with stage.db.reading() as conn:
            told.append(((stage.now - begun).total_seconds(), progress.look(conn, edition.id, now=stage.now)))

    stage.transport.during = look
    paced(stage, per_second=1).deliver(edition.id)
    assert {got_on.eta for at, got_on in told if at < 20} == {None}
    late = [(at, got_on) for at, got_on in told if at > 25]
    assert late
    for at, got_on in late:
        assert got_on.eta is not None
        assert 35 <= (got_on.eta - begun).total_seconds() <= 50, (at, got_on)


def test_an_edition_of_many_batches_is_told_by_their_counters(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "FEW", 5)
    crowd(stage, 20)
    edition, begun = planned(stage), stage.now
    paced(stage, per_second=5).deliver(edition.id)
    with stage.db.reading() as conn:
        got_on = progress.look(conn, edition.id, now=stage.now)
    assert got_on.rate == round(20 / (stage.now - begun).total_seconds(), 1)


# --- a database in trouble -------------------------------------------------------------------------------------


def losing(stage: Stage, monkeypatch: pytest.MonkeyPatch, *, which: str, committed: bool) -> list[str]:
    """The first transaction of that kind gets no answer, whether it was committed or not."""
    run, lost = stage.db.run, list[str]()

    def flaky(step: Any, *, bulk: bool = False) -> Any:
        if getattr(getattr(step, "func", None), "__name__", "") != which or lost:
            return run(step, bulk=bulk)
        lost.append(which)
        if committed:
            run(step, bulk=bulk)
        raise OperationalError("COMMIT", {}, Exception("server closed the connection unexpectedly"))

    monkeypatch.setattr(stage.db, "run", flaky)
    return lost


@pytest.mark.parametrize("committed", [True, False], ids=["committed", "not committed"])
def test_a_turn_of_which_nothing_is_heard_is_read_back_and_not_repeated(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    monkeypatch.setattr(senders, "WINDOW", 4)
    stage.transport.group = 1
    crowd(stage, 11)
    edition = planned(stage)
    scripted(stage, Answer.TRANSIENT, "reader1")
    lost = losing(stage, monkeypatch, which="turn", committed=committed)
    paced(stage).deliver(edition.id)
    assert lost == ["turn"]
    assert states(stage, edition) == ["accepted"] * 10 + ["planned"]
    assert len(stage.transport.handed) == len(set(stage.transport.handed)) == 10
    stage.check_sums()


@pytest.mark.parametrize("committed", [True, False], ids=["committed", "not committed"])
def test_a_lease_of_which_nothing_is_heard_is_let_go_while_others_are_in_hand(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    monkeypatch.setattr(senders, "WINDOW", 4)
    crowd(stage, 6)
    first, second = planned(stage, "x"), planned(stage, "y")
    stage.transport = parallel = Parallel()
    parallel.stuck = {stage.ids["reader0"]}

    sender = paced(stage)
    take, lost = sender.clerk.take, list[int]()

    def flaky(edition_id: int, room: int, in_hand: Any, conn: Connection) -> Any:
        taken = take(edition_id, room, in_hand, conn)
        if edition_id == second.id and not lost:
            lost.append(edition_id)
            if committed:
                conn.commit()
            raise OperationalError("COMMIT", {}, Exception("server closed the connection unexpectedly"))
        return taken

    monkeypatch.setattr(sender.clerk, "take", flaky)
    sender.deliver(first.id, second.id)
    assert lost == [second.id]
    assert states(stage, first) == states(stage, second) == ["accepted"] * 6
    assert len(parallel.handed) == len(set(parallel.handed)) == 12
    stage.check_sums()


def test_what_is_known_is_kept_until_the_database_can_be_written_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd(stage, 3)
    edition = planned(stage)
    run, refusals = stage.db.run, [0]

    def full(step: Any, *, bulk: bool = False) -> Any:
        if getattr(getattr(step, "func", None), "__name__", "") == "turn" and refusals[0] < 5:
            refusals[0] += 1
            raise OperationalError("UPDATE", {}, Exception("database or disk is full"))
        return run(step, bulk=bulk)

    monkeypatch.setattr(stage.db, "run", full)
    began = stage.now
    paced(stage).deliver(edition.id)
    assert refusals == [5]
    assert stage.now - began > timedelta(seconds=10)  # it asks less and less often
    assert states(stage, edition) == ["accepted"] * 3
    assert len(stage.transport.handed) == 3


def test_mails_are_kept_as_long_as_they_fit_and_come_out_the_same(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.join("ann", "a=weekly")
    stage.join("bob", "b=weekly")
    stage.publish("x", "a")
    stage.publish("y", "b")
    edition = stage.cycle()
    kept = Mails(stage.db, bytes(32))
    first, second = kept.get(edition, 1), kept.get(edition, 2)
    assert kept.get(edition, 1) is first
    monkeypatch.setattr(mails, "KEPT", first.size + second.size - 1)
    tight = Mails(stage.db, bytes(32))
    one = tight.get(edition, 1)
    assert tight.get(edition, 1) is one
    tight.get(edition, 2)
    assert tight.get(edition, 1) is not one
    assert tight.get(edition, 1).template == one.template
