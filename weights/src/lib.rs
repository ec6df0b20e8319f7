//! Weights of the network that comes with `context-encoder`, in a package of their own so that each package
//! stays below the registry's 10 MiB. The README says what they were trained on and how well they do.

/// The file `photo-128.safetensors`: architecture and weights of a network for any photograph and holes of
/// any shape. `context_encoder::Inpainter::pretrained` (feature `pretrained`) fills pictures with it.
///
/// ```
/// // A safetensors file: the length of its JSON header, then the header.
/// let length = u64::from_le_bytes(context_encoder_weights::PHOTO_128[..8].try_into()?) as usize;
/// let header = std::str::from_utf8(&context_encoder_weights::PHOTO_128[8..8 + length])?;
/// assert!(header.contains("context-encoder.model"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub const PHOTO_128: &[u8] = include_bytes!("../photo-128.safetensors");
