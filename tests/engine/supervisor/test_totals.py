from __future__ import annotations

from engine.supervisor.totals import Totals


def test_sums_are_over_all_workers_and_their_predecessors() -> None:
    totals = Totals()
    totals.report(
        "worker-0",
        {"items_total": 3, "scripts_queue": 2, "a_dropped_total{reason=x}": 1, "dissect_on": 1, "recordings_due": 2},
    )
    totals.report("worker-1", {"items_total": 4, "scripts_queue": 5, "dissect_on": 1, "recordings_due": 2})
    assert totals.sums({"items_total": 1}) == {
        "items_total": 8, "scripts_queue": 7, "a_dropped_total{reason=x}": 1, "dissect_on": 1,
        "recordings_due": 2,
    }  # fmt: skip
    totals.bury("worker-0")
    assert totals.sums() == {
        "items_total": 7,
        "scripts_queue": 5,
        "a_dropped_total{reason=x}": 1,
        "dissect_on": 1,
        "recordings_due": 2,
    }
    totals.report("worker-0", {"items_total": 10})
    assert totals.sums()["items_total"] == 17


def test_what_waited_in_a_dead_worker_is_counted_as_not_delivered() -> None:
    totals = Totals()
    totals.report(
        "worker", {"scripts_entries_total": 10, "scripts_delivered_total": 6, "scripts_dropped_total{reason=x}": 1}
    )
    assert totals.give_up_undelivered(totals.bury("worker")) == 3
    assert totals.sums()["scripts_dropped_total{reason=not_delivered}"] == 3
    assert totals.give_up_undelivered({}) == 0


def test_a_report_in_parts_counts_when_it_is_whole_and_not_without_its_end() -> None:
    totals = Totals()
    totals.report("worker", {"a_total": 1, "b_total": 1})
    totals.report("worker", {"a_total": 2}, more=True)
    assert totals.sums() == {"a_total": 1, "b_total": 1}
    totals.report("worker", {"b_total": 3})
    assert totals.sums() == {"a_total": 2, "b_total": 3}
    totals.report("worker", {"a_total": 9}, more=True)
    totals.bury("worker")
    totals.report("worker", {"b_total": 1})
    assert totals.sums() == {"a_total": 2, "b_total": 4}, "what its predecessor had begun to say is forgotten"
