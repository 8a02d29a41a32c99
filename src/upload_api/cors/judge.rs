//! Whether a bucket's rules let pages upload, and what is missing where they do not.

use wharf_wire::cors::{CorsRule, Question, answering};

/// A page that no rule can mean by name.
const ANY_PAGE: &str = "https://any-page.invalid";
/// Pages that are looked at one by one: each can have an issue of its own in the reply.
const ORIGINS_MAX: usize = 100;

/// What pages of `origins` miss; with none, what no page at all can do.
pub(super) fn issues(rules: &[CorsRule], origins: &[String]) -> Vec<String> {
    if rules.is_empty() {
        return vec!["The bucket has no CORS rules: no page can upload to it.".to_owned()];
    }
    if origins.is_empty() {
        return some_page(rules).map(str::to_owned).into_iter().collect();
    }
    origins.iter().take(ORIGINS_MAX).filter_map(|origin| issue(rules, origin)).collect()
}

/// What a page of `origin` misses.
fn issue(rules: &[CorsRule], origin: &str) -> Option<String> {
    let (asked, page) = if origin == "*" {
        (ANY_PAGE, "Any page".to_owned())
    } else {
        (origin, format!("A page of {origin}"))
    };
    let Some(rule) = answering(rules, &put(asked)) else {
        return Some(format!("{page} may not upload: no rule allows PUT with the header Content-Type."));
    };
    if rule.exposes("ETag") {
        return None;
    }
    let which = rules.iter().position(|other| other == rule).map_or(0, |index| index + 1);
    Some(format!(
        "{page} cannot read ETag, which uploads in parts need: rule {which} answers first, and does not expose it."
    ))
}

/// What the rules lack for any of the pages that they are about.
fn some_page(rules: &[CorsRule]) -> Option<&'static str> {
    let allows = |rule: &&CorsRule| {
        let anyone = CorsRule { allowed_origins: vec!["*".to_owned()], ..(*rule).clone() };
        anyone.allows(&put(ANY_PAGE))
    };
    let mut allowing = rules.iter().filter(allows).peekable();
    if allowing.peek().is_none() {
        return Some("No rule allows PUT with the header Content-Type: no page can upload.");
    }
    (!allowing.any(|rule| rule.exposes("ETag")))
        .then_some("No rule that allows PUT exposes ETag, which uploads in parts need.")
}

const fn put(origin: &str) -> Question<'_> {
    Question { origin, method: "PUT", headers: &["content-type"] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(origin: &str, method: &str, exposed: &[&str]) -> CorsRule {
        CorsRule {
            allowed_origins: vec![origin.to_owned()],
            allowed_methods: vec![method.to_owned()],
            allowed_headers: vec!["*".to_owned()],
            expose_headers: exposed.iter().map(|name| (*name).to_owned()).collect(),
            ..CorsRule::default()
        }
    }

    fn judged(rules: &[CorsRule], origins: &[&str]) -> Vec<String> {
        issues(rules, &origins.iter().map(|origin| (*origin).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn each_page_is_judged_by_the_rule_that_answers_it() {
        let app = "https://app.example";
        let rules = [rule(app, "PUT", &[]), rule("*", "PUT", &["etag"])];
        assert_eq!(judged(&rules, &["https://other.example", "*"]), Vec::<String>::new());
        let issues = judged(&rules, &[app]);
        assert!(issues[0].contains("rule 1 answers first") && issues.len() == 1, "{issues:?}");
        let issues = judged(&rules[..1], &["https://other.example", "*"]);
        assert!(issues[0].contains("A page of https://other.example may not upload"), "{issues:?}");
        assert!(issues[1].starts_with("Any page may not upload"), "{issues:?}");
    }

    #[test]
    fn without_a_page_to_ask_for_some_page_must_be_able_to_upload() {
        assert!(judged(&[], &[])[0].contains("no CORS rules"));
        assert!(judged(&[rule("*", "GET", &["ETag"])], &[])[0].contains("No rule allows PUT"));
        let without_headers = CorsRule { allowed_headers: vec![], ..rule("*", "PUT", &["ETag"]) };
        assert!(judged(&[without_headers], &[])[0].contains("No rule allows PUT"));
        assert!(judged(&[rule("https://a.example", "PUT", &[])], &[])[0].contains("exposes ETag"));
        assert!(judged(&[rule("https://a.example", "PUT", &["ETag"])], &[]).is_empty());
    }
}
