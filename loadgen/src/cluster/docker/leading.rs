//! How the links of a cluster of containers are led.

use std::net::{IpAddr, Ipv4Addr};

use veil::wire::client::{Member, NodeId};

use super::{namespace, netem};
use crate::{
    cluster::{ClusterError, Detours, LinkNeeds, OUTSIDE},
    link::Links,
};

/// How links are led, and so how they are disturbed.
#[derive(Debug)]
pub(super) enum Leading {
    /// Directly, and nobody disturbs them.
    Direct,
    /// Directly; the kernel's packet filter cuts them, and its network emulator, if it is used, slows them.
    ByKernel { links: Links, emulator: bool },
    /// Through proxies on this machine, which delay, slow, break and cut.
    Proxies {
        detours: Detours,
        /// All of this in words, with the reason.
        words: &'static str,
    },
}

impl Leading {
    /// Finds out what the kernel can do, and leaves the rest to the link proxy.
    pub(super) async fn choose(
        needs: LinkNeeds,
        members: &[Member],
        at: Ipv4Addr,
        seed: u64,
    ) -> Result<Self, ClusterError> {
        let words = match needs {
            LinkNeeds::None => return Ok(Self::Direct),
            LinkNeeds::Breaks => "every link through the link proxy, which alone breaks connections",
            LinkNeeds::Cuts | LinkNeeds::Shapes => {
                let emulator = needs == LinkNeeds::Shapes;
                let filtered = namespace::can_filter().await;
                let emulated = if emulator { netem::can_emulate().await } else { Ok(()) };
                match (filtered, emulated) {
                    (Ok(()), Ok(())) => {
                        let nodes = std::iter::once(OUTSIDE).chain(members.iter().map(|m| m.id));
                        let links = Links::between(&nodes.collect::<Vec<NodeId>>());
                        return Ok(Self::ByKernel { links, emulator });
                    }
                    (Err(error), _) => {
                        tracing::info!(%error, "no packet filter can be set");
                        "every link through the link proxy: no packet filter can be set from here"
                    }
                    (_, Err(error)) => {
                        tracing::info!(%error, "no network emulator can be set");
                        "every link through the link proxy: the kernel's network emulator (netem) is not there"
                    }
                }
            }
        };
        Ok(Self::Proxies { detours: Detours::around(members, IpAddr::V4(at), seed).await?, words })
    }

    pub(super) fn in_words(&self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::ByKernel { emulator: false, .. } => "direct, cut by the kernel's packet filter (iptables)",
            Self::ByKernel { emulator: true, .. } => {
                "direct, cut by the kernel's packet filter (iptables) and slowed by its network emulator (netem)"
            }
            Self::Proxies { words, .. } => words,
        }
    }
}
