//! `retrieve`: pictures whose surroundings look alike (paper, Figure 8).

use std::{fs, path::PathBuf};

use clap::Args;
use context_encoder::{
    Device,
    eval::{
        image_grid,
        retrieval::{Neighbour, Search, VectorFile},
    },
    files::atomic_write,
};
use image::{Rgb, RgbImage};
use miette::{IntoDiagnostic, Result, WrapErr, miette};
use serde_json::json;

use crate::{
    crew::Crew,
    description::{By, Description, DescriptionChoice, PORTION},
    device::DeviceChoice,
    outcome::Outcome,
    output::Output,
    report::Page,
    squares::SquareFolder,
};

/// For each picture of a folder, find those of a gallery whose surroundings of the centre look alike; no method sees a
/// centre. Search is exact and goes through the gallery portion by portion, whatever its size.
#[derive(Args)]
pub struct Retrieve {
    /// Folder of pictures to look for
    #[arg(value_name = "DIR")]
    queries: PathBuf,
    /// Folder of pictures to look in
    #[arg(long, value_name = "DIR")]
    gallery: PathBuf,
    /// What `features` wrote of the gallery with the same weights and choices; the gallery is then not described again
    #[arg(long, value_name = "FILE")]
    vectors: Option<PathBuf>,
    /// What describes a picture; both by default, side by side (with --vectors: features)
    #[arg(long, value_enum, value_delimiter = ',')]
    by: Vec<By>,
    /// Neighbours of each picture, 1 to 100
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100))]
    count: u8,
    /// Where a page with all pictures and their neighbours goes, one HTML file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Where a sheet of the first eight pictures and their neighbours goes, as PNG
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    #[command(flatten)]
    choice: DescriptionChoice,
    #[command(flatten)]
    device: DeviceChoice,
    #[command(flatten)]
    crew: Crew,
}

/// Pictures on the sheet.
const SAMPLES: usize = 8;

/// What one description found: for each query, places in the gallery and similarities.
struct Found {
    by: String,
    neighbours: Vec<Vec<Neighbour>>,
}

impl Retrieve {
    pub fn run(&self, output: &Output) -> Result<Outcome> {
        let device = self.device.open()?;
        let descriptions = self.choice.open(&self.wanted()?, &device)?;
        let side = descriptions[0].side();
        let gallery = SquareFolder::open(&self.gallery, side, output)?;
        let folder = SquareFolder::open(&self.queries, side, output)?;
        let all: Vec<usize> = (0..folder.len()).collect();
        let bar = output.with_bar(all.len(), "pictures");
        let (queries, squares): (Vec<usize>, Vec<RgbImage>) =
            folder.read_some(&all, &self.crew, &bar).into_iter().unzip();
        bar.clear_bar();
        if queries.is_empty() {
            return Err(miette!("no picture in {} can be read", self.queries.display()));
        }

        let mut failed = folder.skipped() + gallery.skipped() + folder.len() - queries.len();
        let mut found = match &self.vectors {
            Some(path) => vec![self.in_file(path, &descriptions[0], &squares, &gallery, &device, output)?],
            None => {
                let (found, unread) = self.in_folder(&descriptions, &squares, &gallery, &device, output)?;
                failed += unread;
                found
            }
        };
        // A picture that is in both folders is not its own neighbour.
        let path = |folder: &SquareFolder, index| fs::canonicalize(folder.path(index)).ok();
        for Found { neighbours, .. } in &mut found {
            for (&query, neighbours) in queries.iter().zip(neighbours) {
                let itself = path(&folder, query);
                neighbours.retain(|found| itself.is_none() || path(&gallery, found.index) != itself);
                neighbours.truncate(self.count.into());
            }
        }
        self.tell(&found, &queries, &folder, &gallery, output);
        self.draw(&found, &squares, &gallery, output)?;
        Ok(Outcome::of(failed))
    }

    /// What was asked for, or what is usual.
    fn wanted(&self) -> Result<Vec<By>> {
        match (&self.vectors, &self.by[..]) {
            (None, []) => Ok(vec![By::Features, By::Hog]),
            (Some(_), []) => Ok(vec![By::Features]),
            (Some(_), [_, _, ..]) => Err(miette!("--vectors holds one description; give --by once")),
            (None, [one, other]) if one == other => {
                Err(miette!("--by names one description twice; once is enough"))
            }
            (None, [_, _, _, ..]) => Err(miette!("--by names one description twice; once is enough")),
            (_, by) => Ok(by.to_vec()),
        }
    }

    /// One more than is wanted: a query may find itself.
    fn sought(&self) -> usize {
        usize::from(self.count) + 1
    }

    /// Describes the gallery portion by portion and keeps no portion.
    fn in_folder(
        &self,
        descriptions: &[Description],
        queries: &[RgbImage],
        gallery: &SquareFolder,
        device: &Device,
        output: &Output,
    ) -> Result<(Vec<Found>, usize)> {
        let mut searches = Vec::with_capacity(descriptions.len());
        for description in descriptions {
            searches.push(Search::new(&description.describe(queries)?, self.sought(), device));
        }
        let all: Vec<usize> = (0..gallery.len()).collect();
        let mut rows = Vec::with_capacity(all.len());
        let bar = output.with_bar(all.len(), "pictures of the gallery");
        for portion in all.chunks(PORTION) {
            let (read, squares): (Vec<usize>, Vec<RgbImage>) =
                gallery.read_some(portion, &self.crew, &bar).into_iter().unzip();
            rows.extend(read);
            for (description, search) in descriptions.iter().zip(&mut searches) {
                search.take_rows(&description.describe(&squares)?);
            }
        }
        bar.clear_bar();
        let found = searches.into_iter().zip(descriptions).map(|(search, description)| {
            let mut neighbours = search.finish();
            neighbours.iter_mut().flatten().for_each(|found| found.index = rows[found.index]);
            Found { by: description.name().to_owned(), neighbours }
        });
        Ok((found.collect(), all.len() - rows.len()))
    }

    /// Searches a file of vectors, block by block.
    fn in_file(
        &self,
        path: &PathBuf,
        description: &Description,
        queries: &[RgbImage],
        gallery: &SquareFolder,
        device: &Device,
        output: &Output,
    ) -> Result<Found> {
        let file = VectorFile::open(path).into_diagnostic()?;
        let about = description.about();
        if let Some(other) = file.about().filter(|other| *other != about) {
            return Err(miette!(
                "{} holds {other}, and {about} is asked for; give the same choices, or write it again with \
                 `context-encoder features`",
                path.display()
            ));
        }
        let places: std::collections::BTreeMap<String, usize> =
            (0..gallery.len()).map(|index| (gallery.name(index), index)).collect();
        let bar = output.with_bar(file.names().len(), "vectors");
        let mut neighbours = file
            .nearest(&description.describe(queries)?, self.sought(), device, |done| bar.reach(done))
            .into_diagnostic()?;
        bar.clear_bar();
        for found in neighbours.iter_mut().flatten() {
            let name = &file.names()[found.index];
            found.index = *places.get(name).ok_or_else(|| {
                miette!("{} names {name}, which {} does not hold", path.display(), self.gallery.display())
            })?;
        }
        Ok(Found { by: description.name().to_owned(), neighbours })
    }

    /// Names and similarities.
    fn tell(
        &self,
        found: &[Found],
        queries: &[usize],
        folder: &SquareFolder,
        gallery: &SquareFolder,
        output: &Output,
    ) {
        for (place, &query) in queries.iter().enumerate() {
            let name = folder.name(query);
            output.result(&name);
            for Found { by, neighbours } in found {
                for Neighbour { index, similarity } in &neighbours[place] {
                    let like = gallery.name(*index);
                    output.result(format_args!("  {by:<16}  {similarity:.4}  {like}"));
                    output.record(&json!({
                        "event": "neighbour", "file": name, "by": by, "neighbour": like, "similarity": similarity,
                    }));
                }
            }
        }
    }

    /// The files that were asked for.
    fn draw(
        &self,
        found: &[Found],
        queries: &[RgbImage],
        gallery: &SquareFolder,
        output: &Output,
    ) -> Result<()> {
        let side = queries[0].width();
        let mask = self.choice.mask(side);
        // A query with its hole, then its neighbours, whole: who looks may see what no method saw.
        let row = |found: &Found, place: usize| -> Result<Vec<RgbImage>> {
            let mut row = vec![image_grid::with_hole(&queries[place], &mask, Rgb([128; 3]))];
            for neighbour in &found.neighbours[place] {
                row.push(gallery.read(neighbour.index).into_diagnostic()?);
            }
            row.resize(self.sought(), RgbImage::from_pixel(side, side, Rgb([255; 3])));
            Ok(row)
        };
        let rows = |count: usize| -> Result<Vec<Vec<RgbImage>>> {
            let count = count.min(queries.len());
            (0..count).flat_map(|place| found.iter().map(move |found| row(found, place))).collect()
        };
        if let Some(path) = &self.sheet {
            image_grid::save(&image_grid::lay_out(&rows(SAMPLES)?), path).into_diagnostic()?;
            output.note(format_args!("wrote {}", path.display()));
        }
        if let Some(path) = &self.report {
            let by: Vec<&str> = found.iter().map(|found| found.by.as_str()).collect();
            let mut page = Page::new(
                "Neighbours by their surroundings",
                &format!(
                    "{} pictures; one row for each of: {}. No method sees a centre.",
                    queries.len(),
                    by.join(", ")
                ),
            );
            let headings: Vec<String> =
                ["hole".to_owned()].into_iter().chain((1..=self.count).map(|n| n.to_string())).collect();
            page.pictures("Neighbours", &headings, &rows(queries.len())?)?;
            atomic_write(path, page.html().as_bytes())
                .into_diagnostic()
                .wrap_err_with(|| format!("cannot write {}", path.display()))?;
            output.note(format_args!("wrote {}", path.display()));
        }
        Ok(())
    }
}
