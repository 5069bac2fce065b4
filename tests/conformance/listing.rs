//! What a list of claims has in common with another: `statements.txt` says which test covers a statement of a standard,
//! the private protocol's `rows.txt` which covers a row of its specification.
//!
//! Each list has its own gap test. Here is how tests are found in a source, and the lines of both that begin with `beside`.

/// The tests that stand beside what is claimed: (test, why it covers nothing of it).
pub fn beside(list: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = list.lines().filter_map(|line| line.strip_prefix("beside "));
    lines.map(|line| {
        line.split_once(": ")
            .unwrap_or_else(|| panic!("no reason: {line}"))
    })
}

/// The functions that stand behind `#[test]`, or another attribute that ends so.
pub fn functions(text: &str) -> impl Iterator<Item = &str> {
    let is_test = |line: &&str| matches!(line.trim(), "#[test]") || line.trim().starts_with("#[tokio::test");
    let mut lines = text.lines();
    std::iter::from_fn(move || {
        lines.by_ref().find(is_test)?;
        let name = lines.by_ref().find_map(|line| {
            let line = line.trim().trim_start_matches("async ");
            line.strip_prefix("fn ")?.split('(').next()
        });
        Some(name.expect("a function behind its attribute"))
    })
}

/// Fails with all the findings, a line each.
pub fn nothing(what: &str, findings: Vec<String>) {
    assert!(findings.is_empty(), "{what}:\n{}", findings.join("\n"));
}

#[test]
fn what_stands_behind_an_attribute_is_found() {
    let text = "#[test]\nfn one() {}\nfn no() {}\n    #[tokio::test(flavor)]\n    #[ignore]\n    async fn two(a: u8) {}\n";
    assert_eq!(functions(text).collect::<Vec<_>>(), ["one", "two"]);
}
