//! `retrieve`: nearest neighbours of images by their surroundings of the centre (paper, Figure 8).

use std::{fs, path::PathBuf};

use clap::Args;
use context_encoder::{
    Device,
    eval::{
        image_grid,
        retrieval::{Neighbour, Search, VectorFile},
    },
};
use image::{Rgb, RgbImage};
use miette::{IntoDiagnostic, Result, miette};
use serde_json::json;

use crate::{
    console::{Console, ExitStatus},
    descriptor::{BATCH, DescriptorArgs, DescriptorKind, MaskedDescriptor},
    device::{DeviceArgs, ThreadsArgs},
    report::Page,
    resized_folder::ResizedFolder,
};

/// Find the nearest neighbours of each picture in a gallery, by their surroundings of the centre: no method
/// sees a centre. The search is exact and reads the gallery in batches, whatever its size.
#[derive(Args)]
pub struct Retrieve {
    /// Folder of query pictures
    #[arg(value_name = "DIR")]
    queries: PathBuf,
    /// Folder of pictures to search
    #[arg(long, value_name = "DIR")]
    gallery: PathBuf,
    /// File that `features` wrote for the gallery with the same weights and options; its vectors are then
    /// not computed again
    #[arg(long, value_name = "FILE")]
    vectors: Option<PathBuf>,
    /// Kind of the vectors; both by default, side by side (with --vectors: features)
    #[arg(long, value_enum, value_delimiter = ',')]
    by: Vec<DescriptorKind>,
    /// Neighbours of each picture, 1 to 100
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100))]
    count: u8,
    /// HTML file for a report with all pictures and their neighbours
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// PNG file for an image grid of the first eight pictures and their neighbours
    #[arg(long, alias = "sheet", value_name = "FILE")]
    image_grid: Option<PathBuf>,
    #[command(flatten)]
    descriptor: DescriptorArgs,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    threads: ThreadsArgs,
}

/// Queries in the image grid.
const GRID_QUERIES: usize = 8;

/// The results of one descriptor: for each query, indices in the gallery and similarities.
struct Results {
    descriptor: String,
    neighbours: Vec<Vec<Neighbour>>,
}

impl Retrieve {
    pub fn run(&self, console: &Console) -> Result<ExitStatus> {
        let device = self.device.open(console)?;
        let descriptors = self.descriptor.open(&self.kinds()?, &device)?;
        let side = descriptors[0].side();
        let gallery = ResizedFolder::open(&self.gallery, side, console)?;
        let folder = ResizedFolder::open(&self.queries, side, console)?;
        let (queries, images) = folder.read_all(&self.threads, console)?;
        let mut failed = folder.skipped() + gallery.skipped() + folder.len() - queries.len();
        let mut results = match &self.vectors {
            Some(path) => {
                vec![self.search_file(path, &descriptors[0], &images, &gallery, &device, console)?]
            }
            None => {
                let (results, unread) =
                    self.search_folder(&descriptors, &images, &gallery, &device, console)?;
                failed += unread;
                results
            }
        };
        // A picture that is in both folders is not its own neighbour.
        let path = |folder: &ResizedFolder, index| fs::canonicalize(folder.path(index)).ok();
        for Results { neighbours, .. } in &mut results {
            for (&query, neighbours) in queries.iter().zip(neighbours) {
                let itself = path(&folder, query);
                neighbours.retain(|found| itself.is_none() || path(&gallery, found.index) != itself);
                neighbours.truncate(self.count.into());
            }
        }
        self.print(&results, &queries, &folder, &gallery, console);
        self.draw(&results, &images, &gallery, console)?;
        Ok(ExitStatus::from_failures(failed))
    }

    /// The kinds that were named, or the default.
    fn kinds(&self) -> Result<Vec<DescriptorKind>> {
        match (&self.vectors, &self.by[..]) {
            (None, []) => Ok(vec![DescriptorKind::Features, DescriptorKind::Hog]),
            (Some(_), []) => Ok(vec![DescriptorKind::Features]),
            (Some(_), [_, _, ..]) => Err(miette!("--vectors holds one kind of vectors; give --by once")),
            (None, by @ [one, other, ..]) if one == other || by.len() > 2 => {
                Err(miette!("--by names one kind twice; once is enough"))
            }
            (_, by) => Ok(by.to_vec()),
        }
    }

    /// One more than is asked for: a query may find itself.
    fn search_count(&self) -> usize {
        usize::from(self.count) + 1
    }

    /// Describes and searches the gallery in batches, and keeps no batch.
    fn search_folder(
        &self,
        descriptors: &[MaskedDescriptor],
        queries: &[RgbImage],
        gallery: &ResizedFolder,
        device: &Device,
        console: &Console,
    ) -> Result<(Vec<Results>, usize)> {
        let mut searches = Vec::with_capacity(descriptors.len());
        for descriptor in descriptors {
            searches.push(Search::new(&descriptor.describe(queries)?, self.search_count(), device));
        }
        let indices: Vec<usize> = (0..gallery.len()).collect();
        let mut rows = Vec::with_capacity(indices.len());
        let bar = console.with_bar(indices.len(), "pictures of the gallery");
        for batch in indices.chunks(BATCH) {
            let (read, images) = gallery.read_many(batch, &self.threads, &bar)?;
            rows.extend(read);
            for (descriptor, search) in descriptors.iter().zip(&mut searches) {
                search.take_rows(&descriptor.describe(&images)?);
            }
        }
        bar.clear_bar();
        let results = searches.into_iter().zip(descriptors).map(|(search, descriptor)| {
            let mut neighbours = search.finish();
            neighbours.iter_mut().flatten().for_each(|found| found.index = rows[found.index]);
            Results { descriptor: descriptor.name().to_owned(), neighbours }
        });
        Ok((results.collect(), indices.len() - rows.len()))
    }

    /// Searches a file of vectors, block by block.
    fn search_file(
        &self,
        path: &PathBuf,
        descriptor: &MaskedDescriptor,
        queries: &[RgbImage],
        gallery: &ResizedFolder,
        device: &Device,
        console: &Console,
    ) -> Result<Results> {
        let file = VectorFile::open(path).into_diagnostic()?;
        let about = descriptor.about();
        if let Some(other) = file.about().filter(|other| *other != about) {
            return Err(miette!(
                "{} holds {other}, and {about} is asked for; give the same options, or write it again with \
                 `context-encoder features`",
                path.display()
            ));
        }
        let indices: std::collections::BTreeMap<String, usize> =
            (0..gallery.len()).map(|index| (gallery.name(index), index)).collect();
        let bar = console.with_bar(file.names().len(), "vectors");
        let mut neighbours = file
            .nearest(&descriptor.describe(queries)?, self.search_count(), device, |done| {
                bar.set_progress(done);
            })
            .into_diagnostic()?;
        bar.clear_bar();
        for found in neighbours.iter_mut().flatten() {
            let name = &file.names()[found.index];
            found.index = *indices.get(name).ok_or_else(|| {
                miette!("{} names {name}, which {} does not hold", path.display(), self.gallery.display())
            })?;
        }
        Ok(Results { descriptor: descriptor.name().to_owned(), neighbours })
    }

    /// Names and similarities of the neighbours.
    fn print(
        &self,
        results: &[Results],
        queries: &[usize],
        folder: &ResizedFolder,
        gallery: &ResizedFolder,
        console: &Console,
    ) {
        for (row, &query) in queries.iter().enumerate() {
            let name = folder.name(query);
            console.result(&name);
            for Results { descriptor, neighbours } in results {
                for Neighbour { index, similarity } in &neighbours[row] {
                    let neighbour = gallery.name(*index);
                    console.result(format_args!("  {descriptor:<16}  {similarity:.4}  {neighbour}"));
                    console.record(&json!({
                        "event": "neighbour", "file": name, "by": descriptor, "neighbour": neighbour,
                        "similarity": similarity,
                    }));
                }
            }
        }
    }

    /// Writes the image grid and the report.
    fn draw(
        &self,
        results: &[Results],
        queries: &[RgbImage],
        gallery: &ResizedFolder,
        console: &Console,
    ) -> Result<()> {
        let side = queries[0].width();
        let mask = self.descriptor.mask(side);
        // A query with its hole, then its neighbours without: a reader may see what no method saw.
        let row = |results: &Results, query: usize| -> Result<Vec<RgbImage>> {
            let mut row = vec![image_grid::with_hole(&queries[query], &mask, Rgb([128; 3]))];
            for neighbour in &results.neighbours[query] {
                row.push(gallery.read(neighbour.index).into_diagnostic()?);
            }
            row.resize(self.search_count(), RgbImage::from_pixel(side, side, Rgb([255; 3])));
            Ok(row)
        };
        let rows = |count: usize| -> Result<Vec<Vec<RgbImage>>> {
            let count = count.min(queries.len());
            (0..count).flat_map(|query| results.iter().map(move |results| row(results, query))).collect()
        };
        if let Some(path) = &self.image_grid {
            image_grid::save(&image_grid::lay_out(&rows(GRID_QUERIES)?), path).into_diagnostic()?;
            console.note(format_args!("wrote {}", path.display()));
        }
        if let Some(path) = &self.report {
            let descriptors: Vec<&str> = results.iter().map(|results| results.descriptor.as_str()).collect();
            let mut page = Page::new(
                "Neighbours by their surroundings",
                &format!(
                    "{} pictures; one row for each of: {}. No method sees a centre.",
                    queries.len(),
                    descriptors.join(", ")
                ),
            );
            let headings: Vec<String> =
                ["hole".to_owned()].into_iter().chain((1..=self.count).map(|n| n.to_string())).collect();
            page.pictures("Neighbours", &headings, &rows(queries.len())?)?;
            console.write_file(path, page.html().as_bytes())?;
        }
        Ok(())
    }
}
