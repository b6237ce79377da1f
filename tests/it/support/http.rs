//! The HTTP API with every detail of its answers.

use std::time::Duration;

use serde_json::Value;

/// The API at the level of HTTP.
pub(crate) struct Http {
    agent: ureq::Agent,
    base: String,
    token: Option<String>,
}

/// An answer with all that a client can see of it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) text: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Checks that this is a problem document of this name and status; returns the field at fault.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, name: &str) -> Option<String> {
        assert_eq!(self.content_type, "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(
            problem["type"],
            format!("urn:certmesh:problem:{name}"),
            "{problem}"
        );
        assert_eq!(
            (self.status, &problem["status"]),
            (status, &Value::from(status))
        );
        for part in ["title", "detail"] {
            assert!(
                problem[part].as_str().is_some_and(|text| !text.is_empty()),
                "{problem}"
            );
        }
        problem["field"].as_str().map(str::to_owned)
    }

    /// Checks that this is a problem document of this name and status that names this field.
    #[track_caller]
    pub(crate) fn problem_in(&self, status: u16, name: &str, field: &str) {
        let named = self.problem(status, name);
        assert_eq!(named.as_deref(), Some(field), "{self:?}");
    }

    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text
            .lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
            })
            .collect()
    }
}

impl Http {
    pub(crate) fn new(base: &str, token: &str) -> Http {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // A node may close a connection whose request it refused unread; the next request needs a new one.
            .max_idle_connections(0)
            .timeout_global(Some(Duration::from_secs(60)))
            .build()
            .new_agent();
        Http {
            agent,
            base: base.to_owned(),
            token: Some(token.to_owned()),
        }
    }

    /// The same node asked with another token, or none.
    pub(crate) fn with_token(&self, token: Option<&str>) -> Http {
        Http {
            agent: self.agent.clone(),
            base: self.base.clone(),
            token: token.map(str::to_owned),
        }
    }

    pub(crate) fn address(&self) -> &str {
        self.base.strip_prefix("http://").unwrap()
    }

    pub(crate) fn token(&self) -> &str {
        self.token.as_deref().unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        answer(request.call().unwrap())
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_with(path, "application/json", &[], body.to_string().as_bytes())
    }

    pub(crate) fn post_keyed(&self, path: &str, key: &str, body: &Value) -> Answer {
        let headers = [("idempotency-key", key)];
        self.post_with(
            path,
            "application/json",
            &headers,
            body.to_string().as_bytes(),
        )
    }

    pub(crate) fn bulk(&self, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.post_with(
            "/v1/certificates/bulk",
            "application/x-ndjson",
            headers,
            body,
        )
    }

    pub(crate) fn post_with(
        &self,
        path: &str,
        content_type: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut request = self
            .agent
            .post(format!("{}{path}", self.base))
            .header("content-type", content_type);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        answer(request.send(body).unwrap())
    }
}

fn answer(mut response: ureq::http::Response<ureq::Body>) -> Answer {
    let content_type = response
        .headers()
        .get("content-type")
        .map(|value| value.to_str().unwrap().to_owned())
        .unwrap_or_default();
    let bytes = response
        .body_mut()
        .with_config()
        .limit(1 << 28)
        .read_to_vec()
        .unwrap();
    Answer {
        status: response.status().as_u16(),
        content_type,
        text: String::from_utf8_lossy(&bytes).into_owned(),
    }
}
