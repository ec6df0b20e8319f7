//! What a user sees when something below this program breaks down: one line, as of any error.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook},
    sync::{Mutex, PoisonError},
};

use miette::{Result, miette};

use crate::outcome::Outcome;

/// Setting it asks for the whole story, from Rust itself.
const STORY: &str = "RUST_BACKTRACE";

/// How many panics are remembered.
const KEPT: usize = 16;

/// What panicked lately, in whatever thread, and where, the last one first: some that were met and dealt with, and the one
/// that was not.
static PANICS: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

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
    done.unwrap_or_else(|panic| {
        Err(miette!(
            "{}; if a device was lost or its memory is full, mend that, and a run goes on with --resume from its last \
             checkpoint; else this is a bug, and {STORY}=1 shows where",
            what(&*panic)
        ))
    })
}

fn remember(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(|place| format!("in {}:{}", file(place.file()), place.line()));
    let happened = (message(panic.payload()), place.unwrap_or_default());
    let mut panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
    panics.truncate(KEPT - 1);
    panics.insert(0, happened);
}

/// A panic's first line that says something, and where it was.
fn what(panic: &(dyn Any + Send)) -> String {
    let message = message(panic);
    let panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
    match panics.iter().find(|(other, _)| *other == message) {
        Some((_, place)) => format!("{message} ({place})"),
        None => message,
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref().copied()).unwrap_or_default();
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    line.unwrap_or("something broke down").to_owned()
}

/// A source file, from the folder that its crate lies in.
fn file(path: &str) -> &str {
    path.rmatch_indices(['/', '\\']).nth(2).map_or(path, |(slash, _)| &path[slash + 1..])
}

#[cfg(test)]
mod tests {
    use std::panic::resume_unwind;

    use super::*;

    /// What is done on panics is one thing for the whole program.
    static ONE: Mutex<()> = Mutex::new(());

    fn error(work: impl FnOnce() -> Result<Outcome>) -> String {
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        told(work).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_panic_becomes_an_error_of_one_line() {
        let error = error(|| panic!("\n Cannot read: the card is gone\nand more"));
        let start = "Cannot read: the card is gone (in cli/src/breakdown.rs:";
        assert!(error.starts_with(start) && error.contains("--resume") && !error.contains('\n'), "{error}");
    }

    #[test]
    fn the_panic_that_ended_the_work_is_told_not_the_last_one() {
        let error = error(|| {
            let first = catch_unwind(|| panic!("the card is {}", "full")).expect_err("a panic");
            let _ = catch_unwind(|| panic!("another is left alone"));
            resume_unwind(first)
        });
        assert!(error.starts_with("the card is full (in cli/src/"), "{error}");
    }

    #[test]
    fn what_does_not_panic_is_as_it_was() {
        assert_eq!(error(|| Ok(Outcome::Partial)), "");
        assert_eq!(error(|| Err(miette!("no such file"))), "no such file");
    }
}
