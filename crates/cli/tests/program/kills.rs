//! The program killed at any moment: nothing is lost or half written, and what goes on ends as if nothing had
//! happened. A few kills in an ordinary run; `KILLS=200` makes two hundred of each kind.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Stdio,
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::tempdir;

use crate::{ends_with, program, weights};

fn kills() -> u32 {
    std::env::var("KILLS").map_or(6, |text| text.parse().expect("a number"))
}

/// Runs a command again and again, each time killed after another part of the time that it needs, and calls
/// `check` between.
fn kill_again_and_again(
    folder: &Path,
    mut command: impl FnMut() -> String,
    needs: Duration,
    check: impl Fn(),
) {
    let mut killed = 0;
    for turn in 1..=kills() {
        // Multiples of the golden ratio fall everywhere, and in the same places in every run.
        let part = (f64::from(turn) * 0.618_034).fract();
        let arguments = command();
        let mut run = program(folder, &arguments);
        let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
        sleep(needs.mul_f64(part));
        run.kill().expect("killed, unless it has ended");
        let status = run.wait().expect("it has ended");
        killed += u32::from(!status.success());
        check();
    }
    // A run that goes on needs less than a whole one, and may have ended.
    assert!(killed * 4 > kills(), "only {killed} of {} runs were killed before they ended", kills());
}

/// The contents of all files below a folder, by their paths there.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() {
            all.extend(files(&path).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)));
        } else {
            all.insert(name, fs::read(&path).expect("a file"));
        }
    }
    all
}

#[test]
fn training() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    let fresh =
        "train --smoke --quiet --steps 8 --set checkpoint_every=1 --set log_every=1 --set validate_every=4";
    let start = Instant::now();
    ends_with(0, folder, &format!("{fresh} --run whole"));
    let needs = start.elapsed();
    let run = folder.join("killed");
    // A run that is complete would only be loaded: the next one goes further.
    let mut steps = 0;
    let command = || {
        steps += 3;
        match run.join("checkpoint.bpk").exists() {
            true => format!("train --resume --quiet --steps {} --run killed", 8 + steps),
            false => format!("{fresh} --run killed"),
        }
    };
    kill_again_and_again(folder, command, needs, || {
        for file in ["checkpoint.bpk", "model.safetensors"] {
            if run.join(file).exists() {
                ends_with(0, folder, &format!("info killed/{file}"));
            }
        }
    });
    let last = 8 + 3 * kills() + 3;
    ends_with(0, folder, &format!("train --resume --quiet --steps {last} --run killed"));
    ends_with(0, folder, &format!("train --resume --quiet --steps {last} --run whole"));
    let [whole, killed] = ["whole", "killed"].map(|run| files(&folder.join(run)));
    // Samples are written at the last step of each part of a run, and the parts differ.
    let last_sample = format!("samples/step_{last:06}.png");
    let named = |files: &BTreeMap<String, Vec<u8>>| -> Vec<String> {
        files.keys().filter(|name| !name.starts_with("samples/") || **name == last_sample).cloned().collect()
    };
    assert_eq!(named(&whole), named(&killed));
    assert!(whole[&last_sample] == killed[&last_sample], "the last samples differ");
    assert!(whole["model.safetensors"] == killed["model.safetensors"], "the weights differ");
    let steps = |log: &[u8]| -> Vec<String> {
        let text = String::from_utf8_lossy(log);
        text.lines().map(|line| line.split(',').take(5).collect::<Vec<_>>().join(",")).collect()
    };
    assert_eq!(steps(&whole["log.csv"]), steps(&killed["log.csv"]));
}

#[test]
fn filling_a_folder() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    weights(folder);
    ends_with(0, folder, "sample -o photos --count 16 --size 96x80 --masks holes --quiet");
    let fill = "inpaint photos --mask-dir holes --weights model.safetensors --quiet";
    let start = Instant::now();
    ends_with(0, folder, &format!("{fill} -o whole"));
    let needs = start.elapsed();
    let whole = files(&folder.join("whole"));
    let filled = folder.join("killed");
    let command = || {
        // All over again once all are there.
        if files(&filled).len() >= whole.len() {
            fs::remove_dir_all(&filled).expect("removed");
        }
        format!("{fill} -o killed --resume")
    };
    kill_again_and_again(folder, command, needs, || {
        for (name, bytes) in files(&filled).iter().filter(|(name, _)| whole.contains_key(*name)) {
            assert!(*bytes == whole[name], "{name} is half written");
        }
    });
    ends_with(0, folder, &format!("{fill} -o killed --resume"));
    assert!(files(&filled) == whole, "{:?}", files(&filled).keys());
}
