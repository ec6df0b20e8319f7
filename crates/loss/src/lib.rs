//! Losses of context encoders (Pathak et al., CVPR 2016, section 3.2).
//!
//! - [`Reconstruction`]: squared or absolute error over the part that counts.
//! - [`discriminator_loss`], [`adversarial_loss`]: the game of generator and discriminator, on logits.
//! - [`Objective`]: what the generator minimises: reconstruction, adversarial, or both. Terms and total come
//!   from [`Objective::generator_loss`] alone, so what is logged is what is optimised.

mod adversarial;
mod objective;
mod reconstruction;

pub use adversarial::{DiscriminatorLoss, adversarial_loss, discriminator_loss};
pub use objective::{GeneratorLoss, Objective};
pub use reconstruction::{Average, Distance, LossMask, Reconstruction};
