//! The figures that routing is held to. Time is a number here.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::policy::{POLICIES, rendezvous};
use super::*;

const NOW: u64 = 1_700_000_000_000;

const MIB: u64 = 1 << 20;

fn copies<'n>(names: &[&'n str]) -> Vec<Candidate<'n>> {
    let copies = names.iter().map(|name| Candidate { name, weight: 1 });
    copies.collect()
}

fn first(router: &Router, policy: Policy, key: u64, copies: &[Candidate], now: u64) -> usize {
    router.order(policy, "t", key, copies, now).asked[0]
}

#[test]
fn round_robin_gives_every_copy_the_same() {
    let router = Router::default();
    let copies = copies(&["a", "b", "c", "d"]);
    let counts: [AtomicUsize; 4] = Default::default();
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let (router, copies, counts) = (&router, &copies, &counts);
            // 1,000 units, shared as evenly as 16 can.
            let units = 62 + usize::from(thread < 8);
            scope.spawn(move || {
                for unit in 0..units {
                    let place = first(router, Policy::RoundRobin, unit as u64, copies, NOW);
                    router.begin(copies[place].name, MIB);
                    router.end(copies[place].name, MIB, Ended::Done { micros: 5 }, NOW);
                    counts[place].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    for (place, count) in counts.iter().enumerate() {
        let count = count.load(Ordering::Relaxed);
        assert!((249..=251).contains(&count), "copy {place}: {count}");
        let seen = router.seen(copies[place].name, NOW);
        assert_eq!((seen.units_served, seen.reading), (count as u64, 0));
    }
}

#[test]
fn weights_are_kept_in_every_window_without_bursts() {
    let router = Router::default();
    let weighted = [("a", 5), ("b", 1), ("c", 1)];
    let copies = weighted.map(|(name, weight)| Candidate { name, weight });
    let asked: Vec<usize> = (0..700)
        .map(|unit| first(&router, Policy::Weighted, unit, &copies, NOW))
        .collect();
    for window in asked.chunks(7) {
        let count = |place: usize| window.iter().filter(|asked| **asked == place).count();
        assert_eq!([count(0), count(1), count(2)], [5, 1, 1]);
    }
    assert!(
        asked
            .windows(5)
            .all(|five| five.iter().any(|one| *one != 0))
    );
}

/// Workers that read units one after the other, in a time of our own. How long all took, and how much each copy served.
fn simulate(
    router: &Router,
    copies: &[Candidate],
    micros: impl Fn(usize) -> u64,
) -> (u64, Vec<u64>) {
    const UNITS: usize = 600;
    const WORKERS: usize = 4;
    let mut served = vec![0; copies.len()];
    // When each worker is done, and with which copy.
    let mut workers: Vec<(u64, Option<usize>)> = vec![(0, None); WORKERS];
    let mut end = 0;
    for unit in 0..UNITS + WORKERS {
        let next = workers
            .iter()
            .enumerate()
            .min_by_key(|(_, (time, _))| *time);
        let (worker, (time, reading)) = next.map(|(worker, state)| (worker, *state)).unwrap();
        let now = NOW + time / 1000;
        if let Some(place) = reading {
            let ended = Ended::Done {
                micros: micros(place),
            };
            router.end(copies[place].name, MIB, ended, now);
            served[place] += 1;
            end = end.max(time);
        }
        if unit >= UNITS {
            workers[worker] = (u64::MAX, None);
            continue;
        }
        let place = first(router, Policy::LeastLoaded, unit as u64, copies, now);
        router.begin(copies[place].name, MIB);
        workers[worker] = (time + micros(place), Some(place));
    }
    (end, served)
}

#[test]
fn a_slow_copy_gets_little_and_delays_nobody() {
    let copies = copies(&["a", "b", "c"]);
    let (healthy, _) = simulate(&Router::default(), &copies, |_| 5_000);
    for slow in 0..3 {
        // 50 ms more, and ten times slower.
        for late in [55_000, 50_000] {
            let router = Router::default();
            let micros = |place| if place == slow { late } else { 5_000 };
            let (wall, served) = simulate(&router, &copies, micros);
            let share = served[slow] as f64 / served.iter().sum::<u64>() as f64;
            assert!(share < 0.1, "{share} of {served:?}");
            assert!((wall as f64) < 1.3 * healthy as f64, "{wall} of {healthy}");
            for copy in &copies {
                assert_eq!(router.seen(copy.name, NOW).reading, 0);
            }
        }
    }
}

#[test]
fn what_is_given_up_is_no_longer_in_flight() {
    let router = Router::default();
    let copies = copies(&["a", "b"]);
    for unit in 0..10 {
        let place = first(&router, Policy::LeastConnections, unit, &copies, NOW);
        router.begin(copies[place].name, MIB);
    }
    assert_eq!(router.seen("a", NOW).reading, 5);
    for name in ["a", "b"] {
        for ended in [
            Ended::GivenUp,
            Ended::GivenUp,
            Ended::Failed,
            Ended::GivenUp,
        ] {
            router.end(name, MIB, ended, NOW);
        }
        router.end(name, MIB, Ended::Done { micros: 1 }, NOW);
        let seen = router.seen(name, NOW);
        assert_eq!((seen.reading, seen.units_served, seen.failures), (0, 1, 1));
    }
}

#[test]
fn one_more_copy_moves_its_share_and_nothing_between_the_others() {
    let names: Vec<String> = (0..9).map(|number| format!("/mnt/{number}/t")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let router = Router::default();
    for count in 1..9 {
        let (before, after) = (copies(&names[..count]), copies(&names[..=count]));
        let mut moved = 0;
        for bucket in 0..4096 {
            let was = first(&router, Policy::ConsistentHash, bucket, &before, NOW);
            let is = first(&router, Policy::ConsistentHash, bucket, &after, NOW);
            assert_eq!(
                is,
                first(&router, Policy::ConsistentHash, bucket, &after, NOW)
            );
            if was != is {
                assert_eq!(is, count, "bucket {bucket} moved between old copies");
                moved += 1;
            }
        }
        let share = f64::from(moved) / 4096.0;
        assert!(
            share <= 1.0 / (count as f64 + 1.0) + 0.02,
            "{count}: {share}"
        );
        assert!(share > 0.0);
    }
    assert_ne!(rendezvous(1, "a"), rendezvous(2, "a"));
}

#[test]
fn every_policy_asks_every_copy_once() {
    let copies = copies(&["a", "b", "c", "d", "e"]);
    for (name, policy) in POLICIES {
        assert_eq!(Policy::of_name(&name.to_uppercase()), Some(*policy));
        assert_eq!(policy.name(), *name);
        let router = Router::default();
        for name in ["b", "d"] {
            for _ in 0..3 {
                router.heard(name, Outcome::Failed, NOW);
            }
        }
        for unit in 0..100 {
            let order = router.order(*policy, "t", unit, &copies, NOW + unit * 300);
            let mut asked = order.asked.clone();
            asked.sort_unstable();
            assert_eq!(asked, [0, 1, 2, 3, 4], "{name}");
            assert_eq!(router.order(*policy, "t", 0, &[], NOW).asked, [0; 0]);
        }
    }
    let first = |policy| first(&Router::default(), policy, 7, &copies, NOW);
    assert_eq!((first(Policy::InOrder), first(Policy::Primary)), (0, 0));
}

#[test]
fn a_breaker_opens_leaves_alone_probes_and_closes() {
    let router = Router::default();
    let copies = copies(&["bad", "good"]);
    let mut failures = 0;
    while router.seen("bad", NOW).standing == Standing::Closed {
        router.heard("bad", Outcome::Failed, NOW);
        failures += 1;
    }
    assert!(failures <= 5, "{failures}");
    let Standing::Open { until } = router.seen("bad", NOW).standing else {
        panic!("it is not open");
    };
    // No call while it is open, by any policy.
    for (_, policy) in POLICIES {
        for unit in 0..200 {
            let now = NOW + (until - NOW - 1) * unit / 200;
            assert_eq!(first(&router, *policy, unit, &copies, now), 1, "{policy:?}");
        }
    }
    // Then a few try: no more than two at a time.
    let order = |unit| router.order(Policy::InOrder, "t", unit, &copies, until);
    let probes = (0..50).filter(|unit| order(*unit).why[0] == Why::Probed);
    assert_eq!(probes.count(), 2);
    router.begin("bad", MIB);
    assert!(router.end("bad", MIB, Ended::Failed, until));
    let Standing::Open { until: longer } = router.seen("bad", until).standing else {
        panic!("it is not open again");
    };
    assert!(longer - until > (until - NOW) * 5 / 4, "it waits longer");
    for round in 0..2 {
        assert_eq!(router.seen("bad", longer).standing, Standing::HalfOpen);
        assert_eq!(
            first(&router, Policy::RoundRobin, round, &copies, longer),
            0
        );
        router.begin("bad", MIB);
        router.end("bad", MIB, Ended::Done { micros: 9 }, longer);
    }
    assert_eq!(router.seen("bad", longer).standing, Standing::Closed);
}

#[test]
fn a_copy_that_is_always_slow_is_left_alone() {
    let router = Router::default();
    let copies = copies(&["slow", "fast"]);
    let mut slow = 0;
    for unit in 0..60 {
        let place = first(&router, Policy::RoundRobin, unit, &copies, NOW);
        slow += usize::from(place == 0);
        let micros = if place == 0 { 900_000 } else { 5_000 };
        router.begin(copies[place].name, MIB);
        router.end(copies[place].name, MIB, Ended::Done { micros }, NOW);
    }
    assert!((8..16).contains(&slow), "{slow}");
    assert!(matches!(
        router.seen("slow", NOW).standing,
        Standing::Open { .. }
    ));
}

#[test]
fn where_all_are_left_alone_the_best_is_asked() {
    let router = Router::default();
    let copies = copies(&["a", "b", "c"]);
    for (rounds, name) in [(1, "b"), (2, "a"), (2, "c")] {
        for round in 0..rounds {
            // The second time it stays away for longer.
            let now = NOW + round * 40_000;
            (0..3).for_each(|_| _ = router.heard(name, Outcome::Failed, now));
        }
    }
    let order = router.order(Policy::LeastLoaded, "t", 1, &copies, NOW + 1_000);
    assert_eq!(order.why[order.asked[0]], Why::LastHope);
    assert_eq!(order.asked[0], 1);
}

#[test]
fn the_next_process_knows_what_is_open() {
    let router = Router::default();
    let copies = copies(&["bad", "good"]);
    (0..3).for_each(|_| _ = router.heard("bad", Outcome::Failed, NOW));
    router.begin("good", MIB);
    router.end("good", MIB, Ended::Done { micros: 9 }, NOW);
    let text = router.health(None, NOW);
    let next = Router::default();
    next.learn(&text, NOW).unwrap();
    assert_eq!(
        next.seen("bad", NOW).standing,
        router.seen("bad", NOW).standing
    );
    assert_eq!(first(&next, Policy::InOrder, 1, &copies, NOW), 1);
    // Failures that have not opened it yet go on counting from one process to the next.
    let mut left: Option<String> = None;
    for failures in 1..=3 {
        let process = Router::default();
        if let Some(left) = &left {
            process.learn(left, NOW).unwrap();
        }
        assert!(process.heard("bad", Outcome::Failed, NOW));
        let opened = process.seen("bad", NOW).standing != Standing::Closed;
        assert_eq!(opened, failures == 3);
        left = Some(process.health(left.as_deref(), NOW));
    }
    // A third one that knows of another copy leaves this one in the text.
    let third = Router::default();
    (0..3).for_each(|_| _ = third.heard("worse", Outcome::Failed, NOW));
    let both = third.health(Some(&text), NOW);
    assert!(
        both.contains("\"bad\"") && both.contains("\"worse\""),
        "{both}"
    );
    // What is long past is forgotten, and so is what was mended.
    assert!(
        !third
            .health(Some(&text), NOW + 3 * 24 * 3_600_000)
            .contains("\"bad\"")
    );
    next.forgive("bad", NOW);
    assert!(!next.health(Some(&both), NOW).contains("\"bad\""));
}

#[test]
fn a_damaged_text_is_refused_and_harms_nobody() {
    let router = Router::default();
    (0..3).for_each(|_| _ = router.heard("bad", Outcome::Failed, NOW));
    let text = router.health(None, NOW);
    for cut in 0..text.len() - 1 {
        let damaged = Router::default();
        assert!(damaged.learn(&text[..cut], NOW).is_err(), "{cut}");
        assert_eq!(damaged.seen("bad", NOW), Seen::default());
    }
    for (place, _) in text.char_indices() {
        let mut bytes = text.clone().into_bytes();
        bytes[place] ^= 1;
        if let Ok(text) = String::from_utf8(bytes) {
            let changed = Router::default();
            // A number may have become another: the copy still comes back within bounds.
            if changed.learn(&text, NOW).is_ok()
                && let Standing::Open { until } = changed.seen("bad", NOW).standing
            {
                assert!(until <= NOW + 20 * 60 * 1000);
            }
        }
    }
    let many: BTreeMap<String, Breaker> = (0..5_000)
        .map(|number| (number.to_string(), Breaker::default()))
        .collect();
    let many = serde_json::json!({ "breakers": many }).to_string();
    assert!(Router::default().learn(&many, NOW).is_err());
}

#[test]
fn a_read_is_waited_for_as_long_as_nearly_all_take() {
    let router = Router::default();
    let copies = copies(&["a", "b"]);
    first(&router, Policy::InOrder, 0, &copies, NOW);
    assert_eq!(
        router.patience("t", MIB).as_millis(),
        100,
        "nothing is known"
    );
    for read in 0..100_u64 {
        router.answered("a", MIB, 10_000 + read * 10);
        router.answered("b", MIB, 900_000);
    }
    // Of the last 64 of the faster copy one took longer.
    assert_eq!(router.patience("t", MIB).as_micros(), 10_980);
    assert_eq!(
        router.patience("t", 1000).as_millis(),
        100,
        "small ones are others"
    );
    for _ in 0..64 {
        router.answered("a", 1000, 7);
        router.answered("a", 16 * MIB, 60_000_000);
    }
    assert_eq!(router.patience("t", 1000).as_millis(), 3);
    assert_eq!(router.patience("t", 16 * MIB).as_millis(), 1000);
    assert_eq!(router.patience("other", MIB).as_millis(), 100);
}

#[test]
fn second_questions_are_five_of_a_hundred() {
    let router = Router::default();
    let mut asked = 0;
    for read in 1..=10_000_u64 {
        router.patience("t", MIB);
        asked += u64::from(router.may_ask_twice("t", false));
        assert!(asked <= 5 + read / 20, "{asked} of {read}");
    }
    assert!(asked >= 500, "{asked}");
    let (hedges, _) = router.hedges("t", MIB);
    assert_eq!(
        (hedges.reads, hedges.asked_twice + hedges.denied),
        (10_000, 10_000)
    );
}

#[test]
fn a_copy_with_an_overdue_read_stands_behind_the_others() {
    for (_, policy) in POLICIES {
        let router = Router::default();
        let copies = copies(&["a", "b", "c"]);
        router.late("a", false);
        for unit in 0..20 {
            let order = router.order(*policy, "t", unit, &copies, NOW);
            assert_eq!((order.asked[2], order.why[0]), (0, Why::Overdue));
        }
        router.late("a", true);
        let asked = (0..20).map(|unit| first(&router, *policy, unit, &copies, NOW));
        assert!(asked.into_iter().any(|place| place == 0), "{policy:?}");
    }
}

/// Workers that read with a second question, in a time of our own: how long all took.
fn simulate_hedged(
    router: &Router,
    policy: Policy,
    copies: &[Candidate],
    micros: &dyn Fn(usize, u64) -> u64,
) -> u64 {
    const UNITS: u64 = 1200;
    const WORKERS: usize = 4;
    let mut workers = [0_u64; WORKERS];
    // Late reads, with when they end.
    let mut late: Vec<(u64, usize)> = Vec::new();
    for unit in 0..UNITS {
        let worker = (0..WORKERS).min_by_key(|worker| workers[*worker]).unwrap();
        let time = workers[worker];
        late.retain(|(end, place)| {
            let ended = *end <= time;
            if ended {
                router.late(copies[*place].name, true);
            }
            !ended
        });
        let now = NOW + time / 1000;
        let asked = router.order(policy, "t", unit, copies, now).asked;
        let (one, other) = (asked[0], asked[1]);
        let name = copies[one].name;
        router.begin(name, MIB);
        let patience = router.patience("t", MIB).as_micros() as u64;
        let alone = micros(one, unit);
        router.answered(name, MIB, alone);
        let second = micros(other, unit);
        let mut took = alone;
        if alone > patience {
            router.late(name, false);
            late.push((time + alone, one));
            if router.may_ask_twice("t", false) && patience + second < alone {
                took = patience + second;
                router.answered(copies[other].name, MIB, second);
                let names = (name, copies[other].name);
                router.second_won("t", names, MIB, took, now);
                router.end(copies[other].name, MIB, Ended::Done { micros: second }, now);
            }
        }
        if took == alone {
            router.end(name, MIB, Ended::Done { micros: alone }, now);
        }
        workers[worker] += took;
    }
    workers.into_iter().max().unwrap()
}

#[test]
fn with_one_of_three_ten_times_slower_a_scan_takes_at_most_1_3_times_as_long() {
    let copies = copies(&["a", "b", "c"]);
    // Reads vary as those of a disk do.
    let healthy = |_: usize, unit: u64| 8_000 + rendezvous(unit, "time") % 4_000;
    let all = simulate_hedged(&Router::default(), Policy::LeastLoaded, &copies, &healthy);
    for slow in 0..3 {
        let times = |place: usize, unit: u64| match place == slow {
            true => 10 * healthy(place, unit),
            false => healthy(place, unit),
        };
        let router = Router::default();
        let wall = simulate_hedged(&router, Policy::LeastLoaded, &copies, &times);
        let ratio = wall as f64 / all as f64;
        assert!(ratio <= 1.3, "{ratio}");
        let (hedges, _) = router.hedges("t", MIB);
        assert!(hedges.asked_twice <= 5 + hedges.reads / 20, "{hedges:?}");
    }
    // One read of a hundred hangs, of every copy: that is what a second question is for.
    let hangs = |place: usize, unit: u64| match rendezvous(unit, "hang") % 100 == place as u64 {
        true => 2_000_000,
        false => healthy(place, unit),
    };
    let router = Router::default();
    let wall = simulate_hedged(&router, Policy::LeastLoaded, &copies, &hangs);
    let ratio = wall as f64 / all as f64;
    assert!(ratio <= 1.3, "{ratio}");
}
