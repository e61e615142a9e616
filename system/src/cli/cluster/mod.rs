//! `veil cluster`: makes what the nodes of a cluster need to know one another.

mod handout;
mod limits;
mod recover;
mod rotate;
mod set_clock;

use std::{
    net::{IpAddr, Ipv6Addr},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::json;

use self::handout::Handout;
use super::{
    escape::{in_json, shown},
    print::{Form, Stream},
    secret,
};
use crate::{
    identity::{Authority, ClusterKeys, Fingerprint, PublicKey, Role, Validity},
    node::Entropy,
    wire::client::{Member, NodeId},
};

/// Ports of the first node's links; the next one's on the same machine are one higher.
const CLIENT_PORT: u64 = 7101;
const PEER_PORT: u64 = 7201;

/// Make what the nodes of a cluster need, a folder for each.
#[derive(Debug, Subcommand)]
pub enum ClusterCommand {
    /// Make a new cluster.
    ///
    /// Makes in DIR, which is for whoever runs the cluster:
    ///
    /// n1, n2, ...: a folder for each node, with node.toml, its certificate, and the cluster's key. Start each with
    /// `veil node --config DIR/n1/node.toml`, on another machine from a copy.
    ///
    /// operator: the certificate that `veil member` and the like need, as `--operator DIR/operator`.
    ///
    /// ca.pem: by which clients know the nodes, as `--ca DIR/ca.pem`.
    ///
    /// ca.key: makes certificates. Keep it away from the nodes.
    ///
    /// A file that is there already is never replaced.
    Init(InitArgs),
    /// Make new certificates in the place of those that are about to expire.
    ///
    /// Makes new certificates and keys for all nodes and the operator of DIR, with DIR/ca.key. A node that runs from
    /// its folder there takes the new ones within seconds, without a restart; to other machines copy node.pem and
    /// node.key.
    Renew(RenewArgs),
    /// Make the folder of one more node, which is to join the others.
    ///
    /// Start it, and then say `veil member add`.
    AddNode(AddNodeArgs),
    /// Draw another key-encryption key, under which the keys of images will lie in log and snapshot.
    ///
    /// Writes it into the cluster.key of every node of DIR, beside those that are there. A node that runs from its
    /// folder there takes it within seconds; to other machines copy cluster.key. Then say `veil cluster rewrap`.
    AddKey(rotate::AddKeyArgs),
    /// Put the keys of all images under the newest key-encryption key.
    ///
    /// Every node has to have it: one that lacks it is named, and nothing is changed. Needs --operator.
    Rewrap(rotate::RewrapArgs),
    /// Take a key-encryption key away that is no longer in use.
    ///
    /// After `veil cluster rewrap`, and not within five minutes: a request that is repeated so long is given the key
    /// as it was wrapped then. Copies of older snapshots and dumps are of no use without it.
    DropKey(rotate::DropKeyArgs),
    /// Show what the cluster may hold, of each user and in all, and what it holds; or set other quotas.
    ///
    /// What is there already stays when a quota is lowered: only growth is refused. Needs --operator.
    Limits(limits::LimitsArgs),
    /// Set the directory's clock to that of the nodes.
    ///
    /// For when the clocks of nodes and clients were wrong together, and the directory has taken over a time that is yet
    /// to come: `veil status` says so then. First set the nodes' clocks right. Needs --operator.
    SetClock(set_clock::SetClockArgs),
    /// Go on with one node alone, when so many of the others are lost for good that the rest is no majority.
    ///
    /// Run it where the node's folder is, while the node is stopped. It says what the node holds, and by that what may be lost:
    /// whatever the cluster acknowledged and only the lost nodes have written down. With --yes the node is made the only member of
    /// the cluster; started, it serves, and further nodes are added with empty folders. Of several nodes that are left, take the
    /// one whose last entry is the highest, by term first. The others, and nodes that come back later with their old folders, are
    /// no members any more: never start them with these.
    Recover(recover::RecoverArgs),
}

/// What is made.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Where all is made; the folder is made if missing.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// How many nodes, all on this machine's loopback.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=99))]
    nodes: u64,
    /// Where the nodes are instead, a name or IP address each; they use ports 7101 and 7201.
    #[arg(long = "host", value_name = "HOST", value_delimiter = ',', conflicts_with = "nodes")]
    hosts: Vec<String>,
    #[command(flatten)]
    made: MadeArgs,
}

/// What every one of these commands takes.
#[derive(Debug, Args)]
struct MadeArgs {
    /// For how many days the certificates hold.
    #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,
    /// Print JSON, for scripts.
    #[arg(long)]
    json: bool,
}

impl MadeArgs {
    fn validity(&self) -> Validity {
        let length = Duration::from_secs(u64::from(self.days) * 24 * 3600);
        Validity { from: SystemTime::now(), length }
    }
}

/// What is renewed.
#[derive(Debug, Args)]
pub struct RenewArgs {
    /// What `veil cluster init` made.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    made: MadeArgs,
}

/// Which node is added.
#[derive(Debug, Args)]
pub struct AddNodeArgs {
    /// What `veil cluster init` made.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The node's number, which no other one has or had.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    id: NodeId,
    /// Where it is, if not on this machine's loopback.
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    #[command(flatten)]
    made: MadeArgs,
}

/// Does what was asked.
///
/// # Errors
/// When files cannot be read or written, or are there already.
pub fn run(command: &ClusterCommand) -> anyhow::Result<()> {
    match command {
        ClusterCommand::Init(args) => init(args),
        ClusterCommand::Renew(args) => renew(args),
        ClusterCommand::AddNode(args) => add_node(args),
        ClusterCommand::AddKey(args) => rotate::add_key(args),
        ClusterCommand::Rewrap(args) => rotate::rewrap(args),
        ClusterCommand::DropKey(args) => rotate::drop_key(args),
        ClusterCommand::Limits(args) => limits::run(args),
        ClusterCommand::SetClock(args) => set_clock::set_clock(args),
        ClusterCommand::Recover(args) => recover::recover(args),
    }
}

fn init(InitArgs { folder, nodes, hosts, made }: &InitArgs) -> anyhow::Result<()> {
    let places = match hosts.is_empty() {
        true => (1..=*nodes).map(Place::on_loopback).collect::<Result<Vec<_>, _>>()?,
        false => {
            let hosts: Vec<_> =
                hosts.iter().map(|host| host.trim()).filter(|host| !host.is_empty()).collect();
            anyhow::ensure!(!hosts.is_empty(), "--host is empty: expected names or IP addresses");
            let mut distinct = std::collections::BTreeSet::new();
            let twice = hosts.iter().find(|host| !distinct.insert(**host));
            anyhow::ensure!(twice.is_none(), "--host {} is given twice", twice.unwrap_or(&""));
            let numbered = (1..).zip(hosts);
            numbered.map(|(id, host)| Place::on(id, host)).collect::<Result<Vec<_>, _>>()?
        }
    };
    let Made { fingerprint, public } = make(folder, &places, made.validity())?;
    let nodes: Vec<_> = places.iter().map(|place| folder.join(format!("n{}", place.member.id))).collect();
    let json = json!({
        "fingerprint": fingerprint.to_string(),
        "public_key": public.to_string(),
        "authority": in_json(&folder.join("ca.pem")),
        "authority_key": in_json(&folder.join("ca.key")),
        "nodes": all_in_json(&nodes),
        "operator": in_json(&folder.join("operator")),
    });
    let mut lines = vec![format!("fingerprint  {fingerprint}"), format!("public key   {public}")];
    let at = |name: &str| shown(&folder.join(name));
    let rows = nodes
        .iter()
        .map(|node| (shown(node), format!("`veil node --config {}`", shown(&node.join("node.toml")))));
    let others = [
        (at("operator"), "for who changes the cluster, as --operator; nobody else should read it".to_owned()),
        (at("ca.pem"), "for clients, as --ca; the fingerprint, as --fingerprint, is enough".to_owned()),
        (at("ca.key"), "makes certificates: keep it away from the nodes, and keep a copy".to_owned()),
    ];
    let rows: Vec<_> = rows.chain(others).collect();
    let width = rows.iter().map(|(path, _)| path.len()).max().unwrap_or_default();
    lines.extend(rows.into_iter().map(|(path, what)| format!("{path:width$}  {what}")));
    say_made(made, lines.join("\n"), &json)
}

fn say_made(made: &MadeArgs, text: String, json: &serde_json::Value) -> anyhow::Result<()> {
    Ok(Form::json_if(made.json).say_done(Stream::Output, text, json)?)
}

fn all_in_json(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| in_json(path)).collect()
}

fn renew(RenewArgs { folder, made }: &RenewArgs) -> anyhow::Result<()> {
    let (authority, handout) = (read_authority(folder)?, Handout::at(folder));
    let nodes = handout.nodes()?;
    let mut renewed = Vec::new();
    for id in nodes {
        let issued = issue(&authority, Role::Node(id), made.validity())?;
        renewed.push(handout.replace_node(id, &issued)?);
    }
    if handout.has_operator() {
        let issued = issue(&authority, Role::Operator, made.validity())?;
        renewed.push(handout.replace_operator(&issued)?);
    }
    anyhow::ensure!(!renewed.is_empty(), "{}: no folder of a node, such as n1", shown(folder));
    let line = |path: &PathBuf| format!("{}: new certificate, for {} days", shown(path), made.days);
    let text = renewed.iter().map(line).collect::<Vec<_>>().join("\n");
    say_made(made, text, &json!({ "renewed": all_in_json(&renewed), "days": made.days }))
}

fn add_node(AddNodeArgs { folder, id, host, made }: &AddNodeArgs) -> anyhow::Result<()> {
    let place = match host {
        Some(host) => Place::on(*id, host),
        None => Place::on_loopback(*id),
    }?;
    let (authority, handout) = (read_authority(folder)?, Handout::at(folder));
    let keys = handout.cluster_key()?;
    let issued = issue(&authority, Role::Node(*id), made.validity())?;
    handout.ensure_free([*id], false)?;
    let authority = authority.to_pem().certificate;
    let path = handout.make_node(&place.config(&[], *id), &issued, &authority, &keys)?;
    let Member { client, peer, .. } = &place.member;
    let add = format!("veil member add {id} --client {client} --peer {peer}");
    let config = shown(&path.join("node.toml"));
    let text = format!("{}: start it with `veil node --config {config}`, then `{add}`", shown(&path));
    say_made(made, text, &json!({ "id": id, "folder": in_json(&path), "client": client, "peer": peer }))
}

/// Makes the folder of a cluster of nodes on this machine, as [`InitArgs`] says.
pub(super) fn make_on_this_machine(folder: &Path, members: &[Member]) -> anyhow::Result<()> {
    let places: Vec<_> =
        members.iter().map(|member| Place { member: member.clone(), listen: "127.0.0.1" }).collect();
    let validity = Validity { from: SystemTime::now(), length: Duration::from_secs(365 * 24 * 3600) };
    make(folder, &places, validity).map(drop)
}

/// What there is to tell of a new cluster.
struct Made {
    fingerprint: Fingerprint,
    public: PublicKey,
}

fn make(folder: &Path, places: &[Place], validity: Validity) -> anyhow::Result<Made> {
    let handout = Handout::at(folder);
    handout.ensure_free(places.iter().map(|place| place.member.id), true)?;
    let authority = Entropy::from_system().draw(|random| Authority::generate(random, validity.from))?;
    let keys = Entropy::from_system().draw(ClusterKeys::generate);
    let pem = authority.to_pem();
    // First what cannot be made again.
    handout.make_authority(&pem)?;
    let members: Vec<_> = places.iter().map(|place| place.member.clone()).collect();
    for place in places {
        let issued = issue(&authority, Role::Node(place.member.id), validity)?;
        let config = place.config(&members, place.member.id);
        handout.make_node(&config, &issued, &pem.certificate, &keys.to_text())?;
    }
    handout.make_operator(&issue(&authority, Role::Operator, validity)?, &pem.certificate)?;
    Ok(Made { fingerprint: Fingerprint::of(authority.certificate()), public: keys.public() })
}

fn issue(authority: &Authority, role: Role, validity: Validity) -> anyhow::Result<crate::identity::Issued> {
    Ok(Entropy::from_system().draw(|random| authority.issue(role, random, validity))?)
}

fn read_authority(folder: &Path) -> anyhow::Result<Authority> {
    let pem = Handout::at(folder).authority()?;
    Authority::from_pem(&pem)
        .with_context(|| format!("{} and {}", shown(&folder.join("ca.pem")), shown(&folder.join("ca.key"))))
}

/// Where a node is.
struct Place {
    member: Member,
    /// The host part of what it listens on.
    listen: &'static str,
}

impl Place {
    /// Each node of this machine has ports of its own.
    fn on_loopback(id: NodeId) -> anyhow::Result<Self> {
        anyhow::ensure!(id < 100, "--id {id}: beyond 99 say --host, as there is no port for it on loopback");
        let at = |port: u64| format!("127.0.0.1:{}", port + id - 1);
        Ok(Self { member: Member { id, client: at(CLIENT_PORT), peer: at(PEER_PORT) }, listen: "127.0.0.1" })
    }

    /// A machine of its own. Others reach it by that name; it listens on all of its addresses.
    fn on(id: NodeId, host: &str) -> anyhow::Result<Self> {
        let usable = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let host = host.trim();
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        anyhow::ensure!(
            !bare.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified()),
            "--host {host}: others reach the node there, and nobody is reached at it; expected one address of the host"
        );
        let (host, listen) = match bare.parse::<Ipv6Addr>() {
            Ok(address) => (format!("[{address}]"), "[::]"),
            Err(_) => (host.to_owned(), "0.0.0.0"),
        };
        let named = !host.is_empty() && host.chars().all(usable);
        anyhow::ensure!(
            named || listen == "[::]",
            "--host {host}: expected a name or an IP address, without a port"
        );
        let at = |port: u64| format!("{host}:{port}");
        Ok(Self { member: Member { id, client: at(CLIENT_PORT), peer: at(PEER_PORT) }, listen })
    }

    /// Its configuration file. The first of the founding members founds the cluster.
    fn config(&self, founders: &[Member], id: NodeId) -> handout::Config {
        let port = |address: &str| address.rsplit(':').next().unwrap_or_default().to_owned();
        let Member { client, peer, .. } = &self.member;
        let listen = |address| format!("{}:{}", self.listen, port(address));
        handout::Config {
            id,
            bootstrap: founders.first().is_some_and(|first| first.id == id),
            client: listen(client),
            peer: listen(peer),
            founders: founders.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests;
