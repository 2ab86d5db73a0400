//! From a request to an answer: which path, which parameters, which status. Reads no database.

use hyper::{Method, Uri};
use journal_core::model::SchemaVersion;
use serde_json::json;

use super::lookout::Lookouts;
use crate::control::ready::{BEHIND_MAX, Reason};

/// A status and a JSON text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

/// What `/ready` is asked.
#[derive(Debug, PartialEq, Eq)]
struct Question {
    site: String,
    version: SchemaVersion,
    behind_max: i64,
}

/// 200 when ready and 503 when not, with the readiness as JSON; 404 for a site nobody knows and for other paths, 400 for a
/// question that cannot be read, 405 for other methods than GET and HEAD.
pub(super) async fn answer(method: &Method, uri: &Uri, lookouts: &Lookouts) -> Answer {
    let question = match ask(method, uri) {
        Ok(question) => question,
        Err(refusal) => return refusal,
    };
    let readiness = lookouts.readiness(&question.site, question.version, question.behind_max).await;
    let status = match readiness.reason {
        None => 200,
        Some(Reason::UnknownSite) => 404,
        Some(_) => 503,
    };
    match serde_json::to_string(&readiness) {
        Ok(body) => Answer { status, body },
        Err(error) => refused(500, &error.to_string()),
    }
}

fn ask(method: &Method, uri: &Uri) -> Result<Question, Answer> {
    if uri.path() != "/ready" {
        return Err(refused(404, "there is /ready?site=SITE&version=VERSION and nothing else"));
    }
    if method != Method::GET && method != Method::HEAD {
        return Err(refused(405, "only GET and HEAD"));
    }
    let (mut site, mut version, mut behind_max) = (None, None, BEHIND_MAX);
    // Names and numbers alone: nothing in them is ever escaped.
    for (name, value) in parameters(uri.query().unwrap_or_default()) {
        match name {
            "site" => site = Some(value.to_owned()),
            "version" => version = Some(number(name, value)?),
            "behind_max" => behind_max = number(name, value)?,
            _ => return Err(refused(400, "parameters are site, version and behind_max")),
        }
    }
    match (site, version) {
        (Some(site), Some(version)) => Ok(Question { site, version: SchemaVersion(version), behind_max }),
        _ => Err(refused(400, "both site and version must be given")),
    }
}

fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter(|part| !part.is_empty()).map(|part| part.split_once('=').unwrap_or((part, "")))
}

fn number(name: &str, value: &str) -> Result<i64, Answer> {
    value.parse().map_err(|_| refused(400, &format!("{name} must be a whole number")))
}

fn refused(status: u16, message: &str) -> Answer {
    Answer { status, body: json!({ "error": { "message": message } }).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(uri: &str) -> Result<Question, u16> {
        ask(&Method::GET, &uri.parse().unwrap()).map_err(|refusal| refusal.status)
    }

    #[test]
    fn a_question_names_site_and_version() {
        let question = |behind_max| Question { site: "a".to_owned(), version: SchemaVersion(2), behind_max };
        assert_eq!(asked("/ready?site=a&version=2"), Ok(question(BEHIND_MAX)));
        assert_eq!(asked("/ready?version=2&behind_max=5&site=a"), Ok(question(5)));
    }

    #[test]
    fn anything_else_is_refused() {
        for (uri, status) in [
            ("/", 404),
            ("/ready/a", 404),
            ("/ready", 400),
            ("/ready?site=a", 400),
            ("/ready?site=a&version=two", 400),
            ("/ready?site=a&version=1&lag=3", 400),
            ("/ready?site=a&version", 400),
        ] {
            assert_eq!(asked(uri), Err(status), "{uri}");
        }
        assert_eq!(ask(&Method::POST, &"/ready?site=a&version=1".parse().unwrap()).unwrap_err().status, 405);
    }
}
