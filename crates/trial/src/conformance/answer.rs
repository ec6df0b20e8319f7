//! What a device answers, read back.

use burn::{
    module::{Module, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::{Tensor, TensorData},
};

use super::check::Verdict;
use crate::TrialError;

/// What 32-bit sums in another order may be apart: relative to the largest value of a tensor.
pub(super) const FORWARD: f64 = 1e-4;

/// The same behind the sums of a backward pass, which are longer: over pictures, heights and widths.
pub(super) const GRADIENT: f64 = 1e-3;

/// The same through the rectifiers of wide networks. Of their millions of inputs some lie within rounding of zero, and on
/// the other side of it a rectifier has another slope; one such position is a few hundredths of a weight's gradient, which is
/// a sum of a few thousand positions. `a_last_bit_moves_gradients_of_wide_networks` has it without any second device.
pub(super) const GRADIENT_OF_WIDE: f64 = 1e-1;

/// Numbers that are moved and not computed.
pub(super) const EXACT: f64 = 0.0;

/// Named tensors that are judged together.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) what: &'static str,
    bound: f64,
    tensors: Vec<(String, Vec<f32>)>,
}

impl Answer {
    pub(super) fn new(what: &'static str, bound: f64) -> Self {
        Self { what, bound, tensors: Vec::new() }
    }

    /// One tensor, judged as an output.
    pub(super) fn forward<const D: usize>(what: &'static str, tensor: Tensor<D>) -> Result<Self, TrialError> {
        Self::new(what, FORWARD).with(what, tensor)
    }

    pub(super) fn with<const D: usize>(
        self,
        name: impl Into<String>,
        tensor: Tensor<D>,
    ) -> Result<Self, TrialError> {
        let values = read(tensor.into_data())?;
        Ok(self.with_values(name, values))
    }

    pub(super) fn with_values(mut self, name: impl Into<String>, values: Vec<f32>) -> Self {
        self.tensors.push((name.into(), values));
        self
    }

    /// The gradients of all of a module's parameters that have one.
    pub(super) fn gradients<M: Module>(
        bound: f64,
        gradients: &GradientsParams,
        module: &M,
    ) -> Result<Self, TrialError> {
        Self::new("gradients of weights", bound).with_parameters(module, Some(gradients))
    }

    /// All of a module's weights and running statistics.
    pub(super) fn weights<M: Module>(bound: f64, module: &M) -> Result<Self, TrialError> {
        Self::new("weights and statistics", bound).with_parameters(module, None)
    }

    fn with_parameters<M: Module>(
        mut self,
        module: &M,
        gradients: Option<&GradientsParams>,
    ) -> Result<Self, TrialError> {
        let mut visit = Visit { path: Vec::new(), gradients, found: Vec::new() };
        module.visit(&mut visit);
        for (name, data) in visit.found {
            self.tensors.push((name, read(data)?));
        }
        Ok(self)
    }

    /// The differences from another answer of the same tensors.
    pub(super) fn less(mut self, other: &Self) -> Self {
        for ((_, values), (_, others)) in self.tensors.iter_mut().zip(&other.tensors) {
            values.iter_mut().zip(others).for_each(|(value, other)| *value -= other);
        }
        self
    }

    /// The worst tensor of this answer beside that of another device.
    pub(super) fn against(&self, expected: &Self) -> Verdict {
        if self.tensors.len() != expected.tensors.len() {
            let (got, expected) = (self.tensors.len(), expected.tensors.len());
            return Verdict::Broken(format!("{got} tensors instead of {expected}"));
        }
        let mut worst = (0.0, String::new());
        for ((name, got), (_, expected)) in self.tensors.iter().zip(&expected.tensors) {
            if got.len() != expected.len() {
                return Verdict::Broken(format!(
                    "{name}: {} values instead of {}",
                    got.len(),
                    expected.len()
                ));
            }
            let apart = apart(got, expected);
            if worst.1.is_empty() || apart > worst.0 || apart.is_nan() {
                worst = (apart, name.clone());
            }
            if apart.is_nan() {
                break;
            }
        }
        let (apart, worst) = worst;
        Verdict::Apart { apart, bound: expected.bound, tensors: self.tensors.len(), worst }
    }

    /// With one value off by thrice the bound, or by a millionth where there is none.
    #[cfg(test)]
    pub(super) fn slightly_wrong(mut self) -> Self {
        let (bound, (_, values)) = (self.bound, &mut self.tensors[0]);
        let off = largest(values).max(1e-3) * (3.0 * bound).max(1e-6) as f32;
        let place = values.len() / 2;
        values[place] += off;
        self
    }

    #[cfg(test)]
    pub(super) fn without_numbers(mut self) -> Self {
        self.tensors[0].1[0] = f32::NAN;
        self
    }
}

/// Walks over a network and collects its weights, or their gradients.
struct Visit<'a> {
    path: Vec<String>,
    gradients: Option<&'a GradientsParams>,
    found: Vec<(String, TensorData)>,
}

impl ModuleVisitor for Visit<'_> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let tensor = match self.gradients {
            Some(gradients) => gradients.get::<D>(parameter.id),
            None => Some(parameter.val()),
        };
        self.found.extend(tensor.map(|tensor| (self.path.join("."), tensor.into_data())));
    }

    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
}

/// The largest difference over the largest value, both absolute; infinite when all values should be zero and are not; NaN when either has a value that is no number.
fn apart(got: &[f32], expected: &[f32]) -> f64 {
    if got.iter().chain(expected).any(|value| !value.is_finite()) {
        return f64::NAN;
    }
    let differences = got.iter().zip(expected).map(|(got, expected)| (got - expected).abs());
    let difference = differences.fold(0.0, f32::max);
    if difference == 0.0 { 0.0 } else { f64::from(difference) / f64::from(largest(expected)) }
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |largest, value| largest.max(value.abs()))
}

fn read(data: TensorData) -> Result<Vec<f32>, TrialError> {
    data.try_into_vec::<f32>().map_err(|error| TrialError::Unreadable(format!("{error:?}")))
}
