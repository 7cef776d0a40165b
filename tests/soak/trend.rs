//! Fits a line to a series of measurements, and says whether the series grows.
//!
//! Neighboring samples of a process are not independent, so a plain fit would give an interval that
//! is far too narrow. The samples are averaged over blocks, each as long as one round of faults, and
//! the line is fitted to these averages. What correlation remains between neighboring blocks widens
//! the interval: the standard error is multiplied by √((1 + ρ) / (1 − ρ)), as for a first-order
//! autoregressive process, where ρ is the first autocorrelation of the residuals, corrected for the
//! bias of short series.

use std::fmt;

/// The number of blocks of a series.
pub(crate) const BLOCKS: usize = 20;

/// The largest autocorrelation that the interval is widened for; more would make it infinite.
const MAXIMUM_CORRELATION: f64 = 0.9;

/// A measurement at a moment, in hours since the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    pub(crate) hours: f64,
    pub(crate) value: f64,
}

/// The line of a series, with the 95 % interval of its slope.
#[derive(Debug, Clone)]
pub(crate) struct Trend {
    /// The averages that the line was fitted to.
    pub(crate) blocks: Vec<Point>,
    /// The value of the line at the middle of the series.
    pub(crate) middle: Point,
    /// The growth in an hour.
    pub(crate) slope: f64,
    /// Half of the width of the interval.
    pub(crate) margin: f64,
}

/// What an interval says about a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The whole interval is at most the bound.
    Flat,
    /// The bound is inside the interval: a longer run decides.
    Undecided,
    /// The whole interval is above the bound.
    Growing,
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Flat => "flat",
            Self::Undecided => "undecided",
            Self::Growing => "growing",
        })
    }
}

impl Trend {
    /// Fits a line to a series that is in the order of time. `None` with fewer samples than blocks.
    pub(crate) fn of(series: &[Point]) -> Option<Self> {
        let blocks = block_averages(series)?;
        let count = number(blocks.len());
        let mean = |of: fn(&Point) -> f64| blocks.iter().map(of).sum::<f64>() / count;
        let middle = Point { hours: mean(|p| p.hours), value: mean(|p| p.value) };
        let spread: f64 = blocks.iter().map(|p| (p.hours - middle.hours).powi(2)).sum();
        let joint = |p: &Point| (p.hours - middle.hours) * (p.value - middle.value);
        let slope = blocks.iter().map(joint).sum::<f64>() / spread;
        let expected = |p: &Point| middle.value + slope * (p.hours - middle.hours);
        let residuals: Vec<f64> = blocks.iter().map(|p| p.value - expected(p)).collect();
        let squares: f64 = residuals.iter().map(|residual| residual.powi(2)).sum();
        let freedom = count - 2.0;
        let error = (squares / freedom / spread).sqrt() * widening(&residuals, squares);
        Some(Self { middle, slope, margin: student_quantile(freedom) * error, blocks })
    }

    /// Compares the interval with the largest growth in an hour that counts as flat.
    pub(crate) fn verdict(&self, bound: f64) -> Verdict {
        if self.slope - self.margin > bound {
            Verdict::Growing
        } else if self.slope + self.margin > bound {
            Verdict::Undecided
        } else {
            Verdict::Flat
        }
    }

    /// The value of the line at a moment.
    pub(crate) fn at(&self, hours: f64) -> f64 {
        self.middle.value + self.slope * (hours - self.middle.hours)
    }
}

/// The averages of [`BLOCKS`] parts of a series that last equally long.
fn block_averages(series: &[Point]) -> Option<Vec<Point>> {
    let (first, last) = (series.first()?.hours, series.last()?.hours);
    let length = (last - first) / number(BLOCKS);
    let mut blocks = Vec::with_capacity(BLOCKS);
    let mut rest = series;
    for block in 1..=BLOCKS {
        let end = first + length * number(block);
        let size = rest.partition_point(|point| point.hours < end || block == BLOCKS);
        let (points, later) = rest.split_at(size);
        rest = later;
        let mean = |of: fn(&Point) -> f64| {
            let sum: f64 = points.iter().map(of).sum();
            (size > 0).then_some(sum / number(size))
        };
        blocks.push(Point { hours: mean(|p| p.hours)?, value: mean(|p| p.value)? });
    }
    Some(blocks)
}

/// The factor of the standard error for the correlation of neighboring residuals.
fn widening(residuals: &[f64], squares: f64) -> f64 {
    if squares <= 0.0 {
        return 1.0;
    }
    let pairs = residuals.iter().zip(residuals.iter().skip(1));
    let found = pairs.map(|(one, next)| one * next).sum::<f64>() / squares;
    // The residuals of a short series are less correlated than the series (Kendall, 1954).
    let corrected = found + (2.0 + 4.0 * found) / number(residuals.len());
    let correlation = corrected.clamp(0.0, MAXIMUM_CORRELATION);
    ((1.0 + correlation) / (1.0 - correlation)).sqrt()
}

/// The 97.5 % quantile of Student's t distribution (Abramowitz and Stegun, 26.7.5). Its error is
/// below 0.001 from 8 degrees of freedom on.
fn student_quantile(freedom: f64) -> f64 {
    let normal = 1.959_963_985_f64;
    let power = |exponent| normal.powi(exponent);
    let first = (power(3) + normal) / 4.0;
    let second = (5.0 * power(5) + 16.0 * power(3) + 3.0 * normal) / 96.0;
    let third = (3.0 * power(7) + 19.0 * power(5) + 17.0 * power(3) - 15.0 * normal) / 384.0;
    normal + first / freedom + second / freedom.powi(2) + third / freedom.powi(3)
}

/// A count as a number.
pub(crate) fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("a count below 2^32"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Two hours of samples, every 15 seconds.
    fn series(value: impl FnMut(f64) -> f64) -> Vec<Point> {
        let mut value = value;
        let hours = (0..480).map(|sample| number(sample) / 240.0);
        hours.map(|hours| Point { hours, value: value(hours) }).collect()
    }

    /// Noise between -1 and 1.
    fn noise(random: &mut Random) -> f64 {
        number(random.below(2_001)) / 1_000.0 - 1.0
    }

    #[test]
    fn an_exact_line_has_its_slope_and_no_margin() {
        let trend = Trend::of(&series(|hours| 100.0 + 3.0 * hours)).unwrap();
        assert!((trend.slope - 3.0).abs() < 1e-9, "{trend:?}");
        assert!(trend.margin < 1e-9, "{trend:?}");
        assert!((trend.at(2.0) - 106.0).abs() < 1e-9, "{trend:?}");
        assert_eq!(trend.verdict(2.9), Verdict::Growing);
        assert_eq!(trend.verdict(3.1), Verdict::Flat);
    }

    #[test]
    fn the_interval_has_the_slope_of_a_noisy_line_in_nineteen_of_twenty_cases() {
        let mut random = Random::new(7);
        let hits = (0..1_000).filter(|_| {
            let points = series(|hours| 100.0 + 3.0 * hours + 20.0 * noise(&mut random));
            let trend = Trend::of(&points).unwrap();
            (trend.slope - 3.0).abs() <= trend.margin
        });
        let hits = hits.count();
        assert!((930..=990).contains(&hits), "{hits} of 1,000");
    }

    /// A process without memory of its past would find growth in one run of forty; a plain fit of
    /// correlated samples finds it in every third.
    #[test]
    fn correlated_samples_are_rarely_taken_for_growth() {
        let mut random = Random::new(11);
        let found = (0..1_000).filter(|_| {
            let mut wander = 0.0;
            let points = series(|_| {
                wander = 0.98 * wander + noise(&mut random);
                100.0 + wander
            });
            Trend::of(&points).unwrap().verdict(0.0) == Verdict::Growing
        });
        let found = found.count();
        assert!(found <= 80, "{found} of 1,000");
    }

    #[test]
    fn a_leak_smaller_than_its_noise_is_found() {
        let mut random = Random::new(3);
        let points = series(|hours| 100.0 + 10.0 * hours + 15.0 * noise(&mut random));
        assert_eq!(Trend::of(&points).unwrap().verdict(2.0), Verdict::Growing);
    }

    #[test]
    fn a_short_noisy_run_is_undecided() {
        let mut random = Random::new(5);
        let points = series(|_| 100.0 + 60.0 * noise(&mut random));
        assert_eq!(Trend::of(&points).unwrap().verdict(2.0), Verdict::Undecided);
    }

    #[test]
    fn a_series_with_a_gap_or_too_few_samples_has_no_trend() {
        let points = series(|_| 1.0);
        assert!(Trend::of(&points[..BLOCKS - 1]).is_none());
        let gap: Vec<_> =
            points.into_iter().filter(|point| !(0.5..1.0).contains(&point.hours)).collect();
        assert!(Trend::of(&gap).is_none());
        assert!(Trend::of(&[]).is_none());
    }

    #[test]
    fn the_quantiles_are_those_of_the_tables() {
        for (freedom, expected) in [(8.0, 2.3060), (18.0, 2.1009), (30.0, 2.0423), (1e9, 1.9600)] {
            assert!((student_quantile(freedom) - expected).abs() < 1e-3, "{freedom}");
        }
    }
}
