//! How the links of a cluster of containers are led.

use std::net::{IpAddr, Ipv4Addr};

use veil::wire::client::{Member, NodeId};

use super::namespace;
use crate::{
    cluster::{ClusterError, Detours, LinkNeeds, OUTSIDE},
    link::Links,
};

/// How links are led, and so how they are disturbed.
#[derive(Debug)]
pub(super) enum Leading {
    /// Directly, and nobody disturbs them.
    Direct,
    /// Directly; the kernel's packet filter cuts them.
    Filtered(Links),
    /// Through proxies on this machine, which delay, slow and cut.
    Proxies(Detours),
}

impl Leading {
    pub(super) async fn choose(
        needs: LinkNeeds,
        members: &[Member],
        at: Ipv4Addr,
    ) -> Result<Self, ClusterError> {
        let cut_by_kernel = match needs {
            LinkNeeds::None => return Ok(Self::Direct),
            LinkNeeds::Shapes => false,
            LinkNeeds::Cuts => match namespace::can_filter().await {
                Ok(()) => true,
                Err(error) => {
                    tracing::warn!(%error, "no packet filter to set: cuts are left to the link proxy");
                    false
                }
            },
        };
        if cut_by_kernel {
            let nodes: Vec<NodeId> = std::iter::once(OUTSIDE).chain(members.iter().map(|m| m.id)).collect();
            Ok(Self::Filtered(Links::between(&nodes)))
        } else {
            Ok(Self::Proxies(Detours::around(members, IpAddr::V4(at)).await?))
        }
    }

    pub(super) fn in_words(&self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Filtered(_) => "direct, cut by the kernel's packet filter (iptables)",
            Self::Proxies(_) => "every link through the link proxy",
        }
    }
}
