//! Draws a run as SVG: saves per second, and the time of a save, over the number of connections.

use std::fmt::Write as _;

use crate::{
    load::count,
    plot_theme::THEME,
    results::{Figure, Results, Scheme},
    servers::NAMES,
};

/// Each server has a color and a pattern of dashes; the service's line is solid and thick.
const LINES: &str = "
  .line { fill: none; stroke-width: 2 } .s0 { stroke: #0969da; stroke-width: 3 }
  .s1 { stroke: #bc4c00; stroke-dasharray: 7 3 } .s2 { stroke: #1a7f37; stroke-dasharray: 2 3 }
  .s3 { stroke: #8250df; stroke-dasharray: 9 3 2 3 }
  .d0 { fill: #0969da } .d1 { fill: #bc4c00 } .d2 { fill: #1a7f37 } .d3 { fill: #8250df }
  @media (prefers-color-scheme: dark) {
    .s0 { stroke: #4493f8 } .s1 { stroke: #f0883e } .s2 { stroke: #3fb950 } .s3 { stroke: #ab7df8 }
    .d0 { fill: #4493f8 } .d1 { fill: #f0883e } .d2 { fill: #3fb950 } .d3 { fill: #ab7df8 }
  }";

const PANEL: (f64, f64) = (400.0, 180.0);
const MARGIN: f64 = 20.0;
/// The room left of a panel for the labels of its axis.
const LEFT: f64 = 60.0;
/// The room above the frame of a panel.
const ABOVE: f64 = 24.0;
/// The room below it.
const BELOW: f64 = 36.0;
/// The height of the legend.
const LEGEND: f64 = 40.0;

/// The scale of a vertical axis.
#[derive(Debug, Clone, Copy)]
enum Scale {
    /// From zero to this value.
    Linear(f64),
    /// From ten to one power to ten to the other.
    Logarithmic(i32, i32),
}

impl Scale {
    /// From zero to a little above the highest value.
    fn linear(values: impl Iterator<Item = f64>) -> Self {
        let highest = values.fold(1.0, f64::max);
        let step = 10.0_f64.powf(highest.log10().floor()) / 2.0;
        Self::Linear((highest * 1.05 / step).ceil() * step)
    }

    /// Whole powers of ten around the values.
    fn logarithmic(values: impl Iterator<Item = f64> + Clone) -> Self {
        let lowest = values.clone().fold(f64::INFINITY, f64::min).log10();
        let highest = values.fold(0.0, f64::max).log10();
        let whole = (-3..6).collect::<Vec<i32>>();
        let low = whole.iter().rev().find(|power| f64::from(**power) <= lowest).unwrap_or(&-3);
        let high = whole.iter().find(|power| f64::from(**power) >= highest).unwrap_or(&6);
        Self::Logarithmic(*low, (*high).max(low + 1))
    }

    /// Where a value is between the bottom (0) and the top (1).
    fn position(self, value: f64) -> f64 {
        match self {
            Self::Linear(highest) => value / highest,
            Self::Logarithmic(low, high) => {
                (value.log10() - f64::from(low)) / f64::from(high - low)
            }
        }
    }

    /// The labeled values.
    fn labels(self) -> Vec<f64> {
        match self {
            Self::Linear(highest) => vec![0.0, highest / 2.0, highest],
            Self::Logarithmic(low, high) => {
                (low..=high).map(|power| 10.0_f64.powi(power)).collect()
            }
        }
    }
}

/// Where one panel draws its values, and what.
struct Panel {
    left: f64,
    top: f64,
    scheme: Scheme,
    figure: Figure,
    title: String,
}

/// Draws a run.
pub(crate) fn draw(results: &Results) -> String {
    let cell = (LEFT + PANEL.0, ABOVE + PANEL.1 + BELOW);
    let (width, height) = (2.0 * cell.0 + 2.0 * MARGIN, LEGEND + 2.0 * cell.1 + MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         <title>Saves per second and time of a save over the number of connections: {}</title>\n\
         <style>{THEME}{LINES}\n</style>\n\
         <rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>\n",
        NAMES.join(", ")
    );
    write_legend(&mut svg);
    for (row, scheme) in (0..).zip(Scheme::ALL) {
        let titles =
            [(Figure::SavesPerSecond, "saves per second"), (Figure::SaveP99, "p99 of a save, ms")];
        for (column, (figure, title)) in (0..).zip(titles) {
            let panel = Panel {
                left: MARGIN / 2.0 + LEFT + f64::from(column) * cell.0,
                top: LEGEND + ABOVE + f64::from(row) * cell.1,
                scheme,
                figure,
                title: format!("{}: {title}", scheme.name()),
            };
            panel.write(&mut svg, results);
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn write_legend(svg: &mut String) {
    for (index, name) in (0..).zip(NAMES) {
        let x = LEFT + MARGIN / 2.0 + f64::from(index) * 200.0;
        let y = LEGEND / 2.0;
        let _ = write!(
            svg,
            "<line class=\"line s{index}\" x1=\"{x}\" y1=\"{y}\" x2=\"{:.0}\" y2=\"{y}\"/>\n\
             <text x=\"{:.0}\" y=\"{:.0}\">{name}</text>\n",
            x + 36.0,
            x + 44.0,
            y + 4.0
        );
    }
}

impl Panel {
    fn write(&self, svg: &mut String, results: &Results) {
        let sizes = 0..results.connections.len();
        let series: Vec<_> =
            sizes.map(|size| results.figures(self.scheme, size, self.figure)).collect();
        let values = series.iter().flatten().copied().filter(|value| value.is_finite());
        let scale = if self.figure == Figure::SavesPerSecond {
            Scale::linear(values)
        } else {
            Scale::logarithmic(values)
        };
        self.write_frame(svg, scale, &results.connections);
        for index in 0..NAMES.len() {
            let points: Vec<_> = (0..)
                .zip(&series)
                .filter(|(_, figures)| figures[index].is_finite())
                .map(|(size, figures)| (self.x(size, series.len()), self.y(scale, figures[index])))
                .collect();
            let line: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let _ =
                writeln!(svg, "<polyline class=\"line s{index}\" points=\"{}\"/>", line.join(" "));
            for (x, y) in points {
                let _ = writeln!(
                    svg,
                    "<circle class=\"d{index}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>"
                );
            }
        }
    }

    fn write_frame(&self, svg: &mut String, scale: Scale, connections: &[usize]) {
        let Self { left, top, title, .. } = self;
        let (width, height) = PANEL;
        let _ = write!(
            svg,
            "<text class=\"name\" x=\"{left}\" y=\"{:.0}\">{title}</text>\n\
             <rect class=\"frame\" x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\"/>\n",
            top - 8.0
        );
        for value in scale.labels() {
            let y = self.y(scale, value);
            let _ = write!(
                svg,
                "<line class=\"frame\" x1=\"{left}\" y1=\"{y:.1}\" x2=\"{:.0}\" y2=\"{y:.1}\"/>\n\
                 <text class=\"small\" text-anchor=\"end\" x=\"{:.0}\" y=\"{:.0}\">{value}</text>\n",
                left + width,
                left - 6.0,
                y + 4.0
            );
        }
        for (size, number) in (0..).zip(connections) {
            let text =
                if size == 0 { format!("connections: {number}") } else { number.to_string() };
            let _ = writeln!(
                svg,
                "<text class=\"small\" text-anchor=\"middle\" x=\"{:.1}\" y=\"{:.0}\">{text}</text>",
                self.x(size, connections.len()),
                top + height + 16.0
            );
        }
    }

    /// Equal distances between the numbers of connections.
    fn x(&self, size: u32, sizes: usize) -> f64 {
        self.left + PANEL.0 * (f64::from(size) + 0.5) / count(sizes)
    }

    fn y(&self, scale: Scale, value: f64) -> f64 {
        self.top + PANEL.1 * (1.0 - scale.position(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::measured;

    #[test]
    fn a_plot_has_four_panels_with_a_line_for_each_server() {
        let svg = draw(&measured(&[1, 8, 64, 512]));
        assert_eq!(svg.matches("<polyline").count(), 4 * NAMES.len());
        assert_eq!(svg.matches("<circle").count(), 4 * 4 * NAMES.len());
        for name in NAMES {
            assert!(svg.contains(&format!(">{name}</text>")), "{name}");
        }
        for title in ["Bearer: saves per second", "Basic: p99 of a save, ms"] {
            assert!(svg.contains(title), "{title}");
        }
        assert!(svg.contains("prefers-color-scheme: dark"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        for name in ["svg", "title", "style", "text"] {
            let opened = svg.matches(&format!("<{name}")).count();
            assert_eq!(opened, svg.matches(&format!("</{name}>")).count(), "{name}");
        }
    }

    #[test]
    fn a_line_without_values_is_empty() {
        let mut results = Results::new(&[1], 1, std::time::Duration::from_secs(1));
        for server in 0..NAMES.len() {
            let sample = crate::results::Sample::default();
            results.add(Scheme::Bearer, 0, server, sample);
        }
        assert!(!draw(&results).contains("NaN"));
    }

    #[test]
    fn scales_end_above_the_highest_value() {
        assert!(matches!(Scale::linear([180.0].into_iter()), Scale::Linear(high) if high > 189.0));
        let scale = Scale::logarithmic([12.0, 9_800.0].into_iter());
        assert!(matches!(scale, Scale::Logarithmic(1, 4)), "{scale:?}");
    }
}
