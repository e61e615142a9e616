//! What is at which path.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
};

use super::Page;
use crate::{
    alarm::ActiveAlarm,
    node::{liveness::Liveness, metrics::Metrics, service::ClientService},
    wire::connections::Connections,
};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// Where the pages take what they say from.
pub(in crate::node) struct Pages {
    pub(in crate::node) service: Arc<ClientService>,
    pub(in crate::node) metrics: Arc<Metrics>,
    pub(in crate::node) liveness: Liveness,
    /// The connections of clients.
    pub(in crate::node) clients: Connections,
}

impl Pages {
    /// Gives the page at `path`.
    pub(in crate::node) async fn answer(self: Arc<Self>, method: Method, path: String) -> Page {
        if !["/metrics", "/healthz", "/status"].contains(&path.as_str()) {
            return text(StatusCode::NOT_FOUND, "There is /metrics, /healthz and /status.");
        }
        if method != Method::GET && method != Method::HEAD {
            let mut refusal =
                text(StatusCode::METHOD_NOT_ALLOWED, "These pages can be read, with GET or HEAD.");
            refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        match path.as_str() {
            "/metrics" => self.metrics(),
            "/status" => self.status(),
            _ => self.healthz().await,
        }
    }

    async fn healthz(&self) -> Page {
        match self.liveness.check().await {
            Ok(()) => text(StatusCode::OK, &("ok".to_owned() + &self.alarms())),
            Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, &(reason.to_string() + &self.alarms())),
        }
    }

    /// What is wrong although the node may serve, a line each.
    fn alarms(&self) -> String {
        let active = self.service.consensus.alarms().active();
        active
            .iter()
            .map(|ActiveAlarm { alarm, reason }| format!("\nalarm {}: {reason}", alarm.name()))
            .collect()
    }

    fn status(&self) -> Page {
        match serde_json::to_vec(&self.service.status()) {
            Ok(json) => page(StatusCode::OK, JSON, json),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }

    fn metrics(&self) -> Page {
        match self.metrics.text(&self.service.status(), self.service.consensus.stages(), &self.clients) {
            Ok(metrics) => page(StatusCode::OK, OPEN_METRICS, metrics),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }
}

/// A page of one sentence.
pub(super) fn text(status: StatusCode, sentence: &str) -> Page {
    page(status, TEXT, format!("{sentence}\n"))
}

fn page(status: StatusCode, kind: HeaderValue, body: impl Into<Bytes>) -> Page {
    let mut page = Response::new(Full::new(body.into()));
    *page.status_mut() = status;
    page.headers_mut().insert(CONTENT_TYPE, kind);
    page
}
