//! Cuts as rules of the kernel's packet filter.
//!
//! What a node does not hear is dropped where it would arrive, in the node's own network namespace, so that the
//! sender learns nothing. The world outside has no namespace that is ours to change: what a node says to it is
//! dropped where it leaves.

use std::fmt::Write;

use veil::wire::client::NodeId;

use crate::{
    cluster::OUTSIDE,
    link::{DirectedLink, Shape},
};

/// The packet filter of a node, as `iptables-restore` reads it.
pub(super) fn rules(
    node: NodeId,
    links: impl Iterator<Item = (DirectedLink, Shape)>,
    addresses: impl Fn(NodeId) -> Vec<String>,
) -> String {
    let mut rules = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n".to_owned();
    for ((from, to), shape) in links {
        let (chain, other) = match (from, to) {
            (from, to) if to == node => ("INPUT -s", from),
            (from, OUTSIDE) if from == node => ("OUTPUT -d", OUTSIDE),
            _ => continue,
        };
        for packets in addresses(other).into_iter().map(|address| format!("-A {chain} {address}")) {
            // Writing to a string does not fail.
            let _ = if shape.is_reset() {
                // The resets themselves have to come through, or nobody learns of them.
                writeln!(
                    rules,
                    "{packets} -p tcp --tcp-flags RST RST -j ACCEPT\n{packets} -p tcp -j REJECT --reject-with tcp-reset"
                )
            } else if shape.is_cut() {
                writeln!(rules, "{packets} -j DROP")
            } else {
                continue;
            };
        }
    }
    rules + "COMMIT\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Links;

    #[test]
    fn a_cut_is_dropped_where_it_arrives_and_on_the_way_out() {
        let links = Links::between(&[OUTSIDE, 1, 2, 3]);
        let addresses = |node: NodeId| match node {
            OUTSIDE => vec!["10.0.0.0".to_owned(), "10.0.0.64/27".to_owned()],
            node => vec![format!("10.0.0.{node}")],
        };
        let filter = |node| rules(node, links.all(), addresses);
        let open = filter(1);
        assert!(!open.contains("DROP"), "{open}");
        links.change(&[(2, 1), (1, 3), (1, OUTSIDE), (OUTSIDE, 1)], &|shape| shape.cuts += 1);
        let lines = |node| {
            let rules = filter(node);
            rules.lines().filter(|line| line.starts_with("-A")).map(str::to_owned).collect::<Vec<_>>()
        };
        let of_first = [
            "-A INPUT -s 10.0.0.0 -j DROP",
            "-A INPUT -s 10.0.0.64/27 -j DROP",
            "-A OUTPUT -d 10.0.0.0 -j DROP",
            "-A OUTPUT -d 10.0.0.64/27 -j DROP",
            "-A INPUT -s 10.0.0.2 -j DROP",
        ];
        assert_eq!(lines(1), of_first);
        assert_eq!(lines(2), Vec::<String>::new());
        assert_eq!(lines(3), ["-A INPUT -s 10.0.0.1 -j DROP"]);
        links.change(&[(1, 3)], &|shape| shape.resets += 1);
        assert!(lines(3)[1].ends_with("-j REJECT --reject-with tcp-reset"), "{:?}", lines(3));
    }
}
