//! Draws the series of a run as SVG: one panel for each measure, with its line.

use std::fmt::Write as _;

use crate::{
    plot_theme::THEME,
    report::Judgment,
    samples::{MEASURES, Sample, series},
    trend::{Point, Trend},
};

/// Colors follow the theme of the reader.
const SERIES: &str = "
  .warm { fill: #eaeef2 } .series { fill: none; stroke: #0969da; stroke-width: 1 }
  .trend { stroke: #bc4c00; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    .warm { fill: #1c2128 } .series { stroke: #4493f8 } .trend { stroke: #f0883e }
  }";

const COLUMNS: usize = 2;
const PANEL: (f64, f64) = (420.0, 150.0);
const MARGIN: f64 = 20.0;
/// The room for the two lines of text above the frame of a panel.
const ABOVE: f64 = 38.0;
/// The room for the axis below it.
const BELOW: f64 = 18.0;

/// Where one panel draws its values.
struct Panel {
    left: f64,
    top: f64,
    /// The last moment.
    hours: f64,
    /// The values at the bottom and the top.
    range: (f64, f64),
}

impl Panel {
    fn x(&self, hours: f64) -> f64 {
        self.left + PANEL.0 * hours / self.hours
    }

    fn y(&self, value: f64) -> f64 {
        let (low, high) = self.range;
        self.top + PANEL.1 * (high - value) / (high - low)
    }

    fn points(&self, series: &[Point]) -> String {
        let point = |p: &Point| format!("{:.1},{:.1}", self.x(p.hours), self.y(p.value));
        series.iter().map(point).collect::<Vec<_>>().join(" ")
    }
}

/// Draws a run. The part before `warm_up` hours does not count for the lines.
pub(crate) fn draw(samples: &[Sample], judgments: &[Judgment], warm_up: f64) -> String {
    let rows = MEASURES.len().div_ceil(COLUMNS);
    let cell = (PANEL.0 + 3.0 * MARGIN, ABOVE + PANEL.1 + BELOW + MARGIN);
    let place =
        |index: usize| (f64::from(index_of(index % COLUMNS)), f64::from(index_of(index / COLUMNS)));
    let width = cell.0 * f64::from(index_of(COLUMNS)) + MARGIN;
    let height = cell.1 * f64::from(index_of(rows)) + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         <title>Resources of the service during a soak test</title>\n<style>{THEME}{SERIES}\n</style>\n\
         <rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>\n"
    );
    for (index, (measure, judgment)) in MEASURES.iter().zip(judgments).enumerate() {
        let trend = &judgment.trend;
        let (column, row) = place(index);
        let points = series(samples, index);
        let panel = Panel {
            left: 2.5 * MARGIN + column * cell.0,
            top: MARGIN + ABOVE + row * cell.1,
            hours: points.last().map_or(1.0, |last| last.hours),
            range: range(&points),
        };
        let result = format!(
            "{:+.2} ± {:.2} an hour, limit {}: {judgment}",
            trend.slope,
            trend.margin,
            judgment.limit()
        );
        write_panel(&mut svg, &panel, measure.name, &result);
        write_series(&mut svg, &panel, &points, (trend, warm_up));
    }
    svg.push_str("</svg>\n");
    svg
}

fn write_panel(svg: &mut String, panel: &Panel, name: &str, result: &str) {
    let Panel { left, top, hours, range } = panel;
    let (width, height) = PANEL;
    let minutes = hours * 60.0;
    let _ = write!(
        svg,
        "<text class=\"name\" x=\"{left}\" y=\"{:.0}\">{name}</text>\n\
         <text class=\"small\" x=\"{left}\" y=\"{:.0}\">{result}</text>\n\
         <rect class=\"frame\" x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\"/>\n\
         <text class=\"small\" x=\"{left}\" y=\"{:.0}\">0 min</text>\n\
         <text class=\"small\" text-anchor=\"end\" x=\"{:.0}\" y=\"{:.0}\">{minutes:.0} min</text>\n",
        top - 24.0,
        top - 8.0,
        top + height + 14.0,
        left + width,
        top + height + 14.0,
    );
    for (value, y) in [(range.1, top + 10.0), (range.0, top + height)] {
        let x = left - 4.0;
        let _ = writeln!(
            svg,
            "<text class=\"small\" text-anchor=\"end\" x=\"{x}\" y=\"{y:.0}\">{value:.0}</text>"
        );
    }
}

fn write_series(svg: &mut String, panel: &Panel, points: &[Point], fit: (&Trend, f64)) {
    let (trend, warm_up) = fit;
    let (begin, end) = (warm_up.min(panel.hours), panel.hours);
    let _ = write!(
        svg,
        "<rect class=\"warm\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>\n\
         <polyline class=\"series\" points=\"{}\"/>\n\
         <line class=\"trend\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>\n",
        panel.left,
        panel.top,
        panel.x(begin) - panel.left,
        PANEL.1,
        panel.points(points),
        panel.x(begin),
        panel.y(trend.at(begin)),
        panel.x(end),
        panel.y(trend.at(end)),
    );
}

/// From zero to a little above the highest value: a leak is seen in proportion to the whole.
fn range(points: &[Point]) -> (f64, f64) {
    let highest = points.iter().map(|point| point.value).fold(1.0, f64::max);
    (0.0, (highest * 1.15).ceil())
}

fn index_of(index: usize) -> u32 {
    u32::try_from(index).expect("a small number")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{report::judge, trend::number};

    #[test]
    fn a_plot_has_a_panel_with_its_line_for_each_measure() {
        let sample =
            |index| Sample { hours: number(index) / 240.0, values: [50.0; MEASURES.len()] };
        let samples: Vec<_> = (0..480).map(sample).collect();
        let svg = draw(&samples, &judge(&samples).unwrap(), 0.3);
        assert_eq!(svg.matches("class=\"series\"").count(), MEASURES.len());
        assert_eq!(svg.matches("class=\"trend\"").count(), MEASURES.len());
        for measure in &MEASURES {
            assert!(svg.contains(&format!(">{}</text>", measure.name)), "{}", measure.name);
        }
        assert!(svg.contains("+0.00 ± 0.00 an hour, limit 2 an hour: flat"), "{svg}");
        assert!(!svg.contains("NaN"), "{svg}");
        assert_closed(&svg);
    }

    /// Every element is closed.
    #[track_caller]
    fn assert_closed(svg: &str) {
        for name in ["svg", "title", "style", "text"] {
            let opened = svg.matches(&format!("<{name}")).count();
            assert_eq!(opened, svg.matches(&format!("</{name}>")).count(), "{name}");
        }
    }
}
