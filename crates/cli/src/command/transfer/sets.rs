//! Parts of a devkit.

use miette::{Result, miette};

/// The sets to learn from and to test on, from a list of names.
pub fn pair(names: &[String]) -> Result<[&str; 2]> {
    match names {
        [train, test] => Ok([train, test]),
        _ => Err(miette!("name two sets, to learn from and to test on: `--sets train,val`")),
    }
}
