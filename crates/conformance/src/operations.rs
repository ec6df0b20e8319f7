//! The operations of which networks are made, each with the geometries and sizes that the networks use.

use burn::{
    optim::GradientsParams,
    tensor::{Device, FloatDType, Tensor},
};
use context_encoder_loss::{Average, DiscriminatorLoss, Distance, LossMask, Reconstruction};
use context_encoder_model::ChannelWise;
use context_encoder_ops::{
    Activation, AdamStep, BatchNorm, ConvGeometry, ConvLayer, InferenceLayer, LocalResponseNorm, apply_mask,
    autocast, in_32_bits, max_pool, resize, smooth_fill, tanh, tensor_of_bytes,
};

use crate::{
    check::{Bound, Output},
    part::{Outputs, Part, central_masks, noise},
};

const LEAKY: Activation = Activation::LeakyRelu(0.2);

pub(crate) fn parts() -> Vec<Part> {
    let down = |name, window, groups, x, outputs| {
        let layer = ConvLayer::conv2d(window, groups, Activation::Identity);
        Part::new(name, move |device| linear(layer, x, outputs, device))
    };
    let down_in_place = |name, window, x, outputs| {
        let layer = ConvLayer::conv2d(window, 1, Activation::Identity);
        Part::new(name, move |device| in_place(layer, x, outputs, device))
    };
    let up = |name, window, x, outputs| {
        let layer = ConvLayer::conv_transpose2d(window, Activation::Identity);
        Part::new(name, move |device| linear(layer, x, outputs, device))
    };
    vec![
        down("convolution 4x4 /2", ConvGeometry::new(4, 2, 1), 1, [4, 24, 16, 16], 40),
        // As many channels as the kernels for tensor cores take, no side a multiple of their blocks.
        down("wide convolution", ConvGeometry::new(4, 2, 1), 1, [3, 32, 10, 14], 96),
        up("wide up-convolution", ConvGeometry::new(4, 2, 1), [3, 96, 5, 7], 32),
        down("wide convolution of pictures", ConvGeometry::new(4, 2, 1), 1, [2, 3, 8, 64], 68),
        up("wide up-convolution to pictures", ConvGeometry::new(4, 2, 1), [3, 64, 5, 6], 3),
        down("many channels", ConvGeometry::new(4, 2, 1), 1, [2, 160, 8, 16], 224),
        down("wide convolution 4x4 of 4x4", ConvGeometry::new(4, 1, 0), 1, [6, 64, 4, 4], 196),
        up("wide up-convolution 4x4 of 1x1", ConvGeometry::new(4, 1, 0), [48, 96, 1, 1], 36),
        down("wide convolution 3x3, 2 groups", ConvGeometry::new(3, 1, 1), 2, [2, 64, 7, 7], 96),
        Part::new("wide layers in 16 bits", in_16_bits),
        Part::new("wide layers around batch norm in 16 bits", around_batch_norm),
        Part::new("wide layer that sees pictures", first_layer),
        down("convolution 4x4 of 4x4", ConvGeometry::new(4, 1, 0), 1, [6, 64, 4, 4], 50),
        down("convolution 1x1", ConvGeometry::new(1, 1, 0), 1, [4, 64, 4, 4], 64),
        down("convolution 11x11 /4", ConvGeometry::new(11, 4, 0), 1, [2, 3, 67, 67], 24),
        down("convolution 5x5, 2 groups", ConvGeometry::new(5, 1, 2), 2, [2, 24, 13, 13], 32),
        down("convolution 3x3", ConvGeometry::new(3, 1, 1), 1, [2, 32, 13, 13], 24),
        up("up-convolution 4x4 /2", ConvGeometry::new(4, 2, 1), [4, 40, 8, 8], 24),
        up("up-convolution 4x4 of 1x1", ConvGeometry::new(4, 1, 0), [6, 50, 1, 1], 64),
        up("up-convolution 5x5 /2", ConvGeometry::new(5, 2, 2), [2, 32, 11, 11], 16),
        down_in_place("one logit, moved", ConvGeometry::new(4, 1, 0), [16, 128, 4, 4], 1),
        down_in_place("one channel, moved", ConvGeometry::new(1, 1, 0), [3, 2, 2, 2], 1),
        Part::new("up to one channel, moved", |device| {
            let layer = ConvLayer::conv_transpose2d(ConvGeometry::new(4, 2, 1), Activation::Identity);
            in_place(layer, [3, 8, 4, 4], 1, device)
        }),
        down_in_place("convolution, moved", ConvGeometry::new(4, 2, 1), [4, 24, 16, 16], 40),
        Part::new("activations", |device| activations([3, 8, 9, 7], device)),
        Part::new("activations of wide layers", |device| activations([2, 32, 9, 7], device)),
        Part::new("activations after many sums", |device| activations([1, 512, 3, 5], device)),
        Part::new("batch norm", |device| batch_norm(1, device)),
        Part::new("batch norm of halves", |device| batch_norm(2, device)),
        Part::new("channel-wise layer", channel_wise),
        Part::new("max pooling 3x3 /2", |device| {
            map(device, [2, 24, 13, 15], |x| max_pool(x, ConvGeometry::new(3, 2, 0)))
        }),
        Part::new("response normalisation", response_norm),
        Part::new("bilinear resize", bilinear_resize),
        Part::new("tanh", |device| map(device, [2, 3, 17, 19], |x| tanh(x.mul_scalar(3.0)))),
        Part::new("images of bytes", |device| {
            // 105 bytes an image: words of four end in the middle of a pixel and of an image.
            let images = [3, 100].map(|first| std::array::from_fn::<u8, 105, _>(|i| (first + 89 * i) as u8));
            let value_of = std::array::from_fn(|byte| byte as f32 / 255.0 - 0.5);
            let images = tensor_of_bytes(images.iter(), [5, 7, 3], &value_of, device);
            Ok(vec![Output::new("output", Bound::Exact).with("pixels", images)?])
        }),
        Part::new("masks of bytes, moved", |device| {
            let value_of = std::array::from_fn(|byte| byte as f32);
            let masks = [[0, 1, 1, 0, 1], [1, 0, 1, 1, 0]];
            let masks = tensor_of_bytes(masks.iter(), [1, 5, 1], &value_of, device);
            let sum = noise([2, 1, 1, 5], 1, device) + masks.mul_scalar(1000.0);
            Ok(vec![Output::sums("output", sum)?])
        }),
        Part::new("hiding", |device| {
            let masks = central_masks(2, 32, 4, device);
            Ok(vec![Output::sums(
                "output",
                apply_mask(noise([2, 3, 32, 32], 1, device), masks, [0.1, -0.2, 0.3]),
            )?])
        }),
        Part::new("smooth fill", |device| {
            let device = device.clone().without_autodiff();
            let masks = central_masks(2, 64, 0, &device);
            Ok(vec![Output::sums("output", smooth_fill(noise([2, 3, 64, 64], 1, &device), masks))?])
        }),
        Part::new("losses", losses),
        Part::new("Adam", adam_steps),
    ]
}

/// Output and all gradients of a layer, and the output of its inference form.
fn linear(layer: ConvLayer, dims: [usize; 4], outputs: usize, device: &Device) -> Outputs {
    let weights = layer.weight_shape(dims[1], outputs);
    let autodiff = device.clone().autodiff();
    let [x, weight] =
        [(dims, 1), (weights, 2)].map(|(dims, seed)| noise(dims, seed, &autodiff).require_grad());
    let bias = noise([outputs], 3, &autodiff).require_grad();
    let y = layer.forward(x.clone(), weight.clone(), Some(bias.clone()));
    let gradients = weighted_sum(y.clone(), 4).backward();
    let inference = noise(dims, 1, &device.clone().without_autodiff());
    let affine = (noise([outputs], 5, &inference.device()), noise([outputs], 6, &inference.device()));
    let inference_layer = InferenceLayer::new(layer, noise(weights, 2, &inference.device()), Some(affine));
    Ok(vec![
        Output::forward("output", y)?,
        Output::new("gradients", Bound::Gradients)
            .with_gradient("x", &x, &gradients)?
            .with_gradient("weight", &weight, &gradients)?
            .with_gradient("bias", &bias, &gradients)?,
        Output::forward("prepared", inference_layer.forward(inference))?,
    ])
}

/// Outputs and gradients of layers that multiply in `f16` and `bf16`; in 32 bits where a device does not
/// support the type.
fn in_16_bits(device: &Device) -> Outputs {
    let autodiff = device.clone().autodiff();
    let down = ConvLayer::conv2d(ConvGeometry::new(4, 2, 1), 1, Activation::Identity);
    let up = ConvLayer::conv_transpose2d(ConvGeometry::new(4, 2, 1), Activation::Identity);
    let dense_down = ConvLayer::conv2d(ConvGeometry::new(4, 1, 0), 1, Activation::Identity);
    let dense_up = ConvLayer::conv_transpose2d(ConvGeometry::new(4, 1, 0), Activation::Identity);
    let groups = ConvLayer::conv2d(ConvGeometry::new(3, 1, 1), 2, Activation::Identity);
    let layers = [
        ("down", down, [2, 32, 8, 16], 96),
        ("up", up, [3, 96, 5, 7], 32),
        ("pictures down", down, [2, 3, 8, 32], 64),
        ("dense down", dense_down, [6, 64, 4, 4], 96),
        ("dense up", dense_up, [32, 96, 1, 1], 64),
        ("groups", groups, [2, 64, 7, 7], 96),
    ];
    let compute = |(what, dtype): (&'static str, FloatDType)| {
        let dtype = if device.supports_dtype(dtype) { dtype } else { FloatDType::F32 };
        layers.iter().try_fold(Output::new(what, Bound::In16Bits), |output, &(name, layer, dims, outputs)| {
            let [x, weight] = [(dims, 1), (layer.weight_shape(dims[1], outputs), 2)]
                .map(|(dims, seed)| noise(dims, seed, &autodiff).require_grad());
            let y = in_32_bits(autocast(dtype, || layer.forward(x.clone(), weight.clone(), None)));
            let gradients = weighted_sum(y.clone(), 4).backward();
            output
                .with(format!("{name}, output"), y)?
                .with_gradient(format!("{name}, x"), &x, &gradients)?
                .with_gradient(format!("{name}, weight"), &weight, &gradients)
        })
    };
    [("f16", FloatDType::F16), ("bf16", FloatDType::BF16)].into_iter().map(compute).collect()
}

/// Two convolutions and batch norm between them in `bf16`, where a device may keep maps in 16 bits; in 32
/// bits where it has no such type.
fn around_batch_norm(device: &Device) -> Outputs {
    let device = device.clone().autodiff();
    let x = noise([4, 32, 8, 16], 1, &device).require_grad();
    let [down, up] = [2, 3].map(|seed| noise([64, 32, 4, 4], seed, &device).require_grad());
    let [gamma, beta] = [4, 5].map(|seed| noise([64], seed, &device).require_grad());
    let geometry = ConvGeometry::new(4, 2, 1);
    let norm = BatchNorm { ghost_batches: 1, epsilon: 1e-5, activation: Activation::Identity };
    let (y, mean) = autocast(bf16_if_supported(&device), || {
        let layer = ConvLayer::conv2d(geometry, 1, Activation::Identity);
        let y = layer.forward(x.clone(), down.clone(), None);
        let (y, statistics) = norm.forward(y, gamma.clone(), beta.clone());
        let layer = ConvLayer::conv_transpose2d(geometry, Activation::Identity);
        (in_32_bits(layer.forward(y, up.clone(), None)), statistics[0].mean.clone())
    });
    let gradients = weighted_sum(y.clone(), 6).backward();
    Ok(vec![
        Output::new("outputs", Bound::In16Bits).with("map", y)?.with("mean", mean)?,
        Output::new("gradients", Bound::In16Bits)
            .with_gradient("x", &x, &gradients)?
            .with_gradient("down", &down, &gradients)?
            .with_gradient("up", &up, &gradients)?
            .with_gradient("gamma", &gamma, &gradients)?
            .with_gradient("beta", &beta, &gradients)?,
    ])
}

fn bf16_if_supported(device: &Device) -> FloatDType {
    if device.supports_dtype(FloatDType::BF16) { FloatDType::BF16 } else { FloatDType::F32 }
}

/// A layer that sees pictures: its weights have a gradient, its input has none. Off the kink at zero, as each
/// output is one number of the pictures or its negative, and none of the padding.
fn first_layer(device: &Device) -> Outputs {
    let device = device.clone().autodiff();
    let outputs = 68;
    let x = noise([2, 3, 8, 64], 1, &device);
    let x = (x.clone() + x.sign() * 0.5).detach();
    let one_tap = |output: usize| {
        // Those in the middle of the kernel.
        let tap = 16 * (output % 3) + [5, 6, 9, 10][output / 3 % 4];
        let sign = if output.is_multiple_of(2) { 1.0 } else { -1.0 };
        (0..3 * 16).map(move |other| if other == tap { sign } else { 0.0 })
    };
    let weight: Vec<f32> = (0..outputs).flat_map(one_tap).collect();
    let weight = Tensor::<1>::from_floats(weight.as_slice(), &device).reshape([outputs, 3, 4, 4]);
    let weight = weight.detach().require_grad();
    let layer = ConvLayer::conv2d(ConvGeometry::new(4, 2, 1), 1, LEAKY);
    let gradient = |what, bound, dtype| {
        let y = in_32_bits(autocast(dtype, || layer.forward(x.clone(), weight.clone(), None)));
        Output::new(what, bound).with_gradient("weight", &weight, &weighted_sum(y, 2).backward())
    };
    Ok(vec![
        gradient("gradient", Bound::Gradients, FloatDType::F32)?,
        gradient("gradient in bf16", Bound::In16Bits, bf16_if_supported(&device))?,
    ])
}

/// A layer's output and gradients after operations that may overwrite them in place, as nothing else holds
/// them. This checks devices that fuse operations; tensors that are only read, as in `linear`, can be right
/// all the same.
fn in_place(layer: ConvLayer, dims: [usize; 4], outputs: usize, device: &Device) -> Outputs {
    let device = device.clone().autodiff();
    let [x, weight] = [(dims, 1), (layer.weight_shape(dims[1], outputs), 2)]
        .map(|(dims, seed)| noise(dims, seed, &device).require_grad());
    let y = layer.forward(x.clone(), weight.clone(), None);
    let mut gradients = weighted_sum(y.clone(), 4).backward();
    let mut take = |tensor: &Tensor<4>| tensor.grad_remove(&mut gradients).ok_or("a gradient is missing");
    let [dx, dw] = [take(&x)?, take(&weight)?];
    let (y, x, weight) = (y.inner(), x.inner(), weight.inner());
    Ok(vec![
        Output::forward("output", noise(y.dims(), 5, &y.device()) + y.mul_scalar(2.0))?,
        Output::new("by gradients", Bound::Gradients)
            .with("x", x - dx.mul_scalar(0.5))?
            .with("weight", weight - dw.mul_scalar(0.5))?,
    ])
}

/// A loss whose gradient in `y` is noise.
fn weighted_sum<const D: usize>(y: Tensor<D>, seed: u64) -> Tensor<1> {
    let noise = noise(y.dims(), seed, &y.device());
    (y * noise).sum()
}

/// Output and gradient of a map without weights.
fn map(device: &Device, dims: [usize; 4], of: impl Fn(Tensor<4>) -> Tensor<4>) -> Outputs {
    let x = noise(dims, 1, &device.clone().autodiff()).require_grad();
    let y = of(x.clone());
    let gradients = weighted_sum(y.clone(), 2).backward();
    let dx = Output::new("gradient", Bound::GradientsOfSums).with_gradient("x", &x, &gradients)?;
    Ok(vec![Output::sums("output", y)?, dx])
}

/// Larger, smaller and not at all.
fn bilinear_resize(device: &Device) -> Outputs {
    let case = |(dims, side): ([usize; 4], usize)| {
        let name = format!("{dims:?} to {side}");
        (name, dims, move |x| resize(x, side))
    };
    let cases =
        [([2, 3, 41, 41], 57), ([2, 3, 5, 9], 13), ([2, 1, 12, 7], 5), ([1, 2, 6, 6], 6), ([2, 3, 1, 2], 4)];
    maps(device, [Bound::Forward, Bound::Gradients], cases.map(case))
}

/// Windows of AlexNet's five channels, of one, and of more than there are.
fn response_norm(device: &Device) -> Outputs {
    let case = |(size, dims): (usize, [usize; 4])| {
        let norm = LocalResponseNorm { size, alpha: 3.0, k: 1.0 };
        (format!("{size} of {dims:?}"), dims, move |x| norm.forward(x))
    };
    let cases = [(5, [2, 24, 9, 7]), (1, [2, 19, 3, 3]), (7, [2, 2, 5, 4]), (3, [2, 1, 4, 4])];
    maps(device, [Bound::Sums, Bound::GradientsOfSums], cases.map(case))
}

/// Outputs and gradients of maps without weights, each from an input that is row by row in memory and from
/// one that is channels last.
fn maps<const N: usize>(
    device: &Device,
    [forward, backward]: [Bound; 2],
    cases: [(String, [usize; 4], impl Fn(Tensor<4>) -> Tensor<4>); N],
) -> Outputs {
    let device = device.clone().autodiff();
    let (mut outputs, mut gradients) = (Output::new("output", forward), Output::new("gradient", backward));
    for (name, dims, of) in cases {
        let x = noise(dims, 1, &device).detach().require_grad();
        // What is computed anew is written in the order of its axes.
        let channels_last = (x.clone().permute([0, 2, 3, 1]) * 1.0).permute([0, 3, 1, 2]);
        for (map, layout) in [(x.clone(), "rows"), (channels_last, "channels last")] {
            let y = of(map);
            let name = format!("{name}, {layout}");
            outputs = outputs.with(name.clone(), y.clone())?;
            gradients = gradients.with_gradient(name, &x, &weighted_sum(y, 2).backward())?;
        }
    }
    Ok(vec![outputs, gradients])
}

/// A convolution with each activation behind it, for inputs off the kink at zero: each output is one input or
/// its negative.
fn activations(dims: [usize; 4], device: &Device) -> Outputs {
    let (device, channels) = (device.clone().autodiff(), dims[1]);
    let x = noise(dims, 1, &device);
    let x = (x.clone() + x.sign() * 0.5).detach().require_grad();
    let weight = Tensor::<2>::eye(channels, &device).neg().reshape([channels, channels, 1, 1]);
    let weight = weight.detach().require_grad();
    let mut outputs = Output::new("outputs", Bound::Forward);
    let mut gradients = Output::new("gradients", Bound::Gradients);
    for activation in [Activation::Identity, Activation::Relu, LEAKY] {
        let layer = ConvLayer::conv2d(ConvGeometry::new(1, 1, 0), 1, activation);
        let y = layer.forward(x.clone(), weight.clone(), None);
        let name = format!("{activation:?}");
        outputs = outputs.with(name.clone(), y.clone())?;
        gradients = gradients.with_gradient(name.clone(), &x, &weighted_sum(y, 2).backward())?;
        // A layer that sees pictures has no gradient but that of its weights.
        let y = layer.forward(x.clone().detach(), weight.clone(), None);
        gradients =
            gradients.with_gradient(format!("{name}, weight"), &weight, &weighted_sum(y, 3).backward())?;
    }
    Ok(vec![outputs, gradients])
}

fn batch_norm(ghost_batches: usize, device: &Device) -> Outputs {
    let device = device.clone().autodiff();
    let x = noise([6, 24, 8, 8], 1, &device).require_grad();
    let [gamma, beta] = [2, 3].map(|seed| noise([24], seed, &device).require_grad());
    let norm = BatchNorm { ghost_batches, epsilon: 1e-5, activation: LEAKY };
    let (y, stats) = norm.forward(x.clone(), gamma.clone(), beta.clone());
    let gradients = weighted_sum(y.clone(), 4).backward();
    let mut statistics = Output::new("statistics", Bound::Sums);
    for (batch, stats) in stats.into_iter().enumerate() {
        statistics = statistics.with(format!("mean {batch}"), stats.mean)?;
        statistics = statistics.with(format!("variance {batch}"), stats.variance)?;
    }
    Ok(vec![
        Output::sums("output", y)?,
        statistics,
        Output::new("gradients", Bound::GradientsOfSums)
            .with_gradient("x", &x, &gradients)?
            .with_gradient("gamma", &gamma, &gradients)?
            .with_gradient("beta", &beta, &gradients)?,
    ])
}

fn channel_wise(device: &Device) -> Outputs {
    let device = device.clone().autodiff();
    let mut layer = ChannelWise::new(24, 4, &device);
    layer.weight = layer.weight.map(|zeros| noise(zeros.dims(), 1, &device).require_grad());
    let x = noise([5, 24, 4, 4], 2, &device).require_grad();
    let y = layer.forward(x.clone());
    let gradients = weighted_sum(y.clone(), 3).backward();
    let dx = Output::new("gradient", Bound::Gradients).with_gradient("x", &x, &gradients)?;
    let gradients = GradientsParams::from_grads(gradients, &layer);
    Ok(vec![Output::forward("output", y)?, dx, Output::gradients(&gradients, &layer)?])
}

/// Every distance, average and loss mask, and logits as far out as 100.
fn losses(device: &Device) -> Outputs {
    let device = device.clone().autodiff();
    let mut values = Output::new("values", Bound::Sums);
    let mut loss_gradients = Output::new("gradients", Bound::GradientsOfSums);
    for distance in [Distance::L2, Distance::L1] {
        for average in [Average::Region, Average::Patch] {
            for overlapping in [false, true] {
                let loss = Reconstruction { distance, average, ..Reconstruction::default() };
                let masks = central_masks(3, 32, 3, &device);
                let loss_mask =
                    if overlapping { LossMask::Overlapping(masks) } else { LossMask::Hidden(masks) };
                let prediction = noise([3, 3, 32, 32], 1, &device).require_grad();
                let value = loss.forward(prediction.clone(), noise([3, 3, 32, 32], 2, &device), loss_mask);
                let name = format!("{distance:?} by {average:?}, overlapping {overlapping}");
                values = values.with(name.clone(), value.clone())?;
                loss_gradients = loss_gradients.with_gradient(name, &prediction, &value.backward())?;
            }
        }
    }
    let logits =
        |sign: f32| Tensor::<1>::from_floats([-100.0, -3.0, 0.0, 0.5, 100.0], &device).mul_scalar(sign);
    let (real, fake) = (logits(1.0).require_grad(), logits(-0.5).require_grad());
    let loss = DiscriminatorLoss::from_logits(real.clone(), fake.clone());
    let gradients = loss.total.backward();
    values = values.with("discriminator", loss.total)?.with("true patches", loss.real)?;
    loss_gradients = loss_gradients.with_gradient("true patches", &real, &gradients)?.with_gradient(
        "predictions",
        &fake,
        &gradients,
    )?;
    Ok(vec![values, loss_gradients])
}

/// Three steps on gradients that are not near zero, where Adam's first steps would follow signs of rounding.
fn adam_steps(device: &Device) -> Outputs {
    let device = device.clone().without_autodiff();
    let mut weights = noise([40, 24, 4, 4], 1, &device);
    let mut moments = [weights.zeros_like(), weights.zeros_like()];
    for step in 1..=3 {
        let adam = AdamStep { beta_1: 0.5, beta_2: 0.999, epsilon: 1e-8, learning_rate: 2e-3, step };
        let gradient = noise(weights.dims(), 1 + step as u64, &device);
        (weights, moments) = adam.apply(weights, gradient, moments);
    }
    let [first, second] = moments;
    Ok(vec![
        Output::new("three steps", Bound::Sums)
            .with("weights", weights)?
            .with("first moment", first)?
            .with("second moment", second)?,
    ])
}
