//! One question over HTTP, and its answer.

use std::time::Duration;

use serde_json::Value;
use ureq::http;

const DEADLINE: Duration = Duration::from_secs(30);

/// A request, to be built up.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Option<String>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Names in small letters and values, in the order sent.
    pub headers: Vec<(String, String)>,
    /// The body, as text.
    pub body: String,
}

impl Request {
    /// With any method, for a path that begins with a slash.
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// A GET.
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// A POST of JSON.
    pub fn post(path: &str, body: &Value) -> Self {
        Self::new("POST", path).json(body)
    }

    /// Adds a body of JSON.
    pub fn json(self, body: &Value) -> Self {
        let with_type = self.header("Content-Type", "application/json");
        Self {
            body: Some(body.to_string()),
            ..with_type
        }
    }

    /// Adds a header, also one that is there already.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers
            .push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Adds a bearer token, if there is one.
    pub fn bearer(self, token: Option<&str>) -> Self {
        match token {
            Some(token) => self.header("Authorization", format!("Bearer {token}")),
            None => self,
        }
    }

    /// Asks the server whose address this is, without a slash at its end.
    pub fn send_to(self, url: &str) -> Result<Answer, String> {
        let address = format!("{url}{}", self.path);
        let describe = |error: &dyn std::fmt::Display| format!("{address}: {error}");
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .timeout_global(Some(DEADLINE));
        let agent: ureq::Agent = config.build().into();
        let mut request = http::Request::builder()
            .method(self.method.as_str())
            .uri(&address);
        for (name, value) in &self.headers {
            request = request.header(name, value.as_slice());
        }
        let sent = match self.body {
            Some(body) => agent.run(request.body(body).map_err(|error| describe(&error))?),
            None => agent.run(request.body(()).map_err(|error| describe(&error))?),
        };
        let mut response = sent.map_err(|error| describe(&error))?;
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        };
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().iter().map(header).collect(),
            body: response
                .body_mut()
                .read_to_string()
                .map_err(|error| describe(&error))?,
        })
    }
}

impl Answer {
    /// The body as JSON; text that is none is a JSON string.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| Value::String(self.body.clone()))
    }

    /// A header, its lines joined as a list.
    pub fn header(&self, name: &str) -> Option<String> {
        let lines = self.headers.iter().filter(|(known, _)| known == name);
        let values: Vec<&str> = lines.map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// The path of the next page, given the path that was asked for.
    pub fn next(&self, path: &str) -> Option<String> {
        let link = self.header("link")?;
        let (target, relation) = link.strip_prefix('<')?.split_once('>')?;
        assert_eq!(relation, "; rel=\"next\"", "{link}");
        assert!(!target.contains("//"), "{target} is relative");
        let (folder, _) = path.split('?').next()?.rsplit_once('/')?;
        Some(format!("{folder}/{target}"))
    }
}
