//! What others have published, to stand beside measured rows.

/// A row of a published table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// What was measured.
    pub name: &'static str,
    /// Mean absolute difference, per cent.
    pub l1: f64,
    /// Mean squared difference, per cent.
    pub l2: f64,
    /// Decibels.
    pub psnr: f64,
}

/// The paper's Table 1: 100 held-out pictures of Paris StreetView, which its authors do not pass on freely.
/// Over the whole central square; the paper's networks are trained with 7 pixels of it visible.
pub const TABLE_1: [Published; 3] = [
    Published { name: "paper: nearest neighbour, HOG", l1: 19.92, l2: 6.92, psnr: 12.79 },
    Published { name: "paper: nearest neighbour, context features", l1: 15.10, l2: 4.30, psnr: 14.70 },
    Published { name: "paper: context encoder", l1: 9.37, l2: 1.96, psnr: 18.58 },
];
