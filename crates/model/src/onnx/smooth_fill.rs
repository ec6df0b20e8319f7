//! `ops::smooth_fill` as a graph.

use context_encoder_ops::RELAXATION_WEIGHTS;

use super::graph::{Attribute, Graph, Value};

/// The number that stands for 32-bit floats in the attribute of a conversion.
const TO_FLOAT: usize = 1;

/// A smooth surface through the visible pixels, as `ops::smooth_fill` computes it on a square picture whose
/// side is a power of two: `[batch, 3, side, side]`.
pub(super) fn smooth_fill(graph: &mut Graph, image: &str, mask: &str, side: usize) -> Value {
    let one = graph.floats("one", &[], &[1.0]);
    let visible = graph.node("Sub", &[&one, mask], &[]);
    let color = graph.node("Mul", &[image, &visible], &[]);
    // Down: sums of what is visible, and how much is.
    let mut levels = vec![(color, visible)];
    for level in 0..side.ilog2() as usize {
        let (color, visible) = levels[level].clone();
        levels.push((halved(graph, &color), halved(graph, &visible)));
    }
    // Up: at the top, one pixel, the mean of what is visible.
    let mut above: Option<Value> = None;
    for (color, visible) in levels.into_iter().rev() {
        let hidden = is_zero(graph, &visible);
        let divisor = graph.node("Add", &[&visible, &hidden], &[]);
        let known = graph.node("Div", &[&color, &divisor], &[]); // zero where nothing is visible
        above = Some(match above {
            None => known,
            Some(above) => {
                let guess = doubled(graph, &above);
                let guess = graph.node("Mul", &[&guess, &hidden], &[]);
                let known = {
                    let shown = graph.node("Sub", &[&one, &hidden], &[]);
                    graph.node("Mul", &[&known, &shown], &[])
                };
                let surface = graph.node("Add", &[&known, &guess], &[]);
                (0..RELAXATION_WEIGHTS.len()).fold(surface, |x, step| relaxed(graph, &x, &hidden, step))
            }
        });
    }
    above.unwrap_or_else(|| unreachable!("the image itself is a level"))
}

/// Means of squares of 2x2.
fn halved(graph: &mut Graph, x: &str) -> Value {
    let square = [("kernel_shape", Attribute::Ints(&[2; 2])), ("strides", Attribute::Ints(&[2; 2]))];
    graph.node("AveragePool", &[x], &square)
}

/// Twice the size, bilinearly.
fn doubled(graph: &mut Graph, x: &str) -> Value {
    let scales = graph.floats("twice_the_side", &[4], &[1.0, 1.0, 2.0, 2.0]);
    let bilinear = [
        ("mode", Attribute::Text("linear")),
        ("coordinate_transformation_mode", Attribute::Text("half_pixel")),
    ];
    graph.node("Resize", &[x, "", &scales], &bilinear)
}

/// 1 where a value is zero, elsewhere 0.
fn is_zero(graph: &mut Graph, x: &str) -> Value {
    let zero = graph.floats("zero", &[], &[0.0]);
    let equal = graph.node("Equal", &[x, &zero], &[]);
    graph.node("Cast", &[&equal], &[("to", Attribute::Int(TO_FLOAT))])
}

/// A step of relaxation of what is hidden towards the mean of the four neighbors; beyond the border lies the
/// border.
fn relaxed(graph: &mut Graph, x: &str, hidden: &str, step: usize) -> Value {
    let margin = graph.integers("margin_of_one", &[0, 0, 1, 1, 0, 0, 1, 1]);
    let padded = graph.node("Pad", &[x, &margin], &[("mode", Attribute::Text("edge"))]);
    #[rustfmt::skip]
    let cross = [
        0.0, 0.25, 0.0,
        0.25, 0.0, 0.25,
        0.0, 0.25, 0.0,
    ];
    let cross = graph.floats("mean_of_four", &[3, 1, 3, 3], &cross.repeat(3));
    let neighbors = graph.node("Conv", &[&padded, &cross], &[("group", Attribute::Int(3))]);
    let weight = graph.floats(&format!("relaxation_{step}"), &[], &[RELAXATION_WEIGHTS[step]]);
    let weight = graph.node("Mul", &[hidden, &weight], &[]);
    let towards = graph.node("Sub", &[&neighbors, x], &[]);
    let towards = graph.node("Mul", &[&towards, &weight], &[]);
    graph.node("Add", &[x, &towards], &[])
}
