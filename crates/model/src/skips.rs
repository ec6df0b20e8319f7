//! Skip connections from encoder to decoder.

use burn::tensor::Tensor;
use context_encoder_ops::in_32_bits;

/// The encoder's maps on their way to the decoder: each is added to the decoder's map of the same side, after
/// the activation of both (LinkNet, Chaurasia and Culurciello 2017). Channels agree, since the decoder
/// mirrors the encoder where the whole picture is predicted.
pub(crate) struct Skips {
    /// From the outside in; nothing is kept without skip connections.
    maps: Option<Vec<Tensor<4>>>,
}

impl Skips {
    pub(crate) fn new(enabled: bool) -> Self {
        Self { maps: enabled.then(Vec::new) }
    }

    /// Keeps the output of an encoder's stage, and passes it on.
    pub(crate) fn keep(&mut self, map: Tensor<4>) -> Tensor<4> {
        if let Some(maps) = &mut self.maps {
            maps.push(map.clone());
        }
        map
    }

    /// Adds the innermost of the maps that are left, if any, to the decoder's of the same shape.
    pub(crate) fn add(&mut self, map: Tensor<4>) -> Tensor<4> {
        match self.maps.as_mut().and_then(Vec::pop) {
            Some(kept) => in_32_bits(map) + in_32_bits(kept),
            None => map,
        }
    }
}
