//! From training to weights that are looked at, converted, measured and used.

use std::fs;

use tempfile::tempdir;

use crate::{ends_with, records, run};

#[test]
fn train_resume_look_convert_measure() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    let steps = records(&ends_with(0, folder, &["train", "--smoke", "--json"]));
    assert_eq!((&steps[0]["event"], &steps[0]["steps"]), (&"begin".into(), &2.into()));
    assert_eq!(steps.iter().filter(|record| record["event"] == "step").count(), 2);
    assert_eq!(steps.last().expect("a last record")["weights"], "runs/paris/model.safetensors");
    let (code, out, said) = run(folder, &["train", "--resume", "--steps", "3"]);
    assert_eq!(code, 0, "{said}");
    assert!(out.contains("3 steps; on 4 validation pictures") && said.contains("images/s"), "{out}\n{said}");
    let (code, out, said) = run(folder, &["train", "--resume", "--steps", "4", "--quiet"]);
    assert_eq!((code, said.as_str()), (0, ""));
    assert!(out.contains("4 steps"), "{out}");

    let text = ends_with(0, folder, &["info", "runs/paris/model.safetensors"]);
    for fact in [
        "kind          context encoder",
        "size, px      64",
        "steps         4",
        "fill          mean",
        "central",
    ] {
        assert!(text.contains(fact), "{text}");
    }
    let weights = records(&ends_with(0, folder, &["info", "runs/paris/model.safetensors", "--json"]));
    let checkpoint = records(&ends_with(0, folder, &["info", "runs/paris/checkpoint.bpk", "--json"]));
    assert_eq!((&checkpoint[0]["kind"], &checkpoint[0]["steps"]), (&"checkpoint".into(), &4.into()));
    assert_eq!(weights[0]["parameters"], checkpoint[0]["parameters"]);
    assert_eq!(weights[0]["masks"], checkpoint[0]["masks"]);

    // There and back again is the same network.
    ends_with(0, folder, &["convert", "runs/paris/model.safetensors", "port.safetensors", "--to", "pytorch"]);
    let network = ["--preset", "recommended", "--size", "64", "--width", "4"];
    ends_with(0, folder, &[&["convert", "port.safetensors", "back.safetensors"], &network[..]].concat());
    let measure = |weights: &str| {
        let arguments =
            ["evaluate", "runs/paris/samples", "--weights", weights, "--protocol", "hidden", "--json"];
        ends_with(0, folder, &arguments)
    };
    let scores = measure("runs/paris/model.safetensors");
    assert_eq!(scores, measure("back.safetensors"));
    let fills: Vec<_> = records(&scores).iter().map(|record| record["fill"].to_string()).collect();
    let expected = ["context encoder", "context encoder, blended", "border mean", "harmonic", "Telea"];
    assert_eq!(fills, expected.map(|name| format!("\"{name}\"")));
    ends_with(
        0,
        folder,
        &["convert", "runs/paris/model.safetensors", "half.safetensors", "--precision", "f16"],
    );
    let beside =
        ["evaluate", "runs/paris/samples", "--weights", "back.safetensors", "--protocol", "hidden", "--json"];
    let beside =
        records(&ends_with(0, folder, &[&beside[..], &["--compare", "16 bits=half.safetensors"]].concat()));
    assert_eq!((&beside[2]["fill"], beside.len()), (&"16 bits".into(), 6));
    let (code, _, said) = run(folder, &["evaluate", "runs/paris/samples", "--compare", "half.safetensors"]);
    assert!(code == 2 && said.contains("write NAME=FILE"), "{said}");
    let size = |name: &str| fs::metadata(folder.join(name)).expect("written").len();
    assert!(size("half.safetensors") * 10 < size("back.safetensors") * 6);
    let mixed =
        ["mix", "runs/paris/model.safetensors", "half.safetensors", "-o", "mixed.safetensors", "--share"];
    ends_with(0, folder, &["train", "--smoke", "--quiet", "--run", "other", "--set", "seed=5"]);
    let other = [
        "mix",
        "other/model.safetensors",
        "runs/paris/model.safetensors",
        "-o",
        "mixed.safetensors",
        "--share",
    ];
    ends_with(0, folder, &[&other[..], &["1"]].concat());
    assert_eq!(measure("mixed.safetensors"), scores, "all of the second network");
    ends_with(0, folder, &[&other[..], &["0"]].concat());
    assert_eq!(measure("mixed.safetensors"), measure("other/model.safetensors"), "all of the first");
    let (code, _, said) = run(folder, &[&mixed[..], &["1.5"]].concat());
    assert!(code == 1 && said.contains("--share is 1.5"), "{said}");
    let mixed = ["mix", "runs/paris/model.safetensors", "port.safetensors", "-o", "no.safetensors"];
    assert_eq!(run(folder, &mixed).0, 1, "a port's file does not say what it is");
    let half = ends_with(0, folder, &["info", "half.safetensors"]);
    assert!(half.contains("steps         4"), "the record goes along: {half}");
    let table = ends_with(
        0,
        folder,
        &["evaluate", "runs/paris/samples", "--weights", "back.safetensors", "--sheet", "sheet.png"],
    );
    assert_eq!(table.matches("| context encoder |").count(), 3, "{table}");
    assert!(folder.join("sheet.png").is_file());
    let wrong = run(folder, &["convert", "port.safetensors", "no.safetensors", "--preset", "paper"]);
    assert!(wrong.0 == 1 && wrong.2.contains("main."), "{}", wrong.2);
    fs::write(folder.join("runs/paris/samples/broken.png"), "no").expect("written");
    let arguments = ["evaluate", "runs/paris/samples", "--weights", "back.safetensors", "--quiet"];
    let (code, _, said) = run(folder, &arguments);
    assert!(code == 3 && said.contains("broken.png"), "{said}");
}

#[test]
fn features_are_written_and_searched() {
    let folder = tempdir().expect("folder");
    let folder = folder.path();
    ends_with(0, folder, &["train", "--smoke", "--quiet"]);
    ends_with(0, folder, &["sample", "--count", "9", "-o", "gallery"]);
    fs::create_dir(folder.join("queries")).expect("folder");
    let pictures: Vec<_> = fs::read_dir(folder.join("gallery")).expect("folder").flatten().collect();
    let [first, second] = [0, 1].map(|index| pictures[index].path());
    for path in [&first, &second] {
        let name = path.file_name().expect("a name").to_owned();
        fs::copy(path, folder.join("queries").join(name)).expect("copied");
    }
    let weights = ["--weights", "runs/paris/model.safetensors"];
    let describe = ["features", "gallery", weights[0], weights[1], "-o"];
    let done = records(&ends_with(0, folder, &[&describe[..], &["all.safetensors", "--json"]].concat()));
    let rows = fs::read_to_string(folder.join("all.safetensors.names")).expect("names").lines().count();
    assert_eq!((&done[0]["rows"], &done[0]["length"]), (&rows.into(), &512.into()));

    // A copy of a gallery's picture finds it first; one in the same place is not its own neighbour.
    let search = |more: &[&str]| {
        let arguments =
            [&["retrieve", "queries", "--gallery", "gallery", "--count", "2", "--json"], &weights[..], more];
        records(&ends_with(0, folder, &arguments.concat()))
    };
    let in_folder = search(&["--by", "features"]);
    let in_file = search(&["--vectors", "all.safetensors"]);
    assert_eq!((in_folder.len(), in_file.len()), (4, 4));
    for (one, other) in in_folder.iter().zip(&in_file) {
        assert_eq!((&one["file"], &one["neighbour"]), (&other["file"], &other["neighbour"]));
    }
    assert_eq!(in_folder[0]["file"], in_folder[0]["neighbour"]);
    let both = [
        "retrieve",
        "gallery",
        "--gallery",
        "gallery",
        "--json",
        "--report",
        "page.html",
        "--sheet",
        "page.png",
    ];
    let both = records(&ends_with(0, folder, &[&both, &weights[..]].concat()));
    assert_eq!(both.len(), rows * 5 * 2);
    assert!(both.iter().all(|record| record["file"] != record["neighbour"]));
    assert!(fs::read_to_string(folder.join("page.html")).expect("page").contains("data:image/png"));

    let other =
        ["retrieve", "queries", "--gallery", "gallery", "--vectors", "all.safetensors", "--by", "hog"];
    let (code, _, said) = run(folder, &[&other, &weights[..]].concat());
    assert!(code == 1 && said.contains("HOG") && said.contains("is asked for"), "{said}");
    fs::write(folder.join("gallery/broken.png"), "no").expect("written");
    let (code, out, said) = run(folder, &[&describe[..], &["again.npy"]].concat());
    assert!(
        code == 3 && out.contains(&format!("{rows} rows of 512")) && said.contains("broken.png"),
        "{out}{said}"
    );
}
