//! Whatever a scenario says, its resolved file says the same.

use proptest::{collection::vec, option, prelude::*, sample::subsequence};

use super::*;

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
    let images = prop_oneof![
        Just(Images::Photos),
        "[a-z \"'\\\\é/\n.]{1,20}".prop_map(|folder| Images::Folder(folder.into())),
    ];
    let counts = (1u32..=1_000_000, 1u32..=1_000_000);
    (counts, arrival, length(), vec(stage(), 1..4), vec(0u32..=1000, 5), images).prop_map(
        |((clients, max_in_flight), arrival, timeout, mut stages, weights, images)| {
            stages[0].warmup = false;
            let mut mix: std::collections::BTreeMap<_, _> =
                OperationKind::ALL.into_iter().zip(weights).collect();
            *mix.entry(OperationKind::Discover).or_default() += 1;
            Load { clients, arrival, max_in_flight, timeout, stages, mix, images }
        },
    )
}

/// A fault that strikes at that part of the load.
fn fault() -> impl Strategy<Value = (f64, Fault)> {
    let target =
        prop_oneof![Just(Target::Leader), Just(Target::Random), Just(Target::All), Just(Target::Node(1)),];
    let kind = prop::sample::select(FaultKind::ALL.to_vec());
    let heal = option::of((1u64..30_000_000_000).prop_map(Duration::from_nanos));
    (0.0..0.999, kind, target, heal).prop_map(|(part, kind, target, heal)| {
        let at = Duration::ZERO;
        (part, Fault { at, kind, target, heal })
    })
}

fn limit() -> impl Strategy<Value = String> {
    let time =
        "(view|seal|register)\\.(p50|p90|p99|p999|max) ?(<|<=|==|>=|>) ?[1-9][0-9]{0,3}(ms|s|us)( @ steady)?";
    let count = "(ok|failed|unknown|shed|ok_ratio) (<|<=|==|>=|>) [0-9]{1,4}(\\.[0-9]{1,3})?";
    prop_oneof![time, count]
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let cluster = prop_oneof![Just(1u32), Just(3), Just(5)];
    let history = subsequence(HistoryCheck::ALL.to_vec(), 0..=3);
    (any::<u64>(), cluster, load(), vec(fault(), 0..5), history, vec(limit(), 0..4)).prop_map(
        |(seed, nodes, load, faults, history, limits)| {
            let end = load.length();
            let mut faults: Vec<_> = (faults.into_iter())
                .map(|(part, fault)| Fault { at: end.mul_f64(part), ..fault })
                .filter(|fault| fault.at < end)
                .collect();
            faults.sort_by_key(|fault| fault.at);
            let limits = limits.iter().map(|text| Limit::parse(text, faults.len()).unwrap()).collect();
            Scenario {
                seed,
                cluster: Cluster { nodes, driver: Driver::Process },
                load,
                faults,
                pass: Pass { history, limits },
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
    fn no_text_makes_the_reader_panic(text in "(version = 1|load|stages|fault|pass|\\[|\\]|=|\\{|\\}|\"|1|s|,|\n|\\.|é| ){0,40}") {
        let _ = Scenario::parse(&text, "a.toml");
    }

    #[test]
    fn no_limit_makes_the_reader_panic(text in "(fault|\\[|\\*|\\]|\\.|p99|view|<|=|>|@|steady|1|ms|é| ){0,12}", faults in 0usize..3) {
        let _ = Limit::parse(&text, faults);
    }
}
