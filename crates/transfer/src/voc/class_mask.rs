//! The class of every pixel: VOC's palette PNGs.

use std::{fs::File, io::BufReader, path::Path};

use png::{BitDepth, ColorType, Decoder, Encoder, Transformations};

use crate::{TransferError, metric::IGNORED};

/// A class number for each pixel, row by row: 0 background, classes from 1, [`IGNORED`] for VOC's border.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassMask {
    /// Width, pixels.
    pub width: u32,
    /// Height, pixels.
    pub height: u32,
    /// `width * height` numbers.
    pub labels: Vec<u8>,
}

impl ClassMask {
    /// Reads the indices of a palette PNG (or the values of a grey one) of 8 bits, and checks that they are
    /// at most `classes`, or [`IGNORED`].
    pub(super) fn read(path: &Path, classes: usize) -> Result<Self, TransferError> {
        let file = File::open(path).map_err(TransferError::io("read", path))?;
        let malformed = |reason: String| TransferError::malformed(path, reason);
        let mut decoder = Decoder::new(BufReader::new(file));
        // Indices as they are stored, not the colours that they stand for.
        decoder.set_transformations(Transformations::IDENTITY);
        let mut reader = decoder.read_info().map_err(|error| malformed(error.to_string()))?;
        let info = reader.info();
        let (width, height) = (info.width, info.height);
        if !matches!(info.color_type, ColorType::Indexed | ColorType::Grayscale)
            || info.bit_depth != BitDepth::Eight
        {
            let (kind, depth) = (info.color_type, info.bit_depth as u8);
            return Err(malformed(format!(
                "a class mask is a palette PNG of 8 bits, this is {kind:?} of {depth}"
            )));
        }
        let mut labels = vec![0; width as usize * height as usize];
        reader.next_frame(&mut labels).map_err(|error| malformed(error.to_string()))?;
        let strange = labels.iter().find(|&&label| usize::from(label) > classes && label != IGNORED);
        match strange {
            Some(label) => Err(malformed(format!("it holds class {label}, but there are {classes}"))),
            None => Ok(Self { width, height, labels }),
        }
    }

    /// Writes a palette PNG with VOC's colours.
    ///
    /// # Errors
    /// [`TransferError::Io`] when it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), TransferError> {
        let failed = TransferError::io("write", path);
        let encode = || {
            let mut png = Vec::new();
            let mut encoder = Encoder::new(&mut png, self.width, self.height);
            encoder.set_color(ColorType::Indexed);
            encoder.set_depth(BitDepth::Eight);
            encoder.set_palette((0..=255).flat_map(color).collect::<Vec<u8>>());
            encoder.write_header()?.write_image_data(&self.labels)?;
            Ok(png)
        };
        encode()
            .map_err(|error: png::EncodingError| std::io::Error::other(error))
            .and_then(|png| context_encoder_files::atomic_write(path, &png))
            .map_err(failed)
    }

    /// Left and right exchanged.
    #[must_use]
    pub fn mirrored(mut self) -> Self {
        self.labels.chunks_exact_mut(self.width as usize).for_each(<[u8]>::reverse);
        self
    }
}

/// VOC's color of a label: its lowest three bits are the highest of red, green and blue, the next three the
/// second highest, and so on.
fn color(label: u8) -> [u8; 3] {
    [0, 1, 2].map(|channel| {
        (0..3).fold(0, |value, bit| {
            value | (label >> (3 * bit + channel).min(7) & u8::from(3 * bit + channel < 8)) << (7 - bit)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_vocs() {
        // aeroplane, bicycle, bird, boat, chair, potted plant, border
        let expected = [
            (1, [128, 0, 0]),
            (2, [0, 128, 0]),
            (3, [128, 128, 0]),
            (4, [0, 0, 128]),
            (9, [192, 0, 0]),
            (16, [0, 64, 0]),
            (255, [224, 224, 192]),
        ];
        for (label, rgb) in expected {
            assert_eq!(color(label), rgb, "{label}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("mask.png");
        let mask = ClassMask { width: 3, height: 2, labels: vec![0, 1, 255, 2, 0, 0] };
        mask.write(&path).expect("written");
        assert_eq!(ClassMask::read(&path, 2).expect("read"), mask);
        assert_eq!(mask.clone().mirrored().labels, [255, 1, 0, 0, 0, 2]);
        let error = ClassMask::read(&path, 1).expect_err("class 2 of 1").to_string();
        assert!(error.contains("mask.png") && error.contains("class 2, but there are 1"), "{error}");
        image::RgbImage::new(3, 2).save(&path).expect("written");
        assert!(ClassMask::read(&path, 2).expect_err("colours").to_string().contains("Rgb of 8"));
        std::fs::write(&path, "no").expect("written");
        ClassMask::read(&path, 2).expect_err("no picture");
    }
}
