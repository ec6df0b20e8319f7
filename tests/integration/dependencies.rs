//! What we build on: licences that let everybody use it, one source.

/// Licences that ask for no more than to be named. A package needs one of them among its choices.
const ACCEPTED: [&str; 14] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "CC0-1.0",
    "Unlicense",
    "Unicode-3.0",
    "BSL-1.0",
    "IJG",
];

/// Packages with a licence of their own that was read and found harmless to users: file-level copyleft, used
/// unchanged.
const READ: [&str; 2] = ["option-ext", "colored"];

/// Whether an SPDX expression can be met: every part of an AND, any part of an OR.
fn acceptable(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let clean = |part: &str| part.trim().trim_matches(['(', ')']).trim().to_owned();
    let mut depth = 0_i32;
    // Split at the AND that stands outside parentheses.
    let mut parts = vec![String::new()];
    for word in expression.split_inclusive(' ') {
        if depth == 0 && word.trim() == "AND" {
            parts.push(String::new());
            continue;
        }
        depth += word.matches('(').count() as i32 - word.matches(')').count() as i32;
        parts.last_mut().expect("never empty").push_str(word);
    }
    parts.iter().all(|part| part.split(" OR ").any(|choice| ACCEPTED.contains(&clean(choice).as_str())))
}

#[test]
fn expressions_are_understood() {
    for good in
        ["MIT", "MIT OR Apache-2.0", "MIT/Apache-2.0", "(MIT OR GPL-3.0) AND Unicode-3.0", "Zlib OR LGPL-2.1"]
    {
        assert!(acceptable(good), "{good}");
    }
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(GPL-2.0 OR AGPL-3.0) AND MIT", ""] {
        assert!(!acceptable(bad), "{bad}");
    }
}

/// The packages that a build with default features links, as name and licence.
fn packages() -> Vec<(String, String)> {
    let output = std::process::Command::new(env!("CARGO"))
        .args([
            "tree",
            "--workspace",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--locked",
            "--format",
            "{p}\t{l}",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let lines = text.lines().filter_map(|line| line.trim_end_matches(" (*)").split_once('\t'));
    lines.map(|(package, licence)| (package.to_owned(), licence.to_owned())).collect()
}

#[test]
fn every_package_that_is_linked_is_free_and_from_the_registry() {
    let packages = packages();
    assert!(packages.len() > 100, "only {} packages", packages.len());
    let mut refused = Vec::new();
    for (package, licence) in &packages {
        let ours = package.starts_with("context-encoder");
        if !acceptable(licence) && !READ.iter().any(|read| package.starts_with(&format!("{read} "))) {
            refused.push(format!("{package}: licence `{licence}`"));
        }
        // A package from elsewhere than the registry shows its place in parentheses.
        let elsewhere = package.trim_end_matches(" (proc-macro)").contains('(');
        if elsewhere && !ours {
            refused.push(format!("{package}: not from the registry"));
        }
    }
    refused.dedup();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}
