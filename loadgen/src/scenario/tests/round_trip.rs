//! Whatever a scenario says, its resolved file says the same.

use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{select, subsequence},
};

use super::*;
use crate::link::Quality;

/// Up to 20 minutes, down to the nanosecond.
fn length() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (1u64..1200).prop_map(Duration::from_secs),
        (1u64..1_200_000_000_000).prop_map(Duration::from_nanos),
    ]
}

fn rate() -> impl Strategy<Value = f64> {
    prop_oneof![(1u32..5000).prop_map(f64::from), 1e-9f64..5e3]
}

fn stage() -> impl Strategy<Value = Stage> {
    (length(), rate(), option::of(rate()), any::<bool>()).prop_map(|(length, from, to, warmup)| Stage {
        length,
        rate_from: from,
        rate_to: to.unwrap_or(from),
        warmup,
    })
}

fn load() -> impl Strategy<Value = Load> {
    let arrival = prop_oneof![Just(Arrival::Poisson), Just(Arrival::Constant)];
    let from = prop_oneof![Just(Origin::Outside), Just(Origin::Inside)];
    let images = prop_oneof![
        Just(Images::Photos),
        "[a-z \"'\\\\é/\n.]{1,20}".prop_map(|folder| Images::Folder(folder.into())),
    ];
    let counts = (1u32..=1_000_000, 1u32..=1_000_000);
    (counts, (1u32..=16, from), arrival, length(), vec(stage(), 1..4), vec(0u32..=1000, 5), images).prop_map(
        |((clients, max_in_flight), (generators, from), arrival, timeout, mut stages, weights, images)| {
            let generators = generators.min(clients / 2).min(max_in_flight).max(1);
            stages[0].warmup = false;
            let mut mix: std::collections::BTreeMap<_, _> =
                OperationKind::ALL.into_iter().zip(weights).collect();
            *mix.entry(OperationKind::Discover).or_default() += 1;
            Load { clients, generators, from, arrival, max_in_flight, timeout, stages, mix, images }
        },
    )
}

fn share() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), Just(1.0), 0.0..1.0f64]
}

fn quality() -> impl Strategy<Value = Quality> {
    let rate = option::of(prop_oneof![1u64..1 << 50, (1u64..5000).prop_map(|kb| kb * 1000)]);
    (length(), option::of(length()), share(), share(), rate).prop_map(
        |(delay, jitter, loss, resets, rate)| Quality {
            delay,
            jitter: jitter.unwrap_or_default(),
            loss,
            resets,
            rate,
        },
    )
}

fn kind() -> impl Strategy<Value = FaultKind> {
    let cut = || select(Cut::ALL.to_vec());
    let period = (100_000_000u64..30_000_000_000).prop_map(Duration::from_nanos);
    prop_oneof![
        select(vec![FaultKind::Kill, FaultKind::Stop, FaultKind::Restart, FaultKind::Pause]),
        Just(FaultKind::DiskFull),
        (0.05..=1.0f64).prop_map(|share| FaultKind::Throttle { share }),
        cut().prop_map(|cut| FaultKind::Ignore { cut }),
        cut().prop_map(|cut| FaultKind::Partition { cut }),
        cut().prop_map(|cut| FaultKind::Halves { cut }),
        cut().prop_map(|cut| FaultKind::Bridge { cut }),
        (select(Direction::ALL.to_vec()), cut())
            .prop_map(|(direction, cut)| FaultKind::OneWay { direction, cut }),
        (period, cut()).prop_map(|(period, cut)| FaultKind::Flapping { period, cut }),
        (quality(), select(Reach::ALL.to_vec()))
            .prop_map(|(quality, links)| FaultKind::Link { quality, links }),
    ]
}

/// A fault that strikes at that part of the load.
fn fault() -> impl Strategy<Value = (f64, Fault)> {
    let targets =
        [Target::Leader, Target::Random, Target::Node(1), Target::All, Target::Majority, Target::Minority];
    let heal = option::of((1u64..30_000_000_000).prop_map(Duration::from_nanos));
    let later = (prop_oneof![Just(Duration::ZERO), length()], select(When::ALL.to_vec()));
    (0.0..0.999, later, kind(), select(targets.to_vec()), heal).prop_map(
        |(part, (spread, when), kind, target, heal)| {
            let at = Duration::ZERO;
            let heal = heal.filter(|_| !kind.heals_by_itself());
            (part, Fault { at, spread, when, kind, target, heal })
        },
    )
}

/// Whether a cluster can be struck by it at all.
fn is_possible(fault: &Fault, cluster: &Cluster) -> bool {
    let count = fault.target.count(cluster.nodes as usize);
    let one = matches!(fault.target, Target::Leader | Target::Random | Target::Node(_));
    let has_disk = fault.kind != FaultKind::DiskFull || cluster.limits.disk_bytes.is_some();
    let strikes_one = !fault.kind.strikes_one() || (one && cluster.nodes >= 3);
    count > 0 && has_disk && strikes_one
}

fn cluster() -> impl Strategy<Value = Cluster> {
    let size = || option::of(1u64..1 << 50);
    let cpus = option::of(1e-3..1024.0f64);
    let nodes = select(vec![1u32, 3, 5]);
    let slow = option::of((1u32..=5, (1u64..10_000_000_000).prop_map(Duration::from_nanos)));
    (nodes, any::<bool>(), cpus, size(), size(), slow).prop_map(
        |(nodes, tls, cpus, memory_bytes, disk_bytes, slow)| Cluster {
            nodes,
            driver: Driver::Process,
            tls,
            limits: NodeLimits { cpus, memory_bytes, disk_bytes },
            slow_disk: slow.map(|(node, sync)| SlowDisk { node: node.min(nodes), sync }),
        },
    )
}

fn chaos() -> impl Strategy<Value = Chaos> {
    let faults = option::of(subsequence(FaultKind::EACH[1..].to_vec(), 0..13));
    let heal = (1u64..30_000, 0u64..30_000).prop_map(|(from, more)| [from, from + more]);
    (length(), heal, faults).prop_map(|(every, heal, faults)| Chaos {
        between: Default::default(),
        every,
        heal: heal.map(Duration::from_millis),
        faults,
    })
}

fn limit() -> impl Strategy<Value = String> {
    let time =
        "(view|seal|register)\\.(p50|p90|p99|p999|max) ?(<|<=|==|>=|>) ?[1-9][0-9]{0,3}(ms|s|us)( @ steady)?";
    let count = "(ok|failed|unknown|shed|ok_ratio|elections) (<|<=|==|>=|>) [0-9]{1,4}(\\.[0-9]{1,3})?";
    prop_oneof![time, count]
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let history = subsequence(HistoryCheck::ALL.to_vec(), 0..=HistoryCheck::ALL.len());
    let faults = (vec(fault(), 0..5), option::of(chaos()));
    (any::<u64>(), cluster(), load(), faults, history, vec(limit(), 0..4)).prop_map(
        |(seed, cluster, load, (faults, chaos), history, limits)| {
            let end = load.length();
            let mut faults: Vec<_> = (faults.into_iter())
                .map(|(part, fault)| Fault { at: end.mul_f64(part), ..fault })
                .filter(|fault| fault.at < end && is_possible(fault, &cluster))
                // As far as the last stage goes.
                .map(|fault| Fault { spread: fault.spread.min((end - fault.at) / 2), ..fault })
                .collect();
            faults.sort_by_key(|fault| fault.at);
            let limits = limits.iter().map(|text| Limit::parse(text, faults.len()).unwrap()).collect();
            let chaos = chaos.filter(|_| faults.is_empty()).map(|mut chaos| {
                chaos.between = [end / 4, end];
                chaos.faults = chaos.faults.map(|mut faults| {
                    faults.retain(|kind| kind.lacks(&cluster).is_none());
                    faults.push(FaultKind::Kill);
                    faults
                });
                chaos
            });
            Scenario {
                seed,
                cluster,
                load,
                faults,
                chaos,
                pass: Pass { history, limits, implied: Implied::ALL[seed as usize % 6..].to_vec() },
            }
        },
    )
}

proptest! {
    #[test]
    fn a_resolved_scenario_is_read_back_equal(scenario in scenario()) {
        let text = scenario.to_toml();
        let again = Scenario::parse(&text, "again.toml");
        prop_assert!(again.is_ok(), "{}\n{text}", again.unwrap_err());
        prop_assert_eq!(again.unwrap(), scenario);
    }

    #[test]
    fn what_was_drawn_is_written_out_and_is_not_drawn_again(scenario in scenario()) {
        let Ok(settled) = scenario.settle() else { return Ok(()) };
        prop_assert_eq!(&settled.chaos, &None);
        let again = Scenario::parse(&settled.to_toml(), "again.toml");
        prop_assert!(again.is_ok(), "{}\n{}", again.unwrap_err(), settled.to_toml());
        let again = again.unwrap();
        prop_assert_eq!(&again, &settled);
        prop_assert_eq!(again.settle().unwrap(), settled);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "(version = 1|load|stages|fault|pass|\\[|\\]|=|\\{|\\}|\"|1|s|,|\n|\\.|é| ){0,40}") {
        let _ = Scenario::parse(&text, "a.toml");
    }

    #[test]
    fn no_limit_makes_the_reader_panic(text in "(fault|\\[|\\*|\\]|\\.|p99|view|<|=|>|@|steady|1|ms|é| ){0,12}", faults in 0usize..3) {
        let _ = Limit::parse(&text, faults);
    }
}
