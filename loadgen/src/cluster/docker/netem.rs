//! Slow and lossy links by the kernel's network emulator (tc-netem(8)), where the kernel has it.
//!
//! What a node hears is held up where it leaves for the node: at the outer end of the cable that leads to its
//! container. The world outside has no such cable of its own: what a node says to it is held up where it leaves
//! the node.

use std::{fmt::Write, io, path::Path, process::Command, time::Duration};

use veil::wire::client::NodeId;

use super::namespace::{Namespace, feed};
use crate::{
    cluster::OUTSIDE,
    link::{DirectedLink, Quality, Shape},
};

/// The device of a container in its only network.
const INNER: &str = "eth0";
/// The emulator's delays are counted in 32 bits, and silently wrap beyond; 275 s is the most.
const LONGEST: Duration = Duration::from_secs(270);
/// More than ever waits on a link, packets.
const QUEUE: u32 = 100_000;

/// What becomes of some packets.
#[derive(Debug, Clone, PartialEq)]
struct Rule {
    /// Whose address tells them: `src` or `dst`.
    end: &'static str,
    address: String,
    quality: Quality,
}

/// What becomes of what a node hears, and of what it says to the world outside.
#[derive(Debug, Default, PartialEq)]
struct Ends {
    heard: Vec<Rule>,
    said: Vec<Rule>,
}

/// Whether the emulator can be used from here, tried in a namespace of its own.
pub(super) async fn can_emulate() -> io::Result<()> {
    let tried = tokio::task::spawn_blocking(|| {
        let mut command = Command::new("unshare");
        command.args(["--net", "tc", "-batch", "-"]);
        let anything = Rule { end: "src", address: "192.0.2.1".to_owned(), quality: Quality::default() };
        feed(command, &script("lo", &[anything]))
    });
    tried.await.unwrap_or_else(|panic| Err(io::Error::other(panic)))
}

/// Brings both ends of a node's cable in line with what its links are like.
pub(super) async fn emulate(
    node: NodeId,
    namespace: Namespace,
    links: impl Iterator<Item = (DirectedLink, Shape)>,
    addresses: impl Fn(NodeId) -> Vec<String>,
) -> io::Result<()> {
    let Ends { heard, said } = around(node, links, addresses);
    let outer = outer_device(namespace)?;
    namespace.inside(move || feed(tc(), &script(INNER, &said))).await?;
    let emulating = tokio::task::spawn_blocking(move || feed(tc(), &script(&outer, &heard)));
    emulating.await.unwrap_or_else(|panic| Err(io::Error::other(panic)))
}

fn tc() -> Command {
    let mut command = Command::new("tc");
    command.args(["-batch", "-"]);
    command
}

/// The rules of a node, as far as its links are not undisturbed.
fn around(
    node: NodeId,
    links: impl Iterator<Item = (DirectedLink, Shape)>,
    addresses: impl Fn(NodeId) -> Vec<String>,
) -> Ends {
    let mut ends = Ends::default();
    for ((from, to), quality) in links.map(|(link, shape)| (link, shape.quality())) {
        let (rules, end, other) = match (from, to) {
            _ if quality == Quality::default() => continue,
            (from, to) if to == node => (&mut ends.heard, "src", from),
            (from, OUTSIDE) if from == node => (&mut ends.said, "dst", OUTSIDE),
            _ => continue,
        };
        rules.extend(addresses(other).into_iter().map(|address| Rule { end, address, quality }));
    }
    ends
}

/// Commands, as `tc -batch` reads them, that leave a device with just these rules.
fn script(device: &str, rules: &[Rule]) -> String {
    // Whatever was there goes with its root.
    let mut script = format!("qdisc replace dev {device} root handle 2: pfifo\n");
    if rules.is_empty() {
        return script;
    }
    // Writing to a string does not fail.
    let _ = writeln!(script, "qdisc replace dev {device} root handle 1: htb default 0");
    for (number, Rule { end, address, quality }) in (1..).zip(rules) {
        let emulated = emulated(quality);
        let _ = write!(
            script,
            "class add dev {device} parent 1: classid 1:{number:x} htb rate 100gbit quantum 60000\n\
             qdisc add dev {device} parent 1:{number:x} handle {handle:x}: netem limit {QUEUE}{emulated}\n\
             filter add dev {device} parent 1: protocol ip prio 1 u32 match ip {end} {address} flowid 1:{number:x}\n",
            handle = number + 0x10,
        );
    }
    script
}

/// A quality in the emulator's words. It draws evenly from both sides of a delay, we from one.
fn emulated(quality: &Quality) -> String {
    let Quality { delay, jitter, loss, rate, .. } = quality;
    let (half, mut words) = (jitter.min(&LONGEST).as_micros() / 2, String::new());
    if !delay.is_zero() || half > 0 {
        let delay = delay.as_micros().saturating_add(half).min(LONGEST.as_micros());
        let _ = write!(words, " delay {delay}us");
    }
    if half > 0 {
        let _ = write!(words, " {half}us");
    }
    if *loss > 0.0 {
        let _ = write!(words, " loss {:.4}%", loss * 100.0);
    }
    if let Some(rate) = rate {
        let _ = write!(words, " rate {rate}bps");
    }
    words
}

/// The outer end of the cable of a container: the device of this machine whose number the inner end tells.
fn outer_device(namespace: Namespace) -> io::Result<String> {
    let read = |path: &Path| std::fs::read_to_string(path).map(|text| text.trim().to_owned());
    let number = read(&namespace.root().join("sys/class/net").join(INNER).join("iflink"))?;
    for device in std::fs::read_dir("/sys/class/net")? {
        let device = device?;
        if read(&device.path().join("ifindex")).is_ok_and(|index| index == number) {
            return Ok(device.file_name().to_string_lossy().into_owned());
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, format!("no device has the number {number}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Links;

    fn slow() -> Quality {
        let (delay, jitter) = (Duration::from_millis(20), Duration::from_millis(10));
        Quality { delay, jitter, loss: 0.5, rate: Some(1_000_000), ..Quality::default() }
    }

    #[test]
    fn a_node_is_slowed_where_it_hears_and_where_it_speaks_to_the_world() {
        let links = Links::between(&[OUTSIDE, 1, 2]);
        let addresses = |node: NodeId| vec![format!("10.0.0.{node}")];
        let around = |node| around(node, links.all(), addresses);
        assert_eq!(around(1), Ends::default());
        links.change(&[(2, 1), (1, OUTSIDE), (OUTSIDE, 1)], &|shape| shape.worsen(slow()));
        let rule = |end, address: &str| Rule { end, address: address.to_owned(), quality: slow() };
        let heard = vec![rule("src", "10.0.0.0"), rule("src", "10.0.0.2")];
        assert_eq!(around(1), Ends { heard, said: vec![rule("dst", "10.0.0.0")] });
        assert_eq!(around(2), Ends::default());
    }

    #[test]
    fn golden_script() {
        let delay = Quality { delay: Duration::from_millis(5), ..Quality::default() };
        let rules = [("10.0.0.2", slow()), ("10.0.0.64/27", delay)];
        let rules = rules.map(|(address, quality)| Rule { end: "src", address: address.to_owned(), quality });
        assert_eq!(
            script("veth7", &rules),
            "qdisc replace dev veth7 root handle 2: pfifo\n\
             qdisc replace dev veth7 root handle 1: htb default 0\n\
             class add dev veth7 parent 1: classid 1:1 htb rate 100gbit quantum 60000\n\
             qdisc add dev veth7 parent 1:1 handle 11: netem limit 100000 delay 25000us 5000us loss 50.0000% rate 1000000bps\n\
             filter add dev veth7 parent 1: protocol ip prio 1 u32 match ip src 10.0.0.2 flowid 1:1\n\
             class add dev veth7 parent 1: classid 1:2 htb rate 100gbit quantum 60000\n\
             qdisc add dev veth7 parent 1:2 handle 12: netem limit 100000 delay 5000us\n\
             filter add dev veth7 parent 1: protocol ip prio 1 u32 match ip src 10.0.0.64/27 flowid 1:2\n"
        );
        let hour = Duration::from_secs(3600);
        let endless = emulated(&Quality { delay: hour, jitter: hour, ..Quality::default() });
        assert_eq!(endless, " delay 270000000us 135000000us");
        assert_eq!(script("veth7", &[]), "qdisc replace dev veth7 root handle 2: pfifo\n");
    }
}
