//! Under which names the pages may be asked for. A page from elsewhere may have a browser ask here, under a name of its own
//! that has just come to mean this address, and read the answer: a name that is not this node's is refused.

use std::{collections::BTreeSet, net::IpAddr};

use hyper::header::{HOST, HeaderMap};

/// The names of a node.
#[derive(Debug)]
pub(in crate::node) struct Hosts(BTreeSet<String>);

/// What is no name of it.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no name of this node: listen.http_hosts in its configuration lists more")]
pub(super) struct Unknown(String);

impl Hosts {
    /// These, in lower case, and every address and `localhost`.
    pub(in crate::node) fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().collect())
    }

    /// Whether a request is for this node. One that names no host is: browsers always do.
    pub(super) fn check(&self, head: &HeaderMap) -> Result<(), Unknown> {
        let Some(host) = head.get(HOST) else { return Ok(()) };
        let host = host.to_str().unwrap_or_default().to_ascii_lowercase();
        let name = name_of(&host);
        let is_address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        match is_address || name == "localhost" || self.0.contains(name) {
            true => Ok(()),
            false => Err(Unknown(name.chars().take(256).collect())),
        }
    }
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        // An IPv6 address has more of them, and stands in brackets where a port follows.
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !inside_brackets(name) => {
            name
        }
        _ => host,
    }
}

fn inside_brackets(name: &str) -> bool {
    name.starts_with('[') && !name.ends_with(']')
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn allowed(host: &str) -> bool {
        let mut head = HeaderMap::new();
        head.insert(HOST, HeaderValue::from_str(host).unwrap());
        Hosts::new(["n1".to_owned(), "photos.example".to_owned()]).check(&head).is_ok()
    }

    #[test]
    fn addresses_and_names_of_this_node_are_its_own_and_nothing_else_is() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:7301",
            "[::1]:7301",
            "[2001:db8::1]",
            "localhost:80",
            "LOCALHOST",
            "n1:7300",
            "N1",
        ] {
            assert!(allowed(host), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:7301",
            "n1.evil.example",
            "localhost.evil.example",
            "",
            ":80",
            "n11",
        ] {
            assert!(!allowed(host), "{host}");
        }
        assert!(Hosts::new([]).check(&HeaderMap::new()).is_ok());
    }
}
