//! How large a network is.

use burn::{module::Module, store::ModuleSnapshot};

/// Number of trained parameters of a network: weights, biases, batch-norm scales and shifts.
///
/// Running statistics of batch norm are not trained and do not count, as in PyTorch's `parameters()`; Burn's
/// own [`num_params`](Module::num_params) counts them.
///
/// ```
/// use burn::tensor::Device;
/// use context_encoder_model::{ModelConfig, Preset, parameter_count};
///
/// let compact = ModelConfig::preset(Preset::Recommended).init(&Device::flex())?;
/// assert_eq!(parameter_count(&compact), 5_973_760);
/// # Ok::<(), context_encoder_model::ModelError>(())
/// ```
pub fn parameter_count<M: Module>(network: &M) -> usize {
    let is_statistic = |name: &str| name.rsplit('.').next().is_some_and(|name| name.starts_with("running_"));
    let tensors = network.collect(None, None, true).into_iter();
    let trained = tensors.filter(|tensor| !is_statistic(&tensor.name));
    trained.map(|tensor| tensor.shape.iter().product::<usize>()).sum()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::{BottleneckConfig, Discriminator, ModelConfig, Preset};

    #[test]
    fn counts_are_the_papers() {
        let device = Device::flex();
        let authors = ModelConfig::preset(Preset::Authors);
        assert_eq!(parameter_count(&authors.init(&device).expect("valid")), 71_124_544);
        assert_eq!(parameter_count(&Discriminator::new(&authors, 0, &device).expect("valid")), 2_765_568);
        let compact = authors.with_bottleneck(BottleneckConfig::ChannelWise);
        assert_eq!(parameter_count(&compact.init(&device).expect("valid")), 5_973_760);
    }
}
