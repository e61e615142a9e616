//! Addresses as people write them: `HOST:PORT`, the host a name or an IP address, and lists of them.

use std::{
    collections::BTreeSet,
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

/// The longest address, characters: a name of 253, a colon and a port, and some.
const LONGEST: usize = 260;

/// Why a text is no address. What was given is told by whoever has asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// Nothing was given.
    #[error("it is empty: expected HOST:PORT, such as 127.0.0.1:7101")]
    Empty,
    /// It is longer than any address.
    #[error("it has more than {LONGEST} characters: expected HOST:PORT, such as 127.0.0.1:7101")]
    TooLong,
    /// A URL.
    #[error("it is a URL: expected HOST:PORT alone, such as 127.0.0.1:7101")]
    Url,
    /// A character that is in no name.
    #[error("the host holds a character that no name has: expected HOST:PORT, such as 127.0.0.1:7101")]
    Character,
    /// An IPv6 address whose end cannot be told from a port.
    #[error("an IPv6 address stands in brackets, with the port behind them: [::1]:7101")]
    Brackets,
    /// There is no port.
    #[error("the port is missing: expected HOST:PORT, such as 127.0.0.1:7101")]
    NoPort,
    /// There is no host.
    #[error("the host is missing: expected HOST:PORT, such as 127.0.0.1:7101")]
    NoHost,
    /// Behind the last colon there is something else.
    #[error("the port is not a number from 1 to 65535")]
    Port,
    /// Nobody can be reached at port 0.
    #[error("port 0 is no port that anybody is reached at: expected 1 to 65535")]
    PortZero,
    /// Nobody can be reached at 0.0.0.0 or [::].
    #[error(
        "0.0.0.0 and [::] are for listening alone: nobody is reached there, expected one address of the host"
    )]
    Unspecified,
}

/// An address that leads nowhere by its form, and where it was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is no address: {reason}")]
pub struct NoAddress {
    /// What was given; its beginning.
    pub given: String,
    /// What is wrong.
    pub reason: BadAddress,
}

impl NoAddress {
    fn new(given: &str, reason: BadAddress) -> Self {
        Self { given: given.chars().take(LONGEST).collect(), reason }
    }
}

/// Host and port. Port 0 and unspecified addresses pass: they can be listened on.
fn split(text: &str) -> Result<(&str, u16), BadAddress> {
    if text.is_empty() {
        return Err(BadAddress::Empty);
    }
    if text.chars().count() > LONGEST {
        return Err(BadAddress::TooLong);
    }
    if text.contains("://") {
        return Err(BadAddress::Url);
    }
    if let Ok(socket) = text.parse::<SocketAddr>() {
        let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
        return Ok((host, socket.port()));
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(BadAddress::Brackets);
    }
    let (host, port) = text.rsplit_once(':').ok_or(BadAddress::NoPort)?;
    if text.starts_with('[') && text.ends_with(']') {
        return Err(BadAddress::NoPort);
    }
    if host.is_empty() {
        return Err(BadAddress::NoHost);
    }
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match bare {
        Some(bare) if bare.parse::<Ipv6Addr>().is_ok() => {}
        _ if host.contains(':') => return Err(BadAddress::Brackets),
        _ if !host.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) => {
            return Err(BadAddress::Character);
        }
        _ => {}
    }
    // `+80` is a number to Rust, and none to people.
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|_| digits).ok_or(BadAddress::Port)?;
    Ok((host, port))
}

fn is_unspecified(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_unspecified())
}

/// Checks an address at which somebody is to be reached.
///
/// # Errors
/// [`NoAddress`].
pub fn check_reachable(text: &str) -> Result<(), NoAddress> {
    let refuse = |reason| Err(NoAddress::new(text, reason));
    match split(text) {
        Err(reason) => refuse(reason),
        Ok((_, 0)) => refuse(BadAddress::PortZero),
        Ok((host, _)) if is_unspecified(host) => refuse(BadAddress::Unspecified),
        Ok(_) => Ok(()),
    }
}

/// Checks an address that is to be listened on: port 0 asks for any free port.
///
/// # Errors
/// [`NoAddress`].
pub fn check_listening(text: &str) -> Result<(), NoAddress> {
    split(text).map(drop).map_err(|reason| NoAddress::new(text, reason))
}

/// One address, as it stands on a command line; blanks around it do not matter.
///
/// # Errors
/// [`NoAddress`].
pub fn parse(text: &str) -> Result<String, NoAddress> {
    let text = text.trim();
    check_reachable(text).map(|()| text.to_owned())
}

/// Addresses of nodes of which each is there once, and at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressList(Vec<String>);

impl AddressList {
    /// The addresses, in the order in which they were given.
    pub fn into_vec(self) -> Vec<String> {
        self.0
    }

    /// The same, to look at.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl std::str::FromStr for AddressList {
    type Err = NoAddress;

    /// Addresses separated by commas. Blanks around them do not matter, nor does a comma at the end; who is named twice is
    /// asked once.
    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let mut seen = BTreeSet::new();
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let mut addresses = Vec::new();
        for part in parts {
            let address = parse(part)?;
            if seen.insert(address.clone()) {
                addresses.push(address);
            }
        }
        match addresses.is_empty() {
            true => Err(NoAddress::new(text, BadAddress::Empty)),
            false => Ok(Self(addresses)),
        }
    }
}

impl fmt::Display for AddressList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_and_what_it_is() {
        for good in ["127.0.0.1:7101", "[::1]:7101", "localhost:7101", "n1.example.org:1", "n_1-a:65535"] {
            assert_eq!(parse(good).unwrap(), good);
            assert_eq!(parse(&format!("  {good}\t")).unwrap(), good);
        }
        for (bad, reason) in [
            ("", BadAddress::Empty),
            (" ", BadAddress::Empty),
            ("127.0.0.1", BadAddress::NoPort),
            ("localhost", BadAddress::NoPort),
            ("[::1]", BadAddress::NoPort),
            ("::1", BadAddress::Brackets),
            ("fe80::1:7101:x", BadAddress::Brackets),
            ("::1:7101", BadAddress::Brackets),
            (":7101", BadAddress::NoHost),
            ("n1:", BadAddress::Port),
            ("n1:http", BadAddress::Port),
            ("n1:+80", BadAddress::Port),
            ("n1:65536", BadAddress::Port),
            ("n1:0", BadAddress::PortZero),
            ("0.0.0.0:7101", BadAddress::Unspecified),
            ("[::]:7101", BadAddress::Unspecified),
            ("[::ffff:0.0.0.0]:7101", BadAddress::Unspecified),
            ("https://n1:7101", BadAddress::Url),
            ("n 1:7101", BadAddress::Character),
            ("a@n1:7101", BadAddress::Character),
        ] {
            assert_eq!(parse(bad).unwrap_err().reason, reason, "{bad:?}");
        }
        assert_eq!(parse(&"n".repeat(300)).unwrap_err().reason, BadAddress::TooLong);
        let said = parse("::1").unwrap_err().to_string();
        assert!(said.starts_with("\"::1\" is no address") && said.contains("[::1]:7101"), "{said}");
    }

    #[test]
    fn one_can_listen_where_nobody_can_be_reached() {
        for address in ["0.0.0.0:7101", "[::]:0", "127.0.0.1:0", "localhost:7101"] {
            check_listening(address).unwrap();
        }
        assert_eq!(check_listening("::1").unwrap_err().reason, BadAddress::Brackets);
        assert_eq!(check_listening("n1").unwrap_err().reason, BadAddress::NoPort);
    }

    #[test]
    fn a_list_may_have_blanks_and_a_comma_at_its_end_and_names_everybody_once() {
        let list = |text: &str| text.parse::<AddressList>().map(AddressList::into_vec);
        assert_eq!(list("a:1, b:2 ,\tc:3,").unwrap(), ["a:1", "b:2", "c:3"]);
        assert_eq!(list("b:2,a:1,b:2").unwrap(), ["b:2", "a:1"]);
        for empty in ["", " ", ",", " , "] {
            assert_eq!(list(empty).unwrap_err().reason, BadAddress::Empty, "{empty:?}");
        }
        assert_eq!(list("a:1,b").unwrap_err().given, "b");
    }
}
