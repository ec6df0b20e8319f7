//! What a device computed, read back and compared with the reference.

use std::{error::Error, fmt};

use burn::{
    module::{Module, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::{Gradients, Tensor, TensorData},
};

/// Bound of forward passes: 32-bit sums in another order, relative to the largest value of a tensor.
pub(crate) const FORWARD: f64 = 1e-4;

/// Bound of backward passes, whose sums are longer: over pictures, heights and widths.
pub(crate) const GRADIENT: f64 = 1e-3;

/// Bound of backward passes through the ReLUs of wide networks. Of their millions of inputs some lie
/// within rounding of zero, and on the other side of it a ReLU has another slope; one such position is a
/// few hundredths of a weight's gradient, which is a sum of a few thousand positions.
/// `a_last_bit_moves_gradients_of_wide_networks` shows it on one device.
pub(crate) const GRADIENT_OF_WIDE: f64 = 1e-1;

/// Bound of numbers that are moved and not computed.
pub(crate) const EXACT: f64 = 0.0;

/// One comparison: what a device computed for a part beside what it should have computed.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// The part of the library.
    pub part: &'static str,
    /// Which of its outputs were compared.
    pub what: &'static str,
    /// How it came out.
    pub verdict: Verdict,
}

/// How a comparison came out.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// Both devices computed the part.
    Compared {
        /// The largest difference of two values, over the largest value of the tensor; the worst of all
        /// tensors.
        difference: f64,
        /// The largest difference that passes.
        bound: f64,
        /// How many tensors were compared.
        tensors: usize,
        /// The worst of them.
        worst: String,
    },
    /// One of them did not, or not in the same shape.
    Failed(String),
}

impl Check {
    /// Compares the outputs of one part on two devices.
    pub(crate) fn compare(part: &'static str, got: &[Output], expected: &[Output]) -> Vec<Self> {
        if got.len() != expected.len() {
            return vec![Self::failed(part, format!("{} outputs instead of {}", got.len(), expected.len()))];
        }
        let check = |(got, expected): (&Output, &Output)| Self {
            part,
            what: got.what,
            verdict: got.compare(expected),
        };
        got.iter().zip(expected).map(check).collect()
    }

    pub(crate) fn failed(part: &'static str, reason: String) -> Self {
        Self { part, what: "all", verdict: Verdict::Failed(reason) }
    }

    /// Whether the device computed what it should.
    pub fn passes(&self) -> bool {
        match &self.verdict {
            // false for NaN
            Verdict::Compared { difference, bound, .. } => difference <= bound,
            Verdict::Failed(_) => false,
        }
    }

    /// The heads of [`row`](Self::row)'s columns.
    pub const COLUMNS: [&'static str; 6] = ["part", "what", "tensors", "difference", "bound", ""];

    /// The check as a table's row.
    pub fn row(&self) -> [String; 6] {
        let [part, what] = [self.part, self.what].map(str::to_owned);
        match &self.verdict {
            Verdict::Compared { difference, bound, tensors, worst } => {
                let outcome = if self.passes() { "ok".to_owned() } else { format!("FAILED in {worst}") };
                [
                    part,
                    what,
                    tensors.to_string(),
                    format!("{difference:.1e}"),
                    format!("{bound:.0e}"),
                    outcome,
                ]
            }
            Verdict::Failed(reason) => {
                let reason = reason.lines().next().unwrap_or_default();
                [part, what, "-".to_owned(), "-".to_owned(), "-".to_owned(), format!("FAILED: {reason}")]
            }
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [part, what, tensors, difference, bound, outcome] = self.row();
        write!(f, "{part:<28} {what:<26} {tensors:>7} {difference:>10} {bound:>6}  {outcome}")
    }
}

/// Named tensors that are compared together, under one bound.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    what: &'static str,
    bound: f64,
    tensors: Vec<(String, Vec<f32>)>,
}

impl Output {
    pub(crate) fn new(what: &'static str, bound: f64) -> Self {
        Self { what, bound, tensors: Vec::new() }
    }

    /// One tensor of a forward pass.
    pub(crate) fn forward<const D: usize>(
        what: &'static str,
        tensor: Tensor<D>,
    ) -> Result<Self, Box<dyn Error>> {
        Self::new(what, FORWARD).with(what, tensor)
    }

    pub(crate) fn with<const D: usize>(
        self,
        name: impl Into<String>,
        tensor: Tensor<D>,
    ) -> Result<Self, Box<dyn Error>> {
        let values = read(tensor.into_data())?;
        Ok(self.with_values(name, values))
    }

    pub(crate) fn with_values(mut self, name: impl Into<String>, values: Vec<f32>) -> Self {
        self.tensors.push((name.into(), values));
        self
    }

    /// The gradient of a tensor.
    pub(crate) fn with_gradient<const D: usize>(
        self,
        name: impl Into<String>,
        tensor: &Tensor<D>,
        gradients: &Gradients,
    ) -> Result<Self, Box<dyn Error>> {
        self.with(name, tensor.grad(gradients).ok_or("a gradient is missing")?)
    }

    /// The gradients of all of a module's parameters that have one.
    pub(crate) fn gradients<M: Module>(
        bound: f64,
        gradients: &GradientsParams,
        module: &M,
    ) -> Result<Self, Box<dyn Error>> {
        Self::new("gradients of weights", bound).with_parameters(module, Some(gradients))
    }

    /// All of a module's weights and running statistics.
    pub(crate) fn weights<M: Module>(bound: f64, module: &M) -> Result<Self, Box<dyn Error>> {
        Self::new("weights and statistics", bound).with_parameters(module, None)
    }

    fn with_parameters<M: Module>(
        mut self,
        module: &M,
        gradients: Option<&GradientsParams>,
    ) -> Result<Self, Box<dyn Error>> {
        let mut collector = Collector { path: Vec::new(), gradients, found: Vec::new() };
        module.visit(&mut collector);
        for (name, data) in collector.found {
            self.tensors.push((name, read(data)?));
        }
        Ok(self)
    }

    /// The differences from another output of the same tensors.
    pub(crate) fn minus(mut self, other: &Self) -> Self {
        for ((_, values), (_, others)) in self.tensors.iter_mut().zip(&other.tensors) {
            values.iter_mut().zip(others).for_each(|(value, other)| *value -= other);
        }
        self
    }

    /// The worst tensor of this output beside that of another device.
    pub(crate) fn compare(&self, expected: &Self) -> Verdict {
        if self.tensors.len() != expected.tensors.len() {
            let (got, expected) = (self.tensors.len(), expected.tensors.len());
            return Verdict::Failed(format!("{got} tensors instead of {expected}"));
        }
        let mut worst = (0.0, String::new());
        for ((name, got), (_, expected)) in self.tensors.iter().zip(&expected.tensors) {
            if got.len() != expected.len() {
                let (got, expected) = (got.len(), expected.len());
                return Verdict::Failed(format!("{name}: {got} values instead of {expected}"));
            }
            let difference = relative_difference(got, expected);
            if worst.1.is_empty() || difference > worst.0 || difference.is_nan() {
                worst = (difference, name.clone());
            }
            if difference.is_nan() {
                break;
            }
        }
        let (difference, worst) = worst;
        Verdict::Compared { difference, bound: expected.bound, tensors: self.tensors.len(), worst }
    }

    /// With one value off by three times the bound, or by a millionth where the bound is 0.
    #[cfg(test)]
    pub(crate) fn slightly_wrong(mut self) -> Self {
        let (bound, (_, values)) = (self.bound, &mut self.tensors[0]);
        let error = largest(values).max(1e-3) * (3.0 * bound).max(1e-6) as f32;
        let middle = values.len() / 2;
        values[middle] += error;
        self
    }

    #[cfg(test)]
    pub(crate) fn with_nan(mut self) -> Self {
        self.tensors[0].1[0] = f32::NAN;
        self
    }
}

/// Collects the weights of a network, or their gradients, by name.
struct Collector<'a> {
    path: Vec<String>,
    gradients: Option<&'a GradientsParams>,
    found: Vec<(String, TensorData)>,
}

impl ModuleVisitor for Collector<'_> {
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

/// The largest difference over the largest value, both absolute; infinite when all values should be zero and
/// are not; NaN when a value of either is NaN or infinite.
fn relative_difference(got: &[f32], expected: &[f32]) -> f64 {
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

fn read(data: TensorData) -> Result<Vec<f32>, Box<dyn Error>> {
    data.try_into_vec::<f32>()
        .map_err(|error| format!("the device's values cannot be read: {error:?}").into())
}
