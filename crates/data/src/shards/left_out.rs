//! What shards hold and no sample uses.

/// Files of shards that are left out, of each kind how many and the first one's name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// Sparse files, links and devices.
    pub(super) special: Files,
    /// Images beside the image of their sample, such as previews.
    pub(super) further_images: Files,
    /// Files of an archive that was appended to the first.
    pub(super) behind_the_end: Files,
    /// Shards that the index names and the folder lacks.
    pub(super) missing_shards: Files,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Files {
    count: usize,
    first: Option<String>,
}

impl Files {
    pub(super) fn add(&mut self, name: impl FnOnce() -> String) {
        self.count += 1;
        self.first.get_or_insert_with(name);
    }

    /// Adds those of a shard, or of anything else whose files have this name before theirs.
    fn append(&mut self, other: Self, prefix: &str) {
        self.count += other.count;
        self.first = self.first.take().or_else(|| Some(format!("{prefix}{}", other.first?)));
    }
}

impl LeftOut {
    /// Adds what one shard leaves out.
    pub(super) fn append(&mut self, other: Self, shard: &str) {
        let prefix = format!("{shard}/");
        let Self { special, further_images, behind_the_end, missing_shards } = other;
        self.special.append(special, &prefix);
        self.further_images.append(further_images, &prefix);
        self.behind_the_end.append(behind_the_end, &prefix);
        self.missing_shards.append(missing_shards, "");
    }

    /// A sentence for each kind of which there is a file.
    pub(super) fn remarks(&self) -> Vec<String> {
        let kinds = [
            (&self.special, "are sparse files, links or devices, which are not read"),
            (
                &self.further_images,
                "lie beside another image of their sample, the one with a single extension",
            ),
            (
                &self.behind_the_end,
                "lie behind the end of their archive, where another was appended; pack both anew",
            ),
            (&self.missing_shards, "are in index.json and not in the folder"),
        ];
        let there =
            kinds.into_iter().filter_map(|(files, what)| Some((files.count, files.first.as_ref()?, what)));
        there
            .map(|(count, first, what)| format!("{count} files are left out, such as {first}: they {what}"))
            .collect()
    }
}
