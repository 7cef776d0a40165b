//! Plots of figures over time, drawn as SVG by the server. Their colors come from the style sheet.

use std::fmt::Write;

use askama::Template;

/// The width of the drawing.
const WIDTH: usize = 320;

/// The height of the drawing: lines from the top to the axis.
const HEIGHT: u64 = 64;

/// A plot, as SVG. Templates render it with `|safe`.
#[derive(Template)]
#[template(
    source = r#"<svg class="plot" viewBox="-2 -2 324 88" role="img" aria-labelledby="{{ id }}-t {{ id }}-d"><title id="{{ id }}-t">{{ title }}</title><desc id="{{ id }}-d">{{ description }}</desc><path class="axis" d="M0 {{ axis }}h{{ width }}"/>{% if let Some(limit) = limit %}<path class="line second" d="{{ limit }}" stroke-linecap="round"/>{% endif %}<path class="line" d="{{ line }}" stroke-linecap="round"/><text x="0" y="82">{{ first }}</text><text x="{{ width }}" y="82" text-anchor="end">{{ last }}</text></svg>"#,
    ext = "html"
)]
pub(in crate::http) struct Plot {
    id: String,
    title: String,
    description: String,
    axis: u64,
    width: usize,
    line: String,
    limit: Option<String>,
    first: String,
    last: String,
}

/// The texts of a plot.
pub(in crate::http) struct PlotTexts {
    /// Unique on the page; a prefix of the ids of the title and the description.
    pub(in crate::http) id: String,
    pub(in crate::http) title: String,
    /// What a person who does not see the plot reads.
    pub(in crate::http) description: String,
    /// The labels of the first and the last value.
    pub(in crate::http) ends: [String; 2],
}

impl Plot {
    /// Draws values at equal distances; `None` is a gap. The optional second line has the values of
    /// a limit, on the same scale.
    pub(in crate::http) fn new(
        texts: PlotTexts,
        values: &[Option<u64>],
        limit: Option<&[Option<u64>]>,
    ) -> Self {
        let highest = |values: &[Option<u64>]| values.iter().flatten().copied().max();
        let top = highest(values).max(limit.and_then(highest)).unwrap_or_default().max(1);
        let [first, last] = texts.ends;
        Self {
            id: texts.id,
            title: texts.title,
            description: texts.description,
            axis: HEIGHT,
            width: WIDTH,
            line: path(values, top),
            limit: limit.map(|limit| path(limit, top)),
            first,
            last,
        }
    }
}

/// The commands of a path through the values. A value between two gaps is a bar from the axis: a dot
/// would be too small to see.
fn path(values: &[Option<u64>], top: u64) -> String {
    let last = values.len().saturating_sub(1).max(1);
    let mut commands = String::new();
    let mut is_after_value = false;
    for (index, value) in values.iter().enumerate() {
        let Some(value) = value else {
            is_after_value = false;
            continue;
        };
        let (x, y) = (index * WIDTH / last, HEIGHT - height(*value, top));
        let is_before_value = values.get(index + 1).is_some_and(Option::is_some);
        // Writing to a string does not fail.
        let _ = match (is_after_value, is_before_value) {
            (true, _) => write!(commands, "L{x} {y}"),
            (false, true) => write!(commands, "M{x} {y}"),
            (false, false) => write!(commands, "M{x} {HEIGHT}V{y}"),
        };
        is_after_value = true;
    }
    commands
}

/// The height of a value; `top` has the whole height.
fn height(value: u64, top: u64) -> u64 {
    let scaled = u128::from(value) * u128::from(HEIGHT) / u128::from(top.max(1));
    u64::try_from(scaled).unwrap_or(HEIGHT).min(HEIGHT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> PlotTexts {
        PlotTexts {
            id: "saves-hour".to_owned(),
            title: "Saves <b>".to_owned(),
            description: "3 in total".to_owned(),
            ends: ["05:12".to_owned(), "06:11".to_owned()],
        }
    }

    #[test]
    fn a_plot_is_an_image_with_a_title_and_a_description_and_no_style() {
        let values = [Some(0), Some(1), Some(2), Some(4), Some(0)];
        let svg = Plot::new(texts(), &values, Some(&[Some(8); 5])).render().unwrap();
        assert_eq!(
            svg,
            "<svg class=\"plot\" viewBox=\"-2 -2 324 88\" role=\"img\" \
             aria-labelledby=\"saves-hour-t saves-hour-d\"><title id=\"saves-hour-t\">Saves \
             &#60;b&#62;</title><desc id=\"saves-hour-d\">3 in total</desc><path class=\"axis\" \
             d=\"M0 64h320\"/><path class=\"line second\" d=\"M0 0L80 0L160 0L240 0L320 0\" \
             stroke-linecap=\"round\"/><path class=\"line\" d=\"M0 64L80 56L160 48L240 32L320 64\" \
             stroke-linecap=\"round\"/><text x=\"0\" y=\"82\">05:12</text><text x=\"320\" y=\"82\" \
             text-anchor=\"end\">06:11</text></svg>"
        );
        assert!(!svg.contains("style"), "the policy of the pages forbids inline styles");
    }

    #[test]
    fn gaps_zeros_single_and_huge_values_are_drawn() {
        for (values, top, expected) in [
            (&[][..], 1, ""),
            (&[None, None], 1, ""),
            (&[Some(5)], 5, "M0 64V0"),
            (&[Some(0), Some(0)], 1, "M0 64L320 64"),
            (&[None, Some(1), None], 1, "M160 64V0"),
            (&[Some(1), None, Some(1), Some(0)], 1, "M0 64V0M213 0L320 64"),
            (&[Some(1), Some(0), None, None, Some(1)], 1, "M0 0L80 64M320 64V0"),
            (&[Some(u64::MAX), Some(u64::MAX / 2), Some(0)], u64::MAX, "M0 0L160 33L320 64"),
        ] {
            assert_eq!(path(values, top), expected, "{values:?}");
        }
    }
}
