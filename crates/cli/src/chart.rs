//! Curves as SVG that takes the colors of the page it is in.

use miette::{Result, miette};
use plotters::prelude::*;

/// Size of a chart, pixels.
const SIZE: (u32, u32) = (900, 320);

/// Colors that can be told apart on light and dark pages, also by most people who see fewer.
const COLORS: [RGBColor; 4] =
    [RGBColor(47, 129, 247), RGBColor(219, 109, 40), RGBColor(45, 164, 78), RGBColor(163, 113, 247)];

/// Longer curves are drawn by means of so many intervals.
const MOST_POINTS: usize = 400;

/// From this ratio of the largest to the smallest value on, an axis that may be logarithmic is.
const LOGARITHMIC_FROM: f64 = 20.0;

/// The axis of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    Linear,
    /// For values above zero that fall through orders of magnitude.
    LogarithmicIfWide,
}

/// A curve with its name.
pub struct Curve {
    pub name: String,
    /// Step and value, in order.
    pub points: Vec<(u64, f64)>,
}

impl Curve {
    /// The values that can be drawn, thinned.
    fn thinned(&self) -> Vec<(u64, f64)> {
        let finite: Vec<(u64, f64)> =
            self.points.iter().copied().filter(|(_, value)| value.is_finite()).collect();
        let interval = finite.len().div_ceil(MOST_POINTS).max(1);
        let mean = |points: &[(u64, f64)]| {
            let sum: f64 = points.iter().map(|(_, value)| value).sum();
            (points[points.len() - 1].0, sum / points.len() as f64)
        };
        finite.chunks(interval).map(mean).collect()
    }
}

/// The curves over the steps as an SVG element, below their names in their colors where there are several.
/// Without any point there is nothing to draw, an error.
pub fn chart(values: &str, scale: Scale, curves: &[Curve]) -> Result<String> {
    let curves: Vec<Curve> = curves
        .iter()
        .map(|curve| Curve { name: curve.name.clone(), points: curve.thinned() })
        .filter(|curve| !curve.points.is_empty())
        .collect();
    let all = || curves.iter().flat_map(|curve| &curve.points);
    if curves.is_empty() {
        return Err(miette!("there is nothing to draw of {values}"));
    }
    let extremes = all().fold((f64::MAX, f64::MIN), |(low, high), (_, y)| (low.min(*y), high.max(*y)));
    let steps = all().fold((u64::MAX, 0), |(low, high), (step, _)| (low.min(*step), high.max(*step)));
    let wide = extremes.0 > 0.0 && extremes.1 / extremes.0 > LOGARITHMIC_FROM;
    let logarithmic = wide && scale == Scale::LogarithmicIfWide;
    let mut svg = String::new();
    draw(&mut svg, values, &curves, steps, extremes, logarithmic)
        .map_err(|error| miette!("the curve cannot be drawn: {error}"))?;
    let label = format!("<svg role=\"img\" aria-label=\"{values} over steps {} to {}\"", steps.0, steps.1);
    // Black is the page's color of text; the backend writes its colors so.
    Ok(legend(&curves) + &svg.replacen("<svg", &label, 1).replace("#000000", "currentColor"))
}

/// Above the chart, where it hides nothing.
fn legend(curves: &[Curve]) -> String {
    let entry = |(curve, color): (&Curve, &RGBColor)| {
        let RGBColor(red, green, blue) = color;
        format!("<span style=\"color:rgb({red},{green},{blue})\">&#9632;</span> {} &emsp; ", curve.name)
    };
    match curves {
        [_] => String::new(),
        _ => format!(
            "<small>{}</small>",
            curves.iter().zip(COLORS.iter().cycle()).map(entry).collect::<String>()
        ),
    }
}

fn draw(
    svg: &mut String,
    values: &str,
    curves: &[Curve],
    (first, last): (u64, u64),
    (low, high): (f64, f64),
    logarithmic: bool,
) -> Result<(), Box<dyn std::error::Error>> {
    let place = |value: f64| if logarithmic { value.log10() } else { value };
    let (low, high) = (place(low), place(high));
    let margin = 0.05 * (high - low).max(1e-3);
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(first.min(1)..last.max(first + 1), low - margin..high + margin)?;
    chart
        .configure_mesh()
        .x_desc("steps")
        .y_desc(values)
        .disable_x_mesh()
        .bold_line_style(BLACK.mix(0.15))
        .light_line_style(TRANSPARENT)
        .axis_style(BLACK.mix(0.4))
        .y_label_formatter(&|&place| if logarithmic { two_digits(10_f64.powf(place)) } else { short(place) })
        .draw()?;
    for (curve, color) in curves.iter().zip(COLORS.iter().cycle()) {
        let points = curve.points.iter().map(|&(step, value)| (step, place(value)));
        chart.draw_series(LineSeries::new(points, color.stroke_width(2)))?;
    }
    area.present()?;
    Ok(())
}

/// A number of a logarithmic axis.
fn two_digits(value: f64) -> String {
    let digits = (1.0 - value.log10().floor()).max(0.0) as usize;
    format!("{value:.digits$}")
}

/// A number of a linear axis in few digits.
fn short(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 10.0 || size == 0.0 => 1,
        size if size >= 0.1 => 2,
        size if size >= 0.001 => 4,
        _ => return format!("{value:.1e}"),
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: Vec<(u64, f64)>) -> Curve {
        Curve { name: "loss".to_owned(), points }
    }

    #[test]
    fn long_curves_are_means_of_intervals_and_gaps_are_left_out() {
        let points: Vec<(u64, f64)> = (1..=1000).map(|step| (step, (step % 2) as f64)).collect();
        let mut all = vec![(0, f64::NAN)];
        all.extend(&points);
        let thinned = curve(all).thinned();
        assert_eq!(thinned.len(), 334);
        assert_eq!(thinned[0], (3, 2.0 / 3.0));
        assert_eq!(curve(points[..3].to_vec()).thinned(), points[..3]);
    }

    #[test]
    fn a_chart_has_the_pages_color_and_every_curves_name() {
        let two = [curve(vec![(1, 2.0), (2, 1.0)]), Curve { name: "other".into(), points: vec![(1, 900.0)] }];
        let draw = |scale, curves: &[Curve]| chart("loss", scale, curves);
        let [wide, linear] =
            [Scale::LogarithmicIfWide, Scale::Linear].map(|scale| draw(scale, &two).expect("drawn"));
        assert!(wide.contains("<svg role=\"img\" aria-label=\"loss over steps 1 to 2\" "), "{wide}");
        assert!(wide.contains("currentColor") && !wide.contains("#000000"));
        assert!(wide.contains("</span> loss ") && wide.contains("</span> other "), "{wide}");
        assert_ne!(wide, linear);
        assert!(draw(Scale::Linear, &[curve(vec![(1, f64::NAN)])]).is_err());
        assert!(draw(Scale::Linear, &[curve(vec![(0, 1.0)])]).expect("drawn").starts_with("<svg"));
        assert_eq!([0.0316, 3.16, 316.0].map(two_digits), ["0.032", "3.2", "316"]);
    }
}
