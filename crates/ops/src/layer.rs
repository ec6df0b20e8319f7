//! What convolutions and up-convolutions have in common.

use burn::tensor::Tensor;

use crate::{
    Activation, Conv2d, ConvGeometry, ConvTranspose2d, autocast, implementation::Implementation, plain,
};

/// Which of the two maps of a convolution is computed from the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConvKind {
    /// The small map from the large one: a convolution.
    Conv2d,
    /// The large map from the small one: an up-convolution.
    ConvTranspose2d,
}

#[cfg(feature = "flex")]
impl ConvKind {
    /// The way that gradients go.
    pub(crate) fn reversed(self) -> Self {
        match self {
            Self::Conv2d => Self::ConvTranspose2d,
            Self::ConvTranspose2d => Self::Conv2d,
        }
    }

    /// What belongs to the large and to the small map, of what goes in and what comes out; and the
    /// other way round.
    pub(crate) fn sorted<T>(self, [goes_in, comes_out]: [T; 2]) -> [T; 2] {
        match self {
            Self::Conv2d => [goes_in, comes_out],
            Self::ConvTranspose2d => [comes_out, goes_in],
        }
    }
}

/// A [`Conv2d`] or an [`ConvTranspose2d`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvLayer {
    /// Which of the two.
    pub way: ConvKind,
    /// Kernel, stride and padding.
    pub window: ConvGeometry,
    /// Groups of channels that do not hear of each other.
    pub groups: usize,
    /// What is applied to the result.
    pub activation: Activation,
}

impl From<Conv2d> for ConvLayer {
    fn from(Conv2d { window, groups, activation }: Conv2d) -> Self {
        Self { way: ConvKind::Conv2d, window, groups, activation }
    }
}

impl From<ConvTranspose2d> for ConvLayer {
    fn from(ConvTranspose2d { window, activation }: ConvTranspose2d) -> Self {
        Self { way: ConvKind::ConvTranspose2d, window, groups: 1, activation }
    }
}

impl ConvLayer {
    /// # Shapes
    /// As for [`Conv2d::forward`] or [`ConvTranspose2d::forward`].
    ///
    /// # Panics
    /// When the shapes do not belong together.
    pub fn forward(self, x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
        self.expect(x.dims(), weight.dims());
        if !autocast::in_full() {
            return self.forward_cast(x, weight, bias);
        }
        match Implementation::of(&x) {
            #[cfg(feature = "flex")]
            Implementation::Optimized => crate::flex::convolve(self, x, weight, bias),
            _ => plain::convolve(self, x, weight, bias),
        }
    }

    /// Products in another type than 32 bits; bias and activation in 32.
    fn forward_cast(self, x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
        let linear = Self { activation: Activation::Identity, ..self };
        let y = autocast::product(x, weight, |x, weight| plain::convolve(linear, x, weight, None));
        self.activation.apply(match bias {
            Some(bias) => {
                let [channels] = bias.dims();
                y + bias.reshape([1, channels, 1, 1])
            }
            None => y,
        })
    }

    /// The same followed by `scale y + shift` of every channel before the activation, for inference: what
    /// [`InferenceLayer`](crate::InferenceLayer) computes, where weights are used once and not worth laying out.
    ///
    /// # Shapes
    /// - `scale`, `shift`: `[out]`
    ///
    /// # Panics
    /// When the shapes do not belong together.
    pub fn infer(self, x: Tensor<4>, weight: Tensor<4>, affine: Option<(Tensor<1>, Tensor<1>)>) -> Tensor<4> {
        self.expect(x.dims(), weight.dims());
        match Implementation::of(&x) {
            #[cfg(feature = "flex")]
            Implementation::Optimized => crate::flex::Laid::as_given(self, weight, affine).forward(x),
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
        let ConvGeometry { kernel, stride, padding } = self.window;
        self.groups == 1 && stride == 1 && padding == 0 && kernel > 1
    }

    /// The axis of the weights that belongs to the channels that come out.
    pub(crate) fn outputs_axis(self) -> usize {
        match self.way {
            ConvKind::Conv2d => 0,
            ConvKind::ConvTranspose2d => 1,
        }
    }

    fn expect(self, x: [usize; 4], weight: [usize; 4]) {
        let Self { way, window, groups, .. } = self;
        let ConvGeometry { kernel, stride, padding } = window;
        let [_, channels, height, width] = x;
        let [small, large_per_group, rows, columns] = weight;
        let side = height.min(width);
        let fits = match way {
            ConvKind::Conv2d => channels == large_per_group * groups && side + 2 * padding >= kernel,
            ConvKind::ConvTranspose2d => channels == small && (side - 1) * stride + kernel > 2 * padding,
        };
        assert!(
            fits && small.is_multiple_of(groups) && [rows, columns] == [kernel; 2],
            "{} does not take {x:?} with weights {weight:?}",
            match way {
                ConvKind::Conv2d => format!("a convolution of {window:?} in {groups} groups"),
                ConvKind::ConvTranspose2d => format!("an up-convolution of {window:?}"),
            }
        );
    }
}
