//! What `docker/` says of nodes, compared with nodes: nothing else would notice when a metric is renamed
//! or a port is moved.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use serde_json::Value;
use veil::{
    node::NodeConfig,
    wire::{client::Member, transport::Pipes},
};
use yaml_rust2::{Yaml, YamlLoader};

use crate::{Running, ask};

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docker").join(file)
}

fn yaml(file: &str) -> Yaml {
    YamlLoader::load_from_str(&fs::read_to_string(path(file)).unwrap()).unwrap().remove(0)
}

fn texts(list: &Yaml) -> Vec<&str> {
    list.as_vec().into_iter().flatten().map(|text| text.as_str().unwrap()).collect()
}

/// The services of compose.yaml that are nodes, that is, have a node's configuration.
fn nodes() -> BTreeMap<String, (NodeConfig, Yaml)> {
    let compose = yaml("compose.yaml");
    let node = |(name, service): (&Yaml, &Yaml)| {
        let mut volumes = texts(&service["volumes"]).into_iter();
        let file = volumes.find_map(|volume| volume.strip_suffix(":/etc/veil/node.toml:ro"))?;
        let config = NodeConfig::load(&path(file)).unwrap();
        Some((name.as_str().unwrap().to_owned(), (config, service.clone())))
    };
    compose["services"].as_hash().unwrap().iter().filter_map(node).collect()
}

/// What is said of a service, by itself or where it takes things over from.
fn setting<'a>(service: &'a Yaml, key: &str) -> Option<&'a Yaml> {
    match (&service[key], &service["<<"]) {
        (Yaml::BadValue, Yaml::BadValue) => None,
        (Yaml::BadValue, taken_over) => setting(taken_over, key),
        (value, _) => Some(value),
    }
}

#[test]
fn no_container_uses_up_the_machine() {
    let compose = yaml("compose.yaml");
    for (name, service) in compose["services"].as_hash().unwrap() {
        let has = |key: &str| setting(service, key).unwrap_or_else(|| panic!("{name:?} has no {key}"));
        assert_eq!(has("mem_limit"), has("memswap_limit"), "{name:?} has swap");
        assert!(has("pids_limit").as_i64().is_some_and(|pids| (1..=2_048).contains(&pids)), "{name:?}");
    }
}

#[test]
fn all_nodes_are_given_the_key_that_init_makes() {
    let compose = yaml("compose.yaml");
    let init = &compose["services"]["init"];
    let command = texts(&init["command"]);
    let ["cluster", "init", made] = command[..] else { panic!("{command:?}") };
    // What stands at each place of the folder that is made.
    let volumes: BTreeMap<_, _> = texts(&init["volumes"])
        .into_iter()
        .map(|volume| volume.split_once(':').map(|(volume, at)| (at.to_owned(), volume)).unwrap())
        .collect();
    let authority = volumes[made];
    for (name, (config, service)) in nodes() {
        let key = volumes[&format!("{made}/{name}")];
        // Read from docker/nodes/, it is relative to that.
        let inside = config.cluster_key.strip_prefix(path("./nodes")).unwrap();
        let folder = inside.parent().unwrap().to_str().unwrap();
        assert_eq!(inside.file_name().unwrap(), "cluster.key");
        let tls = config.tls.as_ref().unwrap();
        for (file, name) in
            [(&tls.certificate, "node.pem"), (&tls.key, "node.key"), (&tls.authority, "ca.pem")]
        {
            assert_eq!(*file, config.cluster_key.with_file_name(name));
        }
        let mounted = format!("{key}:/etc/veil/{folder}:ro");
        let mounts = texts(&service["volumes"]);
        assert!(mounts.contains(&mounted.as_str()), "{mounted} is missing");
        assert!(!mounts.iter().any(|mount| mount.starts_with(authority)), "{name} reads the authority's key");
    }
}

/// The port of `0.0.0.0:PORT`: inside of a container the address is not known.
fn port(listen: &str) -> &str {
    listen.strip_prefix("0.0.0.0:").expect("a listener for everybody")
}

#[test]
fn nodes_are_where_their_members_say() {
    let nodes = nodes();
    assert_eq!(nodes.keys().collect::<Vec<_>>(), ["n1", "n2", "n3"]);
    let founders: Vec<_> = nodes.values().filter(|(config, _)| config.bootstrap).collect();
    assert_eq!(founders.len(), 1);
    let expected = nodes.values().map(|(config, service)| {
        let address = service["networks"]["veil"]["ipv4_address"].as_str().unwrap();
        let at = |listen| format!("{address}:{}", port(listen));
        Member { id: config.id, client: at(&config.listen.client), peer: at(&config.listen.peer) }
    });
    let expected: Vec<Member> = expected.collect();
    assert_eq!(founders[0].0.members, expected);

    let clients: Vec<_> = expected.iter().map(|member| member.client.as_str()).collect();
    let compose = yaml("compose.yaml");
    let load = texts(&compose["services"]["load"]["command"]);
    assert!(load.contains(&format!("--nodes={}", clients.join(",")).as_str()), "{load:?}");
}

#[test]
fn ports_are_published_on_loopback_alone_and_under_the_numbers_that_are_promised() {
    for (config, service) in nodes().into_values() {
        let published = |number: u32, listen| format!("127.0.0.1:{number}{}:{}", config.id, port(listen));
        let http = config.listen.http.as_deref().unwrap();
        assert_eq!(texts(&service["ports"]), [published(710, &config.listen.client), published(730, http)]);
    }
}

#[test]
fn prometheus_asks_every_node() {
    let nodes = nodes();
    let expected = nodes.iter().map(|(name, (config, _))| {
        let http = config.listen.http.as_deref().unwrap();
        format!("{name}:{}", port(http))
    });
    let config = yaml("prometheus.yml");
    let scrape = &config["scrape_configs"][0];
    assert_eq!(scrape["job_name"].as_str(), Some("veil"));
    assert_eq!(texts(&scrape["static_configs"][0]["targets"]), expected.collect::<Vec<_>>());
}

/// Words of the query language, labels and units that the expressions use, beside metrics.
const WORDS: &str =
    "__rate_interval by histogram_quantile job kind le m max or outcome rate s scalar sum up vector";

/// The metrics that an expression asks for. Text in quotes is left out.
fn metrics_of(expression: &str) -> BTreeSet<String> {
    let code: String = expression.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    let words = code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let words = words.map(|word| word.trim_start_matches(|c: char| c.is_ascii_digit()));
    words
        .filter(|word| !word.is_empty() && !WORDS.split(' ').any(|known| known == *word))
        .map(str::to_owned)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dashboard_and_alerts_ask_for_metrics_that_there_are() {
    let dashboard: Value =
        serde_json::from_str(&fs::read_to_string(path("grafana-dashboard.json")).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let drawn = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let drawn: Vec<_> = drawn.map(|target| target["expr"].as_str().unwrap()).collect();
    let alerts = yaml("alerts.yml");
    let rules = alerts["groups"][0]["rules"].as_vec().unwrap();
    let rules: Vec<_> = rules.iter().map(|rule| rule["expr"].as_str().unwrap()).collect();
    assert!(drawn.len() > 15 && rules.len() > 3);

    let network = Pipes::default();
    let node = Running::start(&network, 1, 1).await;
    let (_, metrics) = ask(&network, 1, "GET", "/metrics").await;
    node.kill();
    let series = metrics.lines().filter(|line| !line.starts_with('#'));
    let there: BTreeSet<_> = series.filter_map(|line| line.split(['{', ' ']).next()).collect();
    for expression in drawn.into_iter().chain(rules) {
        for metric in metrics_of(expression) {
            assert!(there.contains(metric.as_str()), "no metric {metric}, in {expression}");
        }
    }
}
