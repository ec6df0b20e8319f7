//! Losses of context encoders (Pathak et al., CVPR 2016, section 3.2).
//!
//! - [`Reconstruction`]: squared or absolute error over a [`LossMask`].
//! - [`DiscriminatorLoss`]: the discriminator's side of the adversarial loss, on logits.
//! - [`Objective`]: what the generator minimizes: reconstruction, adversarial, or both. Terms and total come
//!   from [`Objective::generator_loss`] alone, so what is logged is what is optimized.

mod adversarial;
mod objective;
mod reconstruction;

pub use adversarial::DiscriminatorLoss;
pub use objective::{GeneratorLoss, Objective};
pub use reconstruction::{Average, Distance, LossMask, Reconstruction};
