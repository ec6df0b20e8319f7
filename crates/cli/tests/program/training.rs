//! From training to weights that are shown, converted, evaluated and searched with.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::tempdir;

use crate::{ends_with, fails_with, program, records, run};

fn step_count(records: &[Value]) -> usize {
    records.iter().filter(|record| record["event"] == "step").count()
}

#[test]
#[cfg(unix)]
fn a_signal_ends_a_run_with_a_checkpoint() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    // Long, and with no checkpoint of its own on the way.
    let line = "train --smoke --json --steps 100000 --set checkpoint_every=0 --set validate_every=0 --set log_every=1";
    let mut run = program(folder, line).stdout(Stdio::piped()).spawn().expect("the program starts");
    let mut lines = BufReader::new(run.stdout.take().expect("piped")).lines();
    let is_step = |line: &String| line.contains("\"event\":\"step\"");
    lines.by_ref().map_while(Result::ok).find(is_step).expect("a step");
    let kill = Command::new("kill").args(["-TERM", &run.id().to_string()]).status();
    assert!(kill.expect("there is a kill").success());
    lines.for_each(drop);
    assert_eq!(run.wait().expect("it ends").code(), Some(3));

    let checkpoint = records(&ends_with(0, folder, "info runs/paris/checkpoint.bpk --json"));
    let done = checkpoint[0]["steps"].as_u64().expect("a number");
    assert!(done > 0 && done < 100_000, "{done}");
    let resumed = records(&ends_with(0, folder, &format!("train --resume --steps {} --json", done + 1)));
    assert_eq!((&resumed[0]["first_step"], step_count(&resumed)), (&done.into(), 1));
}

#[test]
fn a_run_goes_on_where_its_pictures_have_moved() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    ends_with(0, folder, "sample -o pictures --count 24 --size 64x64 --quiet");
    ends_with(0, folder, "sample -o others --count 23 --size 64x64 --quiet");
    ends_with(0, folder, "train --smoke --data pictures --resize 64 --quiet");
    fs::rename(folder.join("pictures"), folder.join("elsewhere")).expect("moved");
    let error = fails_with(1, folder, "train --resume --steps 3");
    assert!(error.contains("pictures"), "{error}");
    let error = fails_with(1, folder, "train --resume --steps 3 --data others");
    assert!(error.contains("other pictures") && error.contains("--data"), "{error}");
    ends_with(0, folder, "train --resume --steps 3 --data elsewhere --quiet");
    // The new place is kept.
    ends_with(0, folder, "train --resume --steps 4 --quiet");
    let error = fails_with(2, folder, "train --resume --steps 5 --data elsewhere --resize 64");
    assert!(error.contains("--resize"), "{error}");
}

#[test]
fn training_run_continues_and_info_shows_its_files() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    let steps = records(&ends_with(0, folder, "train --smoke --json"));
    assert_eq!((&steps[0]["event"], &steps[0]["steps"]), (&"begin".into(), &2.into()));
    assert_eq!(step_count(&steps), 2);
    assert_eq!(steps.last().expect("a last record")["weights"], "runs/paris/model.safetensors");
    let (code, out, error) = run(folder, "train --resume --steps 3");
    assert_eq!(code, 0, "{error}");
    assert!(
        out.contains("3 steps; on 4 validation pictures") && error.contains("images/s"),
        "{out}\n{error}"
    );
    let (code, out, error) = run(folder, "train --resume --steps 4 --quiet");
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(out.contains("4 steps"), "{out}");

    let error = fails_with(1, folder, "train --resume --steps 5 --data runs");
    assert!(error.contains("draws its pictures"), "{error}");

    let text = ends_with(0, folder, "info runs/paris/model.safetensors");
    for fact in [
        "kind          context encoder",
        "size, px      64",
        "steps         4",
        "fill          mean",
        "central",
    ] {
        assert!(text.contains(fact), "{text}");
    }
    let weights = records(&ends_with(0, folder, "info runs/paris/model.safetensors --json"));
    let checkpoint = records(&ends_with(0, folder, "info runs/paris/checkpoint.bpk --json"));
    assert_eq!((&checkpoint[0]["kind"], &checkpoint[0]["steps"]), (&"checkpoint".into(), &4.into()));
    assert_eq!(weights[0]["parameters"], checkpoint[0]["parameters"]);
    assert_eq!(weights[0]["masks"], checkpoint[0]["masks"]);
}

#[test]
fn weights_are_converted_interpolated_and_evaluated() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    ends_with(0, folder, "train --smoke --quiet --run own");
    let evaluate = |weights: &str| {
        let line = format!("evaluate own/samples --weights {weights} --protocol hidden --json");
        ends_with(0, folder, &line)
    };
    let scores = evaluate("own/model.safetensors");
    let fills: Vec<_> = records(&scores).iter().map(|record| record["fill"].to_string()).collect();
    let expected = ["context encoder", "context encoder, blended", "border mean", "harmonic", "Telea"];
    assert_eq!(fills, expected.map(|name| format!("\"{name}\"")));

    // PyTorch's format and back.
    ends_with(0, folder, "convert own/model.safetensors port.safetensors --to pytorch");
    let network = "--preset recommended --size 64 --width 4";
    ends_with(0, folder, &format!("convert port.safetensors back.safetensors {network}"));
    assert_eq!(scores, evaluate("back.safetensors"));
    let error = fails_with(1, folder, "convert port.safetensors no.safetensors --preset paper");
    assert!(error.contains("main."), "{error}");
    ends_with(0, folder, "convert own/model.safetensors half.safetensors --precision f16");
    let size = |name: &str| fs::metadata(folder.join(name)).expect("written").len();
    assert!(size("half.safetensors") * 10 < size("back.safetensors") * 6);
    let half = ends_with(0, folder, "info half.safetensors");
    assert!(half.contains("steps         2"), "the training record is kept: {half}");

    // For other runtimes: tests/integration/parity/onnx.rs says whether they compute the same.
    ends_with(0, folder, "convert own/model.safetensors model.onnx --to onnx");
    ends_with(0, folder, "convert own/model.safetensors filled.onnx --to onnx --filled-input");
    assert!(size("filled.onnx") < size("model.onnx"));

    ends_with(0, folder, "train --smoke --quiet --run other --set seed=5");
    let interpolate = "interpolate other/model.safetensors own/model.safetensors -o between.safetensors";
    ends_with(0, folder, &format!("{interpolate} --alpha 1"));
    assert_eq!(evaluate("between.safetensors"), scores, "alpha 1 is the second network");
    ends_with(0, folder, &format!("{interpolate} --alpha 0"));
    assert_eq!(evaluate("between.safetensors"), evaluate("other/model.safetensors"), "alpha 0 is the first");
    let error = fails_with(1, folder, &format!("{interpolate} --alpha 1.5"));
    assert!(error.contains("--alpha is 1.5"), "{error}");
    // A port's file does not say its architecture.
    fails_with(1, folder, "interpolate own/model.safetensors port.safetensors -o no.safetensors");

    let compared = ends_with(
        0,
        folder,
        "evaluate own/samples --weights back.safetensors --protocol hidden --compare half=half.safetensors --json",
    );
    let compared = records(&compared);
    assert_eq!((&compared[2]["fill"], compared.len()), (&"half".into(), 6));
    let error = fails_with(2, folder, "evaluate own/samples --compare half.safetensors");
    assert!(error.contains("write NAME=FILE"), "{error}");
    for (judge, missing, help) in [
        ("--lpips", "no tensor net.slice1.0.weight", "torch.save"),
        ("--fid", "no tensor Conv2d_1a_3x3.conv.weight", "pytorch-fid"),
    ] {
        let line = format!("evaluate own/samples --weights back.safetensors {judge} back.safetensors");
        let error = fails_with(1, folder, &line);
        assert!(error.contains(missing) && error.contains(help), "{error}");
    }
    let line = "evaluate own/samples --weights back.safetensors --masks free-form";
    let [table, again] = [(); 2].map(|()| ends_with(0, folder, line));
    assert!(table.contains("Masks: free-form") && table.contains("\n| harmonic |"), "{table}");
    assert_eq!(table, again, "the same masks in every run");
    fails_with(2, folder, &format!("{line} --protocol hidden"));
    let table = ends_with(0, folder, "evaluate own/samples --weights back.safetensors --image-grid grid.png");
    assert_eq!(table.matches("| context encoder |").count(), 3, "{table}");
    assert!(folder.join("grid.png").is_file());
    fs::write(folder.join("own/samples/broken.png"), "no").expect("written");
    let error = fails_with(3, folder, "evaluate own/samples --weights back.safetensors --quiet");
    assert!(error.contains("broken.png"), "{error}");
}

#[test]
fn features_are_written_and_searched() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    ends_with(0, folder, "train --smoke --quiet --run run");
    ends_with(0, folder, "sample --count 9 -o gallery");
    fs::create_dir(folder.join("queries")).expect("folder");
    for entry in fs::read_dir(folder.join("gallery")).expect("folder").flatten().take(2) {
        fs::copy(entry.path(), folder.join("queries").join(entry.file_name())).expect("copied");
    }
    let features = "features gallery --weights run/model.safetensors -o";
    let done = records(&ends_with(0, folder, &format!("{features} all.safetensors --json")));
    let rows = fs::read_to_string(folder.join("all.safetensors.names")).expect("names").lines().count();
    assert_eq!((&done[0]["rows"], &done[0]["length"]), (&rows.into(), &512.into()));

    let retrieve = "--weights run/model.safetensors --gallery gallery --json";
    let search = |options: &str| {
        records(&ends_with(0, folder, &format!("retrieve queries --count 2 {retrieve} {options}")))
    };
    let in_folder = search("--by features");
    let in_file = search("--vectors all.safetensors");
    assert_eq!((in_folder.len(), in_file.len()), (4, 4));
    for (one, other) in in_folder.iter().zip(&in_file) {
        assert_eq!((&one["file"], &one["neighbour"]), (&other["file"], &other["neighbour"]));
    }
    assert_eq!(in_folder[0]["file"], in_folder[0]["neighbour"], "a copy is the nearest neighbour");
    let line = format!("retrieve gallery {retrieve} --report page.html --image-grid page.png");
    let both = records(&ends_with(0, folder, &line));
    assert_eq!(both.len(), rows * 5 * 2);
    let is_other = |record: &Value| record["file"] != record["neighbour"];
    assert!(both.iter().all(is_other), "a file is not its own neighbour");
    assert!(fs::read_to_string(folder.join("page.html")).expect("page").contains("data:image/png"));

    let line = format!("retrieve queries {retrieve} --vectors all.safetensors --by hog");
    let error = fails_with(1, folder, &line);
    assert!(error.contains("HOG") && error.contains("is asked for"), "{error}");
    fs::write(folder.join("gallery/broken.png"), "no").expect("written");
    let (code, out, error) = run(folder, &format!("{features} again.npy"));
    let expected = format!("{rows} rows of 512");
    assert!(code == 3 && out.contains(&expected) && error.contains("broken.png"), "{out}{error}");
}

#[test]
fn pretraining_run_continues_and_info_shows_its_files() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    let steps = records(&ends_with(0, folder, "pretrain --smoke --json"));
    assert_eq!((&steps[0]["event"], &steps[0]["steps"]), (&"begin".into(), &2.into()));
    assert_eq!(steps[0]["masks"], "random regions, noise pattern");
    assert_eq!(step_count(&steps), 2);
    assert_eq!(steps.last().expect("a last record")["weights"], "runs/features/model.safetensors");
    let (code, out, error) = run(folder, "pretrain --resume --steps 3");
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("3 steps; on 4 validation pictures") && out.contains("harmonic"), "{out}");
    assert!(error.contains("images/s"), "{error}");

    let text = ends_with(0, folder, "info runs/features/model.safetensors");
    for fact in ["feature network", "size, px      99", "width         4", "steps         3", "noise pattern"]
    {
        assert!(text.contains(fact), "{text}");
    }
    let weights = records(&ends_with(0, folder, "info runs/features/model.safetensors --json"));
    let checkpoint = records(&ends_with(0, folder, "info runs/features/checkpoint.bpk --json"));
    assert_eq!(weights[0]["parameters"], checkpoint[0]["parameters"]);
    assert_eq!(checkpoint[0]["pretext"], "context");

    let error = fails_with(1, folder, "train --resume --run runs/features");
    assert!(error.contains("`pretrain` each continue their own"), "{error}");
    let line = "inpaint a.png --mask b.png -o c.png --weights runs/features/model.safetensors";
    let error = fails_with(1, folder, line);
    assert!(error.contains("feature network"), "{error}");
}

#[test]
fn pretraining_baselines_differ_in_options_only() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    let masks = |options: &str| {
        let line = format!("pretrain --smoke --json {options}");
        records(&ends_with(0, folder, &line))[0]["masks"].as_str().expect("text").to_owned()
    };
    assert!(masks("--pretext autoencoder --run autoencoder").contains("nothing"));
    assert!(masks("--pretext denoising --run denoising").contains("0.25 of all"));
    assert_eq!(masks("--masks central --run central"), "central, overlap 0 px");
    let out = ends_with(0, folder, "pretrain --smoke --steps 0 --run random");
    assert!(out.starts_with("0 steps") && folder.join("random/model.safetensors").is_file(), "{out}");

    for (code, options, expected) in [
        (2, "--pretext colour", "choose context, autoencoder or denoising"),
        (1, "--set model.size=128", "99, 131"),
        (1, "--silhouettes absent", "absent"),
    ] {
        let error = fails_with(code, folder, &format!("pretrain --smoke --run none {options}"));
        assert!(error.contains(expected), "{options}: {error}");
        assert!(!folder.join("none/checkpoint.bpk").exists());
    }
}

#[test]
fn run_on_two_devices_continues_on_one_and_in_16_bits() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    let steps = records(&ends_with(0, folder, "train --smoke --devices flex,flex --json"));
    assert!(steps[0]["device"].as_str().is_some_and(|name| name.starts_with("2 devices: ")), "{}", steps[0]);
    assert_eq!(step_count(&steps), 2);
    ends_with(0, folder, "train --resume --steps 3 --quiet");
    ends_with(0, folder, "train --resume --steps 4 --quiet --precision bf16");
    ends_with(0, folder, "pretrain --smoke --quiet --devices flex,flex --precision f16");
    let bench = "bench --size 64 --task run --batch 4 --seconds 0.01 --devices flex,flex --json";
    let measured = records(&ends_with(0, folder, bench));
    assert!(measured[0]["pictures_per_second"].as_f64().is_some_and(|rate| rate > 0.0), "{measured:?}");
}

#[test]
fn caffes_mean_is_three_numbers() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/parity/fixtures");
    fs::copy(format!("{fixtures}/alexnet.caffemodel"), folder.join("alexnet.caffemodel")).expect("copied");
    let convert = |out: &str, mean: &str| format!("convert alexnet.caffemodel {out} {mean}");
    ends_with(0, folder, &convert("default.safetensors", ""));
    ends_with(0, folder, &convert("same.safetensors", "--mean 123,117,104"));
    ends_with(0, folder, &convert("other.safetensors", "--mean 120.5,117,104"));
    // Behind the header.
    let [default, same, other] = ["default", "same", "other"].map(|name| {
        let bytes = fs::read(folder.join(format!("{name}.safetensors"))).expect("written");
        let header = u64::from_le_bytes(*bytes.first_chunk().expect("a length")) as usize;
        bytes[8 + header..].to_vec()
    });
    assert!(default == same && default != other);
    for mean in ["123,117", "123,117,104,0", "123,117,NaN", "1,2,256"] {
        let error = fails_with(1, folder, &convert("no.safetensors", &format!("--mean {mean}")));
        assert!(error.contains("--mean takes three numbers from 0 to 255"), "{mean}: {error}");
    }
}

#[test]
fn a_run_leaves_event_files_and_a_report_that_needs_nothing_else() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    ends_with(0, folder, "train --smoke --quiet --tensorboard --run own");
    let events = fs::read_dir(folder.join("own/tensorboard")).expect("event files");
    let names: Vec<String> =
        events.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    assert!(names.len() == 1 && names[0].contains("tfevents"), "{names:?}");

    ends_with(0, folder, "train --quiet --resume --steps 3 --run own");
    ends_with(0, folder, "report own");
    let html = fs::read_to_string(folder.join("own/report.html")).expect("a report");
    for part in [
        "<title>own - context-encoder</title>",
        "3 steps so far",
        "<td>network, last</td><td>3</td>",
        "<td>harmonic fill</td>",
        "PSNR on the validation pictures",
        "data:image/png;base64,",
        "<td>channel-wise fully connected</td>",
        "<td>from step 2</td>",
        "batch_size = 4",
    ] {
        assert!(html.contains(part), "{part} is not in the report");
    }
    for elsewhere in ["src=\"http", "href=", "<script", "url("] {
        assert!(!html.contains(elsewhere), "{elsewhere}");
    }
    ends_with(
        0,
        folder,
        "evaluate own/samples --weights own/model.safetensors --report page.html --run own -q",
    );
    assert!(
        fs::read_to_string(folder.join("page.html")).expect("a page").contains("<h2>Training</h2><figure>")
    );
    assert!(fails_with(1, folder, "report .").contains("not the folder of a training run"));

    // A run that diverged, killed while it wrote a row.
    let rows = "step,psnr,harmonic_psnr\n1,11,NaN\n2,12.25,NaN\n3,NaN,NaN\n";
    fs::write(folder.join("own/validation.csv"), rows).expect("written");
    fs::write(folder.join("own/log.csv"), "step,generator,data_wait\n1,NaN,0.5\n2,inf,0.5\n3,0.")
        .expect("written");
    ends_with(0, folder, "report own");
    let html = fs::read_to_string(folder.join("own/report.html")).expect("a report");
    for part in
        ["2 steps so far", "<td>network, best PSNR</td><td>2</td><td>12.25</td>", "<h2>Data wait</h2>"]
    {
        assert!(html.contains(part), "{part} is not in the report");
    }
    assert!(!html.contains("<h2>Generator"), "there is nothing to draw");
}
