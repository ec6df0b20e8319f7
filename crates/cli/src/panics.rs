//! Panics become errors of one line: Burn panics when a device is lost or its memory is full, decoders on
//! broken files.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook},
    sync::{Mutex, PoisonError},
};

use miette::{Result, miette};

const RUST_BACKTRACE: &str = "RUST_BACKTRACE";

/// Number of panics that are remembered.
const CAPACITY: usize = 16;

/// Message and place of the latest panics of all threads, the last one first. Only one of them ended the
/// command; the others were caught.
static PANICS: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// Runs a command and makes an error of a panic in it.
pub fn catch_panics<T>(command: impl FnOnce() -> Result<T>) -> Result<T> {
    let backtrace = std::env::var_os(RUST_BACKTRACE).is_some_and(|value| value != "0");
    let default_hook = take_hook();
    set_hook(Box::new(move |panic| {
        remember(panic);
        if backtrace {
            default_hook(panic);
        }
    }));
    let result = catch_unwind(AssertUnwindSafe(command));
    drop(take_hook()); // restores Rust's own hook
    result.unwrap_or_else(|panic| {
        Err(miette!(
            "{}; if a device was lost or its memory is full, fix that and continue a run with --resume from its last \
             checkpoint; otherwise this is a bug, and {RUST_BACKTRACE}=1 shows where",
            describe(&*panic)
        ))
    })
}

/// Processes one file of many: a decoder that panics fails this file and no other.
pub fn catch_file_panic<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(miette!("the program panicked on this file, which is a bug; please report it with the file"))
    })
}

fn remember(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(|place| format!("in {}:{}", crate_path(place.file()), place.line()));
    let mut panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
    panics.truncate(CAPACITY - 1);
    panics.insert(0, (message(panic.payload()), place.unwrap_or_default()));
}

/// A panic's first line that is not empty, and where it was.
fn describe(panic: &(dyn Any + Send)) -> String {
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
    line.unwrap_or("a panic without a message").to_owned()
}

/// A source file's path from its crate's folder on.
fn crate_path(path: &str) -> &str {
    path.rmatch_indices(['/', '\\']).nth(2).map_or(path, |(slash, _)| &path[slash + 1..])
}

#[cfg(test)]
mod tests {
    use std::panic::resume_unwind;

    use super::*;

    /// The panic hook is global: one test at a time.
    static HOOK: Mutex<()> = Mutex::new(());

    fn error(command: impl FnOnce() -> Result<()>) -> String {
        let _one = HOOK.lock().unwrap_or_else(PoisonError::into_inner);
        catch_panics(command).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn panic_becomes_an_error_of_one_line() {
        let error = error(|| panic!("\n Cannot read: the card is gone\nand more"));
        let start = "Cannot read: the card is gone (in cli/src/panics.rs:";
        assert!(error.starts_with(start) && error.contains("--resume") && !error.contains('\n'), "{error}");
    }

    #[test]
    fn error_names_the_panic_that_ended_the_command_not_the_last_one() {
        let error = error(|| {
            let first = catch_unwind(|| panic!("the card is {}", "full")).expect_err("a panic");
            let _ = catch_unwind(|| panic!("another that was caught"));
            resume_unwind(first)
        });
        assert!(error.starts_with("the card is full (in cli/src/"), "{error}");
    }

    #[test]
    fn results_without_a_panic_are_passed_on() {
        assert_eq!(error(|| Ok(())), "");
        assert_eq!(error(|| Err(miette!("no such file"))), "no such file");
    }
}
