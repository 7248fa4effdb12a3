from __future__ import annotations

from engine.shipping.complaints import MAX_KINDS, Complaints


def test_a_new_kind_of_error_is_told_at_once_and_others_with_their_count() -> None:
    complaints = Complaints()
    told = []
    for now_s in range(25):
        complaints.add(f"gs://b/object-{now_s}: 503 Service Unavailable")
        told += [(now_s, *each) for each in complaints.take(now_s)]
        if now_s == 3:
            complaints.add("gs://b/x: connection reset")
            told += [(now_s, *each) for each in complaints.take(now_s)]
    assert told == [
        (0, "gs://b/object-0: 503 Service Unavailable", 1),
        (3, "gs://b/x: connection reset", 1),
        (10, "gs://b/object-10: 503 Service Unavailable", 10),
        (20, "gs://b/object-20: 503 Service Unavailable", 10),
    ]
    assert list(complaints.finish()) == [("gs://b/object-24: 503 Service Unavailable", 4)]
    assert list(complaints.finish()) == []


def test_errors_that_are_different_each_time_are_one_kind_in_the_end() -> None:
    complaints = Complaints()
    for number in range(1000):
        complaints.add(f"request number{number} failed")
    told = list(complaints.take(0.0))
    assert len(told) == MAX_KINDS + 1
    assert sum(times for _, times in told) == 1000
