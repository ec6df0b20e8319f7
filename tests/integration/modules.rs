//! The source files of a crate as modules: what each defines, exports and uses. Read by `syn`, as text; code
//! under `#[cfg(test)]` does not count.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use syn::{
    Attribute, Item, ItemMod, ItemUse, Macro, UseTree, Visibility,
    visit::{self, Visit},
};

/// The names on the way to a module or an item, such as `["weights", "safetensors"]`; empty for the crate's
/// root.
pub(crate) type Segments = Vec<String>;

/// All modules of a crate that have a file of their own, by their place.
pub(crate) struct Crate {
    pub(crate) modules: BTreeMap<Segments, Module>,
}

/// One file.
#[derive(Default)]
pub(crate) struct Module {
    /// Names that `pub` items define here; nested modules with a file are in `public_modules`.
    pub(crate) public_items: BTreeSet<String>,
    pub(crate) public_modules: BTreeSet<String>,
    /// By the name that they have here.
    imports: BTreeMap<String, Import>,
    /// `use path::*`
    globs: Vec<Segments>,
    /// Paths in the code.
    paths: BTreeSet<Segments>,
    /// A `mod.rs` or `lib.rs`, whose `pub use` lines are a map of its children.
    is_map: bool,
}

/// What a `use` brings in.
struct Import {
    path: Segments,
    /// `pub use`, for everybody.
    is_public: bool,
    /// `pub use` or `pub(crate) use`: handed on to other files.
    is_reexport: bool,
}

impl Crate {
    /// Reads `SOURCE/lib.rs` or `SOURCE/main.rs` and everything below.
    pub(crate) fn read(source: &Path) -> Self {
        let mut modules = BTreeMap::new();
        for file in rust_files(source) {
            let relative = file.strip_prefix(source).expect("below").with_extension("");
            let mut place: Segments =
                relative.iter().map(|part| part.to_str().expect("text").to_owned()).collect();
            let last = place.last().expect("a file").clone();
            let is_map = matches!(last.as_str(), "lib" | "main" | "mod");
            if is_map {
                place.pop();
            }
            if last == "tests" {
                continue;
            }
            let text = std::fs::read_to_string(&file).expect("readable");
            let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let mut module = Module { is_map, ..Module::default() };
            for item in &parsed.items {
                module.define(item);
            }
            Reader { module: &mut module, is_inline: false }.visit_file(&parsed);
            modules.insert(place, module);
        }
        Self { modules }
    }

    /// The file that defines what a path in `from` names, followed through imports and re-exports; none for
    /// paths that leave the crate.
    fn resolve(&self, from: &Segments, path: &[String], depth: usize) -> Option<Segments> {
        const DEEPEST: usize = 12; // a re-export of a re-export ...; more is a loop
        if depth > DEEPEST {
            return None;
        }
        let mut rest = path;
        let mut place = match rest.first()?.as_str() {
            "crate" => {
                rest = &rest[1..];
                Segments::new()
            }
            "self" => {
                rest = &rest[1..];
                from.clone()
            }
            "super" => {
                let mut place = from.clone();
                while rest.first().is_some_and(|name| name == "super") {
                    place.pop();
                    rest = &rest[1..];
                }
                place
            }
            name => {
                let here = &self.modules[from];
                if let Some(import) = here.imports.get(name) {
                    let whole: Segments = import.path.iter().chain(&rest[1..]).cloned().collect();
                    // `use x;` names another crate, not itself.
                    return (whole != path).then(|| self.resolve(from, &whole, depth + 1)).flatten();
                }
                if !self.modules.contains_key(&child(from, name)) {
                    return None;
                }
                from.clone()
            }
        };
        while let Some(name) = rest.first() {
            let below = child(&place, name);
            if !self.modules.contains_key(&below) {
                break;
            }
            place = below;
            rest = &rest[1..];
        }
        if let (Some(name), Some(module)) = (rest.first(), self.modules.get(&place)) {
            if let Some(import) = module.imports.get(name) {
                let whole: Segments = import.path.iter().chain(&rest[1..]).cloned().collect();
                return self.resolve(&place, &whole, depth + 1).or(Some(place));
            }
            for glob in &module.globs {
                if let Some(found) = self.resolve(&place, glob, depth + 1)
                    && self.modules[&found].public_items.contains(name)
                {
                    return Some(found);
                }
            }
        }
        self.modules.contains_key(&place).then_some(place)
    }

    /// Which files each file uses, with one of the names that it takes from there.
    pub(crate) fn edges(&self) -> BTreeMap<Segments, BTreeMap<Segments, String>> {
        let mut edges = BTreeMap::new();
        for (place, module) in &self.modules {
            // The map of a folder is not a use of what it shows.
            let imports = module.imports.values().filter(|import| !(import.is_reexport && module.is_map));
            // One lowercase word may be a variable that is called like a module.
            let paths =
                module.paths.iter().filter(|path| path.len() > 1 || module.imports.contains_key(&path[0]));
            let used = imports.map(|import| &import.path).chain(paths).chain(&module.globs);
            let targets = used.filter_map(|path| Some((self.resolve(place, path, 0)?, path.join("::"))));
            edges.insert(place.clone(), targets.filter(|(target, _)| target != place).collect());
        }
        edges
    }

    /// Every name that users of the crate can write, in order: `Model`, `fill`, `fill::Telea`.
    pub(crate) fn public_names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        self.add_public_names(&Segments::new(), &mut names);
        names
    }

    fn add_public_names(&self, place: &Segments, names: &mut BTreeSet<String>) {
        let module = &self.modules[place];
        let prefix = |name: &String| [place.clone(), vec![name.clone()]].concat().join("::");
        names.extend(module.public_items.iter().map(prefix));
        names.extend(
            module.imports.iter().filter(|(_, import)| import.is_public).map(|(name, _)| prefix(name)),
        );
        for name in &module.public_modules {
            names.insert(prefix(name));
            self.add_public_names(&child(place, name), names);
        }
    }
}

impl Module {
    /// Notes what a top-level item exports.
    fn define(&mut self, item: &Item) {
        let (visibility, name, attributes) = match item {
            Item::Const(item) => (&item.vis, &item.ident, &item.attrs),
            Item::Enum(item) => (&item.vis, &item.ident, &item.attrs),
            Item::Fn(item) => (&item.vis, &item.sig.ident, &item.attrs),
            Item::Mod(item) => (&item.vis, &item.ident, &item.attrs),
            Item::Static(item) => (&item.vis, &item.ident, &item.attrs),
            Item::Struct(item) => (&item.vis, &item.ident, &item.attrs),
            Item::Trait(item) => (&item.vis, &item.ident, &item.attrs),
            Item::Type(item) => (&item.vis, &item.ident, &item.attrs),
            _ => return,
        };
        if !matches!(visibility, Visibility::Public(_)) || is_hidden(attributes) {
            return;
        }
        let with_a_file = matches!(item, Item::Mod(ItemMod { content: None, .. }));
        let names = if with_a_file { &mut self.public_modules } else { &mut self.public_items };
        names.insert(name.to_string());
    }

    fn import(&mut self, tree: &UseTree, mut before: Segments, item: &ItemUse, is_inline: bool) {
        let (name, path) = match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                return self.import(&path.tree, before, item, is_inline);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, before.clone(), item, is_inline);
                }
                return;
            }
            UseTree::Glob(_) => return self.globs.push(before),
            UseTree::Name(name) if name.ident == "self" => {
                (before.last().expect("a path before `self`").clone(), before)
            }
            UseTree::Name(name) => {
                before.push(name.ident.to_string());
                (name.ident.to_string(), before)
            }
            UseTree::Rename(rename) => {
                if rename.ident != "self" {
                    before.push(rename.ident.to_string());
                }
                (rename.rename.to_string(), before)
            }
        };
        let import = Import {
            path,
            is_public: matches!(item.vis, Visibility::Public(_)) && !is_inline && !is_hidden(&item.attrs),
            is_reexport: !matches!(item.vis, Visibility::Inherited),
        };
        if is_inline {
            self.imports.entry(name).or_insert(import);
        } else {
            self.imports.insert(name, import);
        }
    }
}

/// Collects imports and paths.
struct Reader<'a> {
    module: &'a mut Module,
    /// Inside `mod name { ... }`, whose names stand elsewhere too: a prelude, names of before.
    is_inline: bool,
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes: &[Attribute] = match item {
            Item::Mod(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Struct(item) => &item.attrs,
            _ => &[],
        };
        if is_test(attributes) {
            return;
        }
        let outside = self.is_inline;
        self.is_inline |= matches!(item, Item::Mod(ItemMod { content: Some(_), .. }));
        visit::visit_item(self, item);
        self.is_inline = outside;
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.module.import(&item.tree, Segments::new(), item, self.is_inline);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        // `pub(super)` uses nothing.
        if !matches!(segments.as_slice(), [only] if matches!(only.as_str(), "crate" | "self" | "super" | "Self"))
        {
            self.module.paths.insert(segments);
        }
        visit::visit_path(self, path);
    }

    /// What stands in a macro's arguments is tokens: the paths among them are runs of `name :: name`.
    fn visit_macro(&mut self, call: &'ast Macro) {
        let text = call.tokens.to_string().replace(" :: ", "::");
        let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
        for word in words.filter(|word| word.contains("::")) {
            let segments: Segments =
                word.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
            if !segments.is_empty() {
                self.module.paths.insert(segments);
            }
        }
        visit::visit_macro(self, call);
    }
}

fn child(place: &Segments, name: &str) -> Segments {
    [place.clone(), vec![name.to_owned()]].concat()
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

/// Marked `#[doc(hidden)]`: kept for users of an older name, not offered.
fn is_hidden(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("doc")
            && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "hidden")
    })
}

/// All `.rs` files below a folder, in order.
pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
