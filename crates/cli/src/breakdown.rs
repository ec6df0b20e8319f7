//! What a user sees when something below this program breaks down: one line, as of any error.

use std::{
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook},
    sync::{Mutex, PoisonError},
};

use miette::{Result, miette};

use crate::outcome::Outcome;

/// Setting it asks for the whole story, from Rust itself.
const STORY: &str = "RUST_BACKTRACE";

/// What broke down last, in whatever thread.
static LAST: Mutex<Option<String>> = Mutex::new(None);

/// Does `work`, and makes an error of a panic in it: Burn panics when a device is lost or its memory is full.
pub fn told(work: impl FnOnce() -> Result<Outcome>) -> Result<Outcome> {
    let asked = std::env::var_os(STORY).is_some_and(|asked| asked != "0");
    let usual = take_hook();
    set_hook(Box::new(move |panic| {
        remember(panic);
        if asked {
            usual(panic);
        }
    }));
    let done = catch_unwind(AssertUnwindSafe(work));
    drop(take_hook()); // and Rust's own is back
    done.unwrap_or_else(|_| {
        let last = LAST.lock().unwrap_or_else(PoisonError::into_inner).take();
        Err(miette!(
            "{}; if a device was lost or its memory is full, mend that, and a run goes on with --resume from its last \
             checkpoint; else this is a bug, and {STORY}=1 shows where",
            last.as_deref().unwrap_or("something broke down")
        ))
    })
}

fn remember(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("something broke down");
    // One line of it: the first that says something.
    let line = message.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or(message);
    let place = panic.location().map(|place| format!(" (in {}:{})", file(place.file()), place.line()));
    let told = format!("{line}{}", place.unwrap_or_default());
    *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
}

/// A source file below the folder of its crate's sources.
fn file(path: &str) -> &str {
    let parts: Vec<_> = path.rmatch_indices(['/', '\\']).map(|(place, _)| place + 1).collect();
    parts.get(2).map_or(path, |&start| &path[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_of_one_line() {
        let error = told(|| panic!("\n Cannot read: the card is gone\nand more"));
        let error = error.err().map(|error| error.to_string()).unwrap_or_default();
        let place = "(in cli/src/breakdown.rs:";
        assert!(error.starts_with("Cannot read: the card is gone (in") && error.contains(place), "{error}");
        assert!(error.contains("--resume") && !error.contains('\n'), "{error}");
        assert!(told(|| Ok(Outcome::Complete)).is_ok());
    }
}
