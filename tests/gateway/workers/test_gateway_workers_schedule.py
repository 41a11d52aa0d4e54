"""Which workers run, come and go: in virtual time, without a process."""

from __future__ import annotations

from tests.support.played_workers import LIMITS, TICK_S, House, up


def test_all_begin_and_the_operator_is_told_once_that_one_is_ready() -> None:
    house = House(3)
    house.next_is_up = False
    house.run()
    assert (house.alive, house.readies) == ([0, 1, 2], 0)
    house.made[1].is_up = True
    house.run()
    house.made[0].is_up = house.made[2].is_up = True
    house.run()
    assert house.readies == 1
    assert house.said == []


def test_a_restart_has_the_next_ready_before_the_old_one_is_told_to_end() -> None:
    house = up()
    house.next_is_up = False
    house.pool.replace(house.now)
    house.run(5)
    assert house.alive == [0, 1, 2]
    assert house.made[0].told == ["start"]
    house.made[2].is_up = True
    house.run()
    assert house.alive == [1, 2, 3]
    house.made[3].is_up = True
    house.run()
    assert house.alive == [2, 3]
    assert house.said == ["replacing 2 workers, one after the other", "all workers are new"]


def test_the_next_post_waits_until_the_old_worker_has_ended() -> None:
    house = up()
    house.made[0].is_obedient = False
    house.pool.replace(house.now)
    house.run(LIMITS.end_s - 1)
    assert house.alive == [0, 1, 2]
    house.made[0].how = "ended with status 0"
    house.run()
    assert house.alive == [2, 3]


def test_an_old_worker_that_does_not_end_is_killed() -> None:
    house = up()
    house.made[0].is_obedient = False
    house.pool.replace(house.now)
    house.run(LIMITS.end_s + 2)
    assert house.made[0].told == ["start", "terminate", "kill"]
    assert house.alive == [2, 3]


def test_a_new_worker_that_ends_leaves_the_old_ones_in_place() -> None:
    house = up()
    house.next_is_up = False
    house.pool.replace(house.now)
    house.run()
    house.made[2].how = "ended with status 1"
    house.run()
    assert house.alive == [0, 1]
    assert house.said[-1] == "the new worker 2 ended with status 1; 2 old workers stay"


def test_a_new_worker_that_is_never_ready_is_killed_and_the_old_ones_stay() -> None:
    house = up()
    house.next_is_up = False
    house.pool.replace(house.now)
    house.run(LIMITS.start_s - 1)
    assert house.alive == [0, 1, 2]
    house.run(3)
    assert house.alive == [0, 1]
    assert house.made[2].told == ["start", "kill"]
    assert house.said[-1] == "the new worker 2 was not ready in time; 2 old workers stay"
    house.next_is_up = True
    house.pool.replace(house.now)
    house.run(3)
    assert house.alive == [3, 4]


def test_a_second_wish_during_a_restart_begins_anew() -> None:
    house = up()
    house.next_is_up = False
    house.pool.replace(house.now)
    house.run()
    house.next_is_up = True
    house.pool.replace(house.now)  # worker 2 may have read the older file
    house.run(3)
    assert house.made[2].told == ["start", "terminate"]
    assert house.alive == [3, 4]


def test_the_end_comes_at_once_also_during_a_restart() -> None:
    house = up()
    house.made[0].is_obedient = False
    house.pool.replace(house.now)
    house.run()
    house.pool.end(house.now)
    house.pool.end(house.now)
    assert house.alive == [0]
    house.run()
    assert not house.is_over()
    house.pool.replace(house.now)
    house.made[0].how = "ended with status 0"
    house.run()
    assert house.is_over()
    assert not house.pool.has_failed
    assert len(house.made) == 3


def test_the_end_takes_a_coming_worker_along() -> None:
    house = up()
    house.next_is_up = False
    house.pool.replace(house.now)
    house.run()
    house.pool.end(house.now)
    house.run()
    assert house.is_over()
    assert house.alive == []


def test_a_worker_that_lived_long_is_replaced_at_once() -> None:
    house = up()
    house.run(LIMITS.steady_s)
    house.made[1].how = "ended by SIGSEGV"
    house.run(2 * TICK_S)
    assert house.alive == [0, 2]
    assert house.said == ["worker 1 ended by SIGSEGV; another one starts now"]


def test_workers_that_die_at_once_start_ever_more_seldom() -> None:
    house = up()
    house.next_is_up = False
    begun: list[float] = []
    for _ in range(12):
        house.made[-1].how = "ended with status 1"
        count, died_at = len(house.made), house.now
        while len(house.made) == count:
            house.run(TICK_S)
        begun.append(round(house.now - died_at, 1))
    assert begun[:7] == sorted(begun[:7])
    assert 0.5 <= begun[0] <= 0.8
    assert LIMITS.most_pause_s <= begun[-1] <= LIMITS.most_pause_s + 0.3
    assert house.alive[0] == 0  # the other one is left alone
    assert not house.pool.has_failed
    # One that lives makes good for them.
    house.made[-1].is_up = True
    house.run(LIMITS.steady_s + 1)
    house.made[-1].how = "ended by SIGKILL"
    house.run(2 * TICK_S)
    assert house.said[-1].endswith("another one starts now")


def test_a_worker_that_the_machine_refuses_is_tried_again_later() -> None:
    house = up()
    house.made[1].how = "ended by SIGKILL"
    house.refusals = 2
    house.run(5)
    assert house.alive == [0, 2]
    assert [line.partition(":")[0] for line in house.said[1:]] == [
        "a worker could not be started"
    ] * 2
    assert house.said[2].endswith("another one starts in 2 s")


def test_a_refusal_during_a_restart_leaves_the_old_workers_in_place() -> None:
    house = up()
    house.refusals = 1
    house.pool.replace(house.now)
    house.run(3)
    assert house.alive == [0, 1]
    assert house.said[-1].endswith("; 2 old workers stay")


def test_a_wish_to_restart_ends_the_pause_of_a_worker_that_died() -> None:
    house = up()
    for _ in range(6):
        house.made[-1].how = "ended with status 1"
        count = len(house.made)
        while len(house.made) == count:
            house.run(TICK_S)
    house.made[-1].how = "ended with status 1"
    house.run()
    last = house.made[-1].number
    house.pool.replace(house.now)
    house.run(3)
    assert house.alive == [last + 1, last + 2]


def test_a_worker_that_says_nothing_is_killed_and_replaced() -> None:
    house = up()
    house.made[0].is_silent = True
    house.run(LIMITS.silent_s - 1)
    assert house.alive == [0, 1]
    house.run(3)
    assert house.alive == [1, 2]
    assert house.said == [
        "worker 0 did not answer for 20 s (its event loop is blocked); another one starts now"
    ]


def test_an_old_worker_that_dies_during_its_replacement_leaves_its_post_to_the_next() -> None:
    house = up()
    house.next_is_up = False
    house.pool.replace(house.now)
    house.run()
    house.made[0].how = "ended by SIGKILL"
    house.run()
    assert house.alive == [1, 2, 3]  # 2 has the post of 0, 3 comes for that of 1
    house.made[2].is_up = house.made[3].is_up = True
    house.run()
    assert house.alive == [2, 3]
    assert "worker 0 ended by SIGKILL; the next one takes its place" in house.said


def test_an_old_worker_that_dies_before_its_turn_is_not_replaced_twice() -> None:
    house = up()
    house.next_is_up = False
    house.pool.replace(house.now)
    house.run()
    house.made[1].how = "ended by SIGKILL"
    house.next_is_up = True
    house.run(2)
    house.made[2].is_up = True
    house.run(2)
    assert house.alive == [2, 3]


def test_where_no_worker_was_ever_ready_the_first_that_ends_ends_all() -> None:
    house = House()
    house.next_is_up = False
    house.run()
    house.made[1].how = "ended with status 1"
    house.run()
    assert house.pool.has_failed
    assert house.is_over()
    assert house.alive == []
    assert house.said == [
        "worker 1 ended with status 1 before it was ready: there is nobody to serve"
    ]


def test_a_worker_that_ends_when_another_has_just_become_ready_is_replaced() -> None:
    house = House()
    house.next_is_up = False
    house.run()
    house.made[0].how = "ended by SIGKILL"
    house.made[1].is_up = True
    house.next_is_up = True
    house.run()
    assert not house.pool.has_failed
    assert house.readies == 1
    assert house.alive == [1, 2]


def test_a_worker_that_ends_as_soon_as_it_is_ready_was_ready() -> None:
    house = House(size=1)
    house.next_is_up = False
    house.run()
    house.made[0].is_up, house.made[0].how = True, "ended by SIGKILL"
    house.next_is_up = True
    house.run()
    assert not house.pool.has_failed
    assert house.alive == [1]


def test_a_reload_is_told_to_each_worker_once_and_replaces_none() -> None:
    house = up(3)
    house.pool.reload(house.now)
    house.run(5)
    assert [one.told for one in house.made] == [["start", "reload"]] * 3
    house.pool.reload(house.now)
    house.run(5)
    assert [one.told.count("reload") for one in house.made] == [2] * 3
    assert house.said == []


def test_a_worker_that_is_starting_is_told_to_reload_when_it_is_ready() -> None:
    """Until then it may have read the file before it was changed."""
    house = up()
    house.next_is_up = False
    house.made[0].how = "ended by SIGKILL"
    house.run()
    starting = house.made[2]
    house.pool.reload(house.now)
    house.pool.reload(house.now)
    house.run()
    assert starting.told == ["start"]
    starting.is_up = True
    house.run()
    assert starting.told == ["start", "reload"]
    assert house.made[1].told == ["start", "reload", "reload"]


def test_the_next_worker_of_a_restart_is_told_to_reload_too() -> None:
    house = up()
    house.next_is_up = False
    house.pool.replace(house.now)
    house.run()
    house.pool.reload(house.now)
    house.made[2].is_up = True
    house.next_is_up = True
    house.run(5)
    assert house.alive == [2, 3]
    assert house.made[2].told == ["start", "reload"]
    assert house.made[3].told == ["start"]


def test_a_reload_ends_the_pause_of_a_worker_that_died() -> None:
    """What killed it may be mended in the file."""
    house = up()
    house.made[0].how = "ended with status 1"
    house.run()
    house.made[2].how = "ended with status 1"
    house.run(0.3)
    assert house.alive == [1]
    house.pool.reload(house.now)
    house.run(0.2)
    assert house.alive == [1, 3]


def test_nobody_reloads_at_the_end() -> None:
    house = up()
    house.pool.end(house.now)
    house.pool.reload(house.now)
    house.run()
    assert [one.told for one in house.made] == [["start", "terminate"]] * 2
