//! What keeps the house readable: files that do not use each other in circles, a list of exported names that
//! changes only on purpose, and the field's words.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    path::{Path, PathBuf},
};

use crate::modules::{Crate, Segments, rust_files};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The `src` folders of all packages, by short name; the facade's is `""`.
fn sources() -> BTreeMap<String, PathBuf> {
    let crates = std::fs::read_dir(root().join("crates")).expect("crates");
    let mut sources: BTreeMap<String, PathBuf> = crates
        .map(|entry| entry.expect("an entry"))
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path().join("src")))
        .collect();
    sources.insert(String::new(), root().join("src"));
    sources
}

/// The files of each circle, by Tarjan's algorithm: strongly connected components of two files or more.
fn circles(edges: &BTreeMap<Segments, BTreeMap<Segments, String>>) -> Vec<Vec<Segments>> {
    #[derive(Default)]
    struct Search<'a> {
        index: BTreeMap<&'a Segments, usize>,
        lowest: BTreeMap<&'a Segments, usize>,
        stack: Vec<&'a Segments>,
        found: Vec<Vec<Segments>>,
    }

    fn visit<'a>(
        file: &'a Segments,
        edges: &'a BTreeMap<Segments, BTreeMap<Segments, String>>,
        search: &mut Search<'a>,
    ) {
        let number = search.index.len();
        search.index.insert(file, number);
        search.lowest.insert(file, number);
        search.stack.push(file);
        for next in edges[file].keys() {
            if !search.index.contains_key(next) {
                visit(next, edges, search);
            }
            let reached = if search.stack.contains(&next) { search.lowest[next] } else { continue };
            let lowest = search.lowest[file].min(reached);
            search.lowest.insert(file, lowest);
        }
        if search.lowest[file] == number {
            let start = search.stack.iter().position(|&other| other == file).expect("on the stack");
            let circle: Vec<Segments> = search.stack.drain(start..).cloned().collect();
            if circle.len() > 1 {
                search.found.push(circle);
            }
        }
    }

    let mut search = Search::default();
    for file in edges.keys() {
        if !search.index.contains_key(file) {
            visit(file, edges, &mut search);
        }
    }
    search.found
}

#[test]
fn files_of_a_crate_do_not_use_each_other_in_circles() {
    let mut report = String::new();
    for (name, source) in sources() {
        let edges = Crate::read(&source).edges();
        for circle in circles(&edges) {
            writeln!(report, "in crate `{name}`, a circle of {} files:", circle.len()).expect("memory");
            for file in &circle {
                for (target, used) in edges[file].iter().filter(|(target, _)| circle.contains(target)) {
                    let [file, target] = [file, target].map(|place| format!("/{}", place.join("/")));
                    writeln!(report, "    {file} uses {target}: {used}").expect("memory");
                }
            }
        }
    }
    assert!(report.is_empty(), "move what both need into a file below them\n{report}");
}

/// A circle of three through a re-export, and what is none: a folder's map, a test, another crate.
#[test]
fn a_circle_through_a_re_export_is_found() {
    let folder = tempfile::tempdir().expect("folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
        std::fs::write(path, text).expect("written");
    };
    write("lib.rs", "mod a; mod b; mod c; mod d; pub use a::First;");
    write("a.rs", "use crate::b::second; pub struct First; fn f() { second(); }");
    write("b.rs", "pub fn second() { vec![crate::c::third()]; }");
    write("c.rs", "use crate::First; pub fn third() -> First { First }");
    write("d/mod.rs", "mod e; pub use e::E; #[cfg(test)] mod tests { use super::e::E; }");
    write("d/e.rs", "use std::fmt; use crate::First; pub struct E(First);");
    let read = Crate::read(folder.path());
    let found = circles(&read.edges());
    assert_eq!(found.len(), 1);
    let files: BTreeSet<String> = found[0].iter().map(|file| file.join("/")).collect();
    assert_eq!(files, ["a", "b", "c"].map(str::to_owned).into());
    assert_eq!(read.public_names(), ["First".to_owned()].into());
}

/// The facade's names and, under each module, its crate's.
fn exported_names() -> String {
    let facade = Crate::read(&root().join("src")).public_names();
    let mut names = String::from(
        "# Every name that users of the facade can write. A test compares; after a change that is meant:\n\
         # UPDATE_PUBLIC_NAMES=1 cargo test --workspace --features ndarray --test integration -- exported\n",
    );
    let crates: BTreeMap<String, PathBuf> =
        sources().into_iter().filter(|(name, _)| facade.contains(name)).collect();
    for name in facade.iter().filter(|name| !crates.contains_key(*name)) {
        writeln!(names, "{name}").expect("memory");
    }
    for (module, source) in crates {
        writeln!(names, "{module}").expect("memory");
        for name in Crate::read(&source).public_names() {
            writeln!(names, "{module}::{name}").expect("memory");
        }
    }
    names
}

#[test]
fn exported_names_are_those_of_the_list() {
    let list = root().join("tests/public_names.txt");
    let names = exported_names();
    if std::env::var_os("UPDATE_PUBLIC_NAMES").is_some() {
        std::fs::write(&list, &names).expect("written");
    }
    let listed = std::fs::read_to_string(&list).expect("tests/public_names.txt");
    let [now, before] = [&names, &listed].map(|text| text.lines().collect::<BTreeSet<_>>());
    let added: Vec<_> = now.difference(&before).collect();
    let gone: Vec<_> = before.difference(&now).collect();
    assert!(
        added.is_empty() && gone.is_empty(),
        "exported names have changed: new {added:?}, gone {gone:?}; if that is meant, say so in CHANGELOG.md and run \
         this test with UPDATE_PUBLIC_NAMES=1"
    );
}

/// Words that this project once made up for things that have a name everywhere else; each with that name.
const RETIRED: [(&str, &str); 47] = [
    ("Album", "LabeledDataset"),
    ("Asked", "LossRegion"),
    ("Course", "RunSettings"),
    ("Crew", "a rayon thread pool"),
    ("DeepImage", "Rgb16Image"),
    ("Deliver", "StoreOutput"),
    ("Descent", "Optimizer"),
    ("Exam", "Metrics"),
    ("FirstWeights", "init"),
    ("Journal", "CsvLog"),
    ("Kinship", "GramMatrix"),
    ("Laid", "PackedWeights"),
    ("Lessons", "BatchSource"),
    ("Likeness", "PerceptualHash"),
    ("Meeting", "AllReduce"),
    ("Membrane", "Poisson"),
    ("Player", "OptimizedModel"),
    ("Prepared", "InferenceLayer"),
    ("Presence", "Label"),
    ("Recipe", "RunSettings"),
    ("Replicas", "DataParallel"),
    ("Seat", "Rank"),
    ("Sight", "ModelInput"),
    ("Silence", "Dropout"),
    ("Survey", "DatasetReport"),
    ("Takers", "GradSink"),
    ("Tint", "ColorJitter"),
    ("Unpacking", "CheckpointReader"),
    ("WhichAll", "MultiLabel"),
    ("WhichOne", "SingleLabel"),
    ("carry_out", "run"),
    ("conceal", "apply_mask"),
    ("critic", "discriminator"),
    ("fast form", "optimized implementation"),
    ("generator_rate", "generator_lr"),
    ("hear of each other", "grouped convolution"),
    ("in how many bits", "precision"),
    ("judgement", "discriminator logits"),
    ("multiplying_in", "autocast"),
    ("no number", "NaN, not finite"),
    ("onlooker", "progress"),
    ("plain form", "reference implementation"),
    ("plainly", "with_reference"),
    ("pool_regions", "roi_pool"),
    ("sends everybody home", "wakes the waiting threads with an error"),
    ("ungate", "leaky_relu_backward"),
    ("write_aside", "atomic_write"),
];

/// Where retired words are read, so that files and commands of before keep working.
const READS_RETIRED_WORDS: [&str; 2] = ["crates/cli/src/deprecated.rs", "crates/train/src/overrides.rs"];

#[test]
fn retired_words_stay_retired() {
    let mut files: Vec<PathBuf> =
        ["crates", "src"].iter().flat_map(|dir| rust_files(&root().join(dir))).collect();
    let documents = std::fs::read_dir(root().join("docs")).expect("docs");
    files.extend(
        documents.map(|entry| entry.expect("an entry").path()).filter(|path| path.extension().is_some()),
    );
    let mut found = String::new();
    let mut lines = 0;
    for file in files {
        let place = file.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/");
        let Ok(text) = std::fs::read_to_string(&file) else { continue }; // a picture
        for (number, line) in text.lines().enumerate() {
            lines += 1;
            let is_alias = line.contains("alias") || READS_RETIRED_WORDS.contains(&place.as_str());
            for (word, instead) in RETIRED.iter().filter(|(word, _)| !is_alias && has_word(line, word)) {
                writeln!(found, "{place}:{}: `{word}`; write {instead}", number + 1).expect("memory");
            }
        }
    }
    assert!(lines > 10_000, "only {lines} lines were read");
    assert!(found.is_empty(), "the field's words, please\n{found}");
}

/// Whether a line has a word as a whole: `Tint`, not `Tinted`.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(start, _)| {
        let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !is_part(line[..start].chars().next_back()) && !is_part(line[start + word.len()..].chars().next())
    })
}
