//! What convolutions and up-convolutions have in common.

use burn::tensor::Tensor;

use crate::{Activation, Convolution, UpConvolution, Window, arithmetic, form::Form, plain};

/// Which of the two maps of a convolution is computed from the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// The small map from the large one: a convolution.
    Down,
    /// The large map from the small one: an up-convolution.
    Up,
}

#[cfg(feature = "flex")]
impl Way {
    /// The way that gradients go.
    pub(crate) fn reversed(self) -> Self {
        match self {
            Self::Down => Self::Up,
            Self::Up => Self::Down,
        }
    }

    /// What belongs to the large and to the small map, of what goes in and what comes out; and the
    /// other way round.
    pub(crate) fn sorted<T>(self, [goes_in, comes_out]: [T; 2]) -> [T; 2] {
        match self {
            Self::Down => [goes_in, comes_out],
            Self::Up => [comes_out, goes_in],
        }
    }
}

/// A [`Convolution`] or an [`UpConvolution`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layer {
    /// Which of the two.
    pub way: Way,
    /// Kernel, stride and padding.
    pub window: Window,
    /// Groups of channels that do not hear of each other.
    pub groups: usize,
    /// What is applied to the result.
    pub activation: Activation,
}

impl From<Convolution> for Layer {
    fn from(Convolution { window, groups, activation }: Convolution) -> Self {
        Self { way: Way::Down, window, groups, activation }
    }
}

impl From<UpConvolution> for Layer {
    fn from(UpConvolution { window, activation }: UpConvolution) -> Self {
        Self { way: Way::Up, window, groups: 1, activation }
    }
}

impl Layer {
    /// # Shapes
    /// As for [`Convolution::forward`] or [`UpConvolution::forward`].
    ///
    /// # Panics
    /// When the shapes do not belong together.
    pub fn forward(self, x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
        self.expect(x.dims(), weight.dims());
        if !arithmetic::in_full() {
            return self.forward_cast(x, weight, bias);
        }
        match Form::of(&x) {
            #[cfg(feature = "flex")]
            Form::Fast => crate::flex::convolve(self, x, weight, bias),
            _ => plain::convolve(self, x, weight, bias),
        }
    }

    /// Products in another type than 32 bits; bias and activation in 32.
    fn forward_cast(self, x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
        let linear = Self { activation: Activation::Identity, ..self };
        let y = arithmetic::product(x, weight, |x, weight| plain::convolve(linear, x, weight, None));
        self.activation.apply(match bias {
            Some(bias) => {
                let [channels] = bias.dims();
                y + bias.reshape([1, channels, 1, 1])
            }
            None => y,
        })
    }

    /// The same followed by `scale y + shift` of every channel before the activation, for inference: what
    /// [`Prepared`](crate::Prepared) computes, where weights are used once and not worth laying out.
    ///
    /// # Shapes
    /// - `scale`, `shift`: `[out]`
    ///
    /// # Panics
    /// When the shapes do not belong together.
    pub fn infer(self, x: Tensor<4>, weight: Tensor<4>, affine: Option<(Tensor<1>, Tensor<1>)>) -> Tensor<4> {
        self.expect(x.dims(), weight.dims());
        match Form::of(&x) {
            #[cfg(feature = "flex")]
            Form::Fast => crate::flex::Laid::as_given(self, weight, affine).forward(x),
            _ => {
                let (weight, shift) = plain::fold(self, weight, affine);
                plain::convolve(self, x, weight, shift)
            }
        }
    }

    /// Whether the kernel fits a map of its own size only once: weights of such layers are many, and
    /// each is used once for a picture.
    #[cfg(feature = "flex")]
    pub(crate) fn may_be_dense(self) -> bool {
        let Window { kernel, stride, padding } = self.window;
        self.groups == 1 && stride == 1 && padding == 0 && kernel > 1
    }

    /// The axis of the weights that belongs to the channels that come out.
    pub(crate) fn outputs_axis(self) -> usize {
        match self.way {
            Way::Down => 0,
            Way::Up => 1,
        }
    }

    fn expect(self, x: [usize; 4], weight: [usize; 4]) {
        let Self { way, window, groups, .. } = self;
        let Window { kernel, stride, padding } = window;
        let [_, channels, height, width] = x;
        let [small, large_per_group, rows, columns] = weight;
        let side = height.min(width);
        let fits = match way {
            Way::Down => channels == large_per_group * groups && side + 2 * padding >= kernel,
            Way::Up => channels == small && (side - 1) * stride + kernel > 2 * padding,
        };
        assert!(
            fits && small.is_multiple_of(groups) && [rows, columns] == [kernel; 2],
            "{} does not take {x:?} with weights {weight:?}",
            match way {
                Way::Down => format!("a convolution of {window:?} in {groups} groups"),
                Way::Up => format!("an up-convolution of {window:?}"),
            }
        );
    }
}
