//! What a device computed, read back and compared with the reference.

use std::{error::Error, fmt};

use burn::{
    module::{Module, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::{Device, Gradients, Tensor, TensorData},
};
use context_encoder_ops::{Activation, ConvGeometry, ConvLayer, matmul};

/// How a device multiplies numbers of 32 bits, which the bounds follow from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Arithmetic {
    /// With all their 24 binary digits.
    F32,
    /// In products of matrices rounded to 11 binary digits, as tensor cores take them; sums are of 32 bits.
    /// Burn and the kernels of `context-encoder-ops` multiply so wherever they find such a unit.
    Tf32,
}

impl Arithmetic {
    /// What a device does with numbers whose 13th digit counts, in products of several sizes.
    pub(crate) fn of(device: &Device) -> Self {
        let device = device.clone().without_autodiff();
        let rounds = |side: usize| {
            let ones = Tensor::<3>::ones([1, side, side], &device);
            let product: f32 = matmul(ones.clone() * (1.0 + 1.0 / 4096.0), ones).max().into_scalar();
            product < side as f32 * (1.0 + 0.5 / 4096.0)
        };
        let convolution_rounds = || {
            let layer = ConvLayer::conv2d(ConvGeometry::new(1, 1, 0), 1, Activation::Identity);
            let x = Tensor::<4>::ones([1, 64, 4, 4], &device) * (1.0 + 1.0 / 4096.0);
            let output: f32 =
                layer.forward(x, Tensor::ones([64, 64, 1, 1], &device), None).max().into_scalar();
            output < 64.0 * (1.0 + 0.5 / 4096.0)
        };
        if [64, 256, 1024].into_iter().any(rounds) || convolution_rounds() { Self::Tf32 } else { Self::F32 }
    }
}

impl fmt::Display for Arithmetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
        })
    }
}

/// The largest difference that passes, by what led to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    /// Numbers that are moved and not computed.
    Exact,
    /// Sums of 32 bits in another order, without products of matrices.
    Sums,
    /// The gradients of such sums, which are longer: over pictures, heights and widths.
    GradientsOfSums,
    /// Forward passes through layers and networks, with products of matrices.
    Forward,
    /// Backward passes through them. Without kinks (see `without_kinks`), so that two devices
    /// differ by rounding only, and a gradient that is 2 % wrong fails on each.
    Gradients,
    /// Losses after Adam has moved weights. Its first steps move each weight by the learning rate, in the
    /// direction of its gradient's sign, however small that gradient is; where two devices round a gradient
    /// near zero to different signs, weights differ by twice the rate. So losses may differ more than what
    /// led to them.
    AfterSteps,
    /// Losses of layers that multiply in 16 bits: 2^-8 is what `bf16` rounds a number by at most, and of many
    /// numbers the errors of both signs are added up.
    In16Bits,
    /// Pictures: one level of 255, as a value may lie on the border of two bytes.
    OneLevel,
}

impl Bound {
    /// Relative to the largest value of a tensor. TF32 rounds both factors of a product by 2^-12 of their
    /// size on average and 2^-11 at most; the errors of a sum's products have both signs, and those of a
    /// network's layers add up like theirs.
    pub(crate) fn of(self, arithmetic: Arithmetic) -> f64 {
        match (self, arithmetic) {
            (Self::Exact, _) => 0.0,
            (Self::Sums, _) | (Self::Forward, Arithmetic::F32) => 1e-4,
            (Self::GradientsOfSums, _) | (Self::Gradients, Arithmetic::F32) => 1e-3,
            (Self::Forward, Arithmetic::Tf32) => 4e-3,
            (Self::Gradients | Self::AfterSteps, Arithmetic::Tf32) => 1e-2,
            (Self::AfterSteps, Arithmetic::F32) => 2e-3,
            (Self::In16Bits, _) => 2e-2,
            (Self::OneLevel, _) => 1.01 / 255.0,
        }
    }

    /// The arithmetic that it follows from.
    fn arithmetic(self, arithmetic: Arithmetic) -> &'static str {
        match (self, arithmetic) {
            (Self::Exact, _) => "none",
            (Self::In16Bits, _) => "16 bits",
            (Self::Sums | Self::GradientsOfSums, _) | (_, Arithmetic::F32) => "f32",
            (_, Arithmetic::Tf32) => "tf32",
        }
    }
}

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
        /// The arithmetic that the bound follows from.
        arithmetic: &'static str,
        /// How many tensors were compared.
        tensors: usize,
        /// The worst of them.
        worst: String,
    },
    /// One of them did not, or not in the same shape.
    Failed(String),
}

impl Check {
    /// Compares the outputs of one part on two devices, one of them with this arithmetic.
    pub(crate) fn compare(
        part: &'static str,
        got: &[Output],
        expected: &[Output],
        arithmetic: Arithmetic,
    ) -> Vec<Self> {
        if got.len() != expected.len() {
            return vec![Self::failed(part, format!("{} outputs instead of {}", got.len(), expected.len()))];
        }
        let check = |(got, expected): (&Output, &Output)| Self {
            part,
            what: got.what,
            verdict: got.compare(expected, arithmetic),
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
    pub const COLUMNS: [&'static str; 7] =
        ["part", "what", "tensors", "difference", "bound", "arithmetic", ""];

    /// The check as a table's row.
    pub fn row(&self) -> [String; 7] {
        let [part, what] = [self.part, self.what].map(str::to_owned);
        match &self.verdict {
            Verdict::Compared { difference, bound, arithmetic, tensors, worst } => {
                let outcome = if self.passes() { "ok".to_owned() } else { format!("FAILED in {worst}") };
                [
                    part,
                    what,
                    tensors.to_string(),
                    format!("{difference:.1e}"),
                    format!("{bound:.0e}"),
                    (*arithmetic).to_owned(),
                    outcome,
                ]
            }
            Verdict::Failed(reason) => {
                let reason = reason.lines().next().unwrap_or_default();
                let [none, no_bound, no_tensors, no_arithmetic] = [(); 4].map(|()| "-".to_owned());
                [part, what, no_tensors, none, no_bound, no_arithmetic, format!("FAILED: {reason}")]
            }
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [part, what, tensors, difference, bound, arithmetic, outcome] = self.row();
        write!(f, "{part:<28} {what:<26} {tensors:>7} {difference:>10} {bound:>6} {arithmetic:<7}  {outcome}")
    }
}

/// Named tensors that are compared together, under one bound.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    what: &'static str,
    bound: Bound,
    tensors: Vec<(String, Vec<f32>)>,
}

impl Output {
    pub(crate) fn new(what: &'static str, bound: Bound) -> Self {
        Self { what, bound, tensors: Vec::new() }
    }

    /// One tensor of a forward pass.
    pub(crate) fn forward<const D: usize>(
        what: &'static str,
        tensor: Tensor<D>,
    ) -> Result<Self, Box<dyn Error>> {
        Self::new(what, Bound::Forward).with(what, tensor)
    }

    /// One tensor of a forward pass without products of matrices.
    pub(crate) fn sums<const D: usize>(
        what: &'static str,
        tensor: Tensor<D>,
    ) -> Result<Self, Box<dyn Error>> {
        Self::new(what, Bound::Sums).with(what, tensor)
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
        gradients: &GradientsParams,
        module: &M,
    ) -> Result<Self, Box<dyn Error>> {
        Self::new("gradients of weights", Bound::Gradients).with_parameters(module, Some(gradients))
    }

    pub(crate) fn named(self, what: &'static str) -> Self {
        Self { what, ..self }
    }

    /// All of a module's weights and running statistics.
    pub(crate) fn weights<M: Module>(bound: Bound, module: &M) -> Result<Self, Box<dyn Error>> {
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
    pub(crate) fn compare(&self, expected: &Self, arithmetic: Arithmetic) -> Verdict {
        if self.tensors.len() != expected.tensors.len() {
            let (got, expected) = (self.tensors.len(), expected.tensors.len());
            return Verdict::Failed(format!("{got} tensors instead of {expected}"));
        }
        if self.tensors.is_empty() {
            return Verdict::Failed("there is nothing to compare".to_owned());
        }
        let mut worst = (0.0, String::new());
        let overall = expected.tensors.iter().map(|(_, values)| largest(values)).fold(0.0, f32::max);
        for ((name, got), (_, expected)) in self.tensors.iter().zip(&expected.tensors) {
            if got.len() != expected.len() {
                let (got, expected) = (got.len(), expected.len());
                return Verdict::Failed(format!("{name}: {got} values instead of {expected}"));
            }
            let difference = relative_difference(got, expected, overall);
            if worst.1.is_empty() || difference > worst.0 || difference.is_nan() {
                worst = (difference, name.clone());
            }
            if difference.is_nan() {
                break;
            }
        }
        let (difference, worst) = worst;
        let bound = expected.bound;
        Verdict::Compared {
            difference,
            bound: bound.of(arithmetic),
            arithmetic: bound.arithmetic(arithmetic),
            tensors: self.tensors.len(),
            worst,
        }
    }

    /// With one value off by three times the bound, or by a millionth where the bound is 0.
    #[cfg(test)]
    pub(crate) fn slightly_wrong(mut self, arithmetic: Arithmetic) -> Self {
        let (bound, (_, values)) = (self.bound.of(arithmetic), &mut self.tensors[0]);
        let error = largest(values).max(1e-3) * (3.0 * bound).max(1e-6) as f32;
        let middle = values.len() / 2;
        values[middle] += error;
        self
    }

    /// All values 2 % too large, if these are gradients.
    #[cfg(test)]
    pub(crate) fn with_gradients_off(mut self) -> Self {
        if self.is_gradients() {
            self.tensors.iter_mut().flat_map(|(_, values)| values).for_each(|value| *value *= 1.02);
        }
        self
    }

    #[cfg(test)]
    pub(crate) fn is_gradients(&self) -> bool {
        matches!(self.bound, Bound::Gradients | Bound::GradientsOfSums)
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

/// Part of an output's largest value below which a tensor of it is rounding of zero: without kinks, batch
/// norm removes what the shift of the one before it added, so that the gradient of that shift is zero.
const ROUNDING: f32 = 1e-6;

/// What such a tensor is compared by instead of its own largest value: this part of the output's.
const OF_ROUNDING: f32 = 1e-2;

/// The largest difference over the largest value, both absolute; `overall` is that of all tensors of the
/// output. Infinite when all values should be zero and are not; NaN when a value of either is NaN or
/// infinite.
fn relative_difference(got: &[f32], expected: &[f32], overall: f32) -> f64 {
    if got.iter().chain(expected).any(|value| !value.is_finite()) {
        return f64::NAN;
    }
    let differences = got.iter().zip(expected).map(|(got, expected)| (got - expected).abs());
    let difference = differences.fold(0.0, f32::max);
    let own = largest(expected);
    let scale = if own < ROUNDING * overall { OF_ROUNDING * overall } else { own };
    if difference == 0.0 { 0.0 } else { f64::from(difference) / f64::from(scale) }
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |largest, value| largest.max(value.abs()))
}

fn read(data: TensorData) -> Result<Vec<f32>, Box<dyn Error>> {
    data.try_into_vec::<f32>()
        .map_err(|error| format!("the device's values cannot be read: {error:?}").into())
}
