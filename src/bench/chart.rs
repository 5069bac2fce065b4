//! Charts as inline SVG: lines over time or over percentiles, and bars with their spread.
//!
//! Colours and fonts come from the page's style sheet, so that one chart is right in light and in dark; every mark has a
//! `<title>`, which browsers show as a tooltip. Crates for charts were looked at: they fix colours in the picture, or
//! bring a script or a rasteriser.

use std::fmt::Write;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 260.0;
/// Room for what is written around the plot.
const LEFT: f64 = 94.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 42.0;

/// One bar with its gap.
const BAR: f64 = 28.0;
/// Room for names before, and for values behind the bars.
const NAMES: f64 = 104.0;
const VALUES: f64 = 226.0;

/// Colours of the style sheet, `s0` and up; more series take turns.
pub const COLOURS: usize = 6;

/// Points of a line at most: more than the eye can tell apart.
const POINTS_MAX: usize = 360;

/// How values lie on an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// From zero.
    Linear,
    /// From zero, marked at round numbers of KiB, MiB or GiB.
    Bytes,
    /// Powers of ten.
    Log,
    /// A quantile from 0 to 1, each next nine as wide as the one before.
    Percentile,
}

/// An axis.
pub struct Axis {
    pub label: &'static str,
    pub scale: Scale,
    /// For ticks and tooltips.
    pub write: fn(f64) -> String,
}

/// A line.
pub struct Series {
    pub name: String,
    /// Ascending in x.
    pub points: Vec<(f64, f64)>,
}

/// A chart of lines.
pub struct Lines {
    pub title: String,
    pub x: Axis,
    pub y: Axis,
    pub series: Vec<Series>,
}

/// One bar: from nothing to `value`, with a mark from `least` to `most`.
pub struct Bar {
    pub name: String,
    pub value: f64,
    pub least: f64,
    pub most: f64,
    /// Behind the bar.
    pub text: String,
}

/// Text that may stand in an element or an attribute.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML has no way to write most control characters.
            control if control.is_control() => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

impl Scale {
    /// A value as a distance that is linear on paper.
    fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear | Self::Bytes => value,
            Self::Log => value.max(f64::MIN_POSITIVE).log10(),
            // Six nines are the end: further out there are single messages.
            Self::Percentile => -(1.0 - value).max(1e-6).log10(),
        }
    }

    /// From where to where an axis goes that must show these.
    fn bounds(self, least: f64, most: f64) -> (f64, f64) {
        match self {
            Self::Linear | Self::Bytes => (0.0, if most > 0.0 { most * 1.05 } else { 1.0 }),
            Self::Log => {
                let (least, most) = (self.place(least).floor(), self.place(most).ceil());
                (least, if most > least { most } else { least + 1.0 })
            }
            Self::Percentile => (0.0, self.place(most).max(1.0)),
        }
    }

    /// Values to mark within bounds.
    fn ticks(self, low: f64, high: f64) -> Vec<f64> {
        match self {
            Self::Linear => multiples(nice((high - low) / 5.0), high),
            Self::Bytes => {
                let power = (high.max(1.0).log2() / 10.0).floor() as i32;
                let unit = 1_024_f64.powi(power);
                multiples(nice((high - low) / 5.0 / unit) * unit, high)
            }
            Self::Log => (low as i32..=high as i32)
                .map(|power| 10_f64.powi(power))
                .collect(),
            Self::Percentile => {
                let nines = (1..=high.floor() as i32).map(|power| 1.0 - 10_f64.powi(-power));
                std::iter::once(0.5).chain(nines).collect()
            }
        }
    }
}

fn multiples(step: f64, high: f64) -> Vec<f64> {
    let count = (high / step).floor() as u32;
    (0..=count).map(|nth| f64::from(nth) * step).collect()
}

/// 1, 2 or 5 times a power of ten, not below.
fn nice(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= step);
    factor.unwrap_or(10.0) * power
}

/// An axis with its bounds, on paper from one end to the other.
struct Ruler<'a> {
    axis: &'a Axis,
    bounds: (f64, f64),
    ends: (f64, f64),
}

impl<'a> Ruler<'a> {
    fn new(axis: &'a Axis, values: impl Iterator<Item = f64>, ends: (f64, f64)) -> Self {
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| axis.scale != Scale::Log || *value > 0.0) {
            (least, most) = (least.min(value), most.max(value));
        }
        if least > most {
            (least, most) = (1.0, 1.0);
        }
        Self {
            axis,
            bounds: axis.scale.bounds(least, most),
            ends,
        }
    }

    fn at(&self, value: f64) -> f64 {
        let (low, high) = self.bounds;
        let part = ((self.axis.scale.place(value) - low) / (high - low)).clamp(0.0, 1.0);
        self.ends.0 + part * (self.ends.1 - self.ends.0)
    }

    /// (where, text) of each tick.
    fn ticks(&self) -> Vec<(f64, String)> {
        let values = self.axis.scale.ticks(self.bounds.0, self.bounds.1);
        values
            .into_iter()
            .map(|value| (self.at(value), (self.axis.write)(value)))
            .collect()
    }
}

impl Lines {
    /// The chart; nothing when there is not a single point.
    pub fn svg(&self) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        if points().next().is_none() {
            return String::new();
        }
        let across = Ruler::new(&self.x, points().map(|point| point.0), (LEFT, WIDTH - RIGHT));
        let up = Ruler::new(&self.y, points().map(|point| point.1), (HEIGHT - BOTTOM, TOP));
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
            escape(&self.title)
        );
        frame(&mut svg, &across, &up);
        for (number, series) in self.series.iter().enumerate() {
            line(&mut svg, series, number % COLOURS, (&across, &up));
        }
        svg + "</svg>\n" + &legend(&self.series)
    }
}

fn frame(svg: &mut String, across: &Ruler<'_>, up: &Ruler<'_>) {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    for (y, text) in up.ticks() {
        let _ = writeln!(svg, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>");
        let (x, y) = (LEFT - 8.0, y + 4.0);
        let _ = writeln!(
            svg,
            "<text class=\"tick\" x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\">{}</text>",
            escape(&text)
        );
    }
    for (x, text) in across.ticks() {
        let _ = writeln!(svg, "<path class=\"grid\" d=\"M{x:.1} {TOP}V{bottom}\"/>");
        let y = bottom + 17.0;
        let _ = writeln!(
            svg,
            "<text class=\"tick\" x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{}</text>",
            escape(&text)
        );
    }
    let (middle, below) = (f64::midpoint(LEFT, right), HEIGHT - 6.0);
    let _ = writeln!(
        svg,
        "<text class=\"label\" x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\">{}</text>",
        escape(across.axis.label)
    );
    let (x, y) = (14.0, f64::midpoint(TOP, bottom));
    let _ = writeln!(
        svg,
        "<text class=\"label\" transform=\"rotate(-90 {x} {y})\" x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{}</text>",
        escape(up.axis.label)
    );
}

fn line(svg: &mut String, series: &Series, colour: usize, (across, up): (&Ruler<'_>, &Ruler<'_>)) {
    let every = series.points.len().div_ceil(POINTS_MAX).max(1);
    let shown: Vec<_> = series.points.iter().step_by(every).collect();
    let mut path = String::new();
    for (index, (x, y)) in shown.iter().enumerate() {
        let command = if index == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{command}{:.1} {:.1}", across.at(*x), up.at(*y));
    }
    let _ = writeln!(svg, "<path class=\"line s{colour}\" d=\"{path}\"/>");
    for (x, y) in shown {
        let (cx, cy) = (across.at(*x), up.at(*y));
        let title = format!(
            "{}: {} at {}",
            series.name,
            (up.axis.write)(*y),
            (across.axis.write)(*x)
        );
        let _ = writeln!(
            svg,
            "<circle class=\"dot s{colour}\" cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"5\"><title>{}</title></circle>",
            escape(&title)
        );
    }
}

fn legend(series: &[Series]) -> String {
    if series.len() < 2 {
        return String::new();
    }
    let entries = series.iter().enumerate().map(|(number, series)| {
        format!(
            "<li><i class=\"s{}\"></i>{}</li>",
            number % COLOURS,
            escape(&series.name)
        )
    });
    format!("<ul class=\"legend\">{}</ul>\n", entries.collect::<String>())
}

/// Bars side by side from zero, the longest as long as the plot; `limit` is a line across all of them.
pub fn bars(title: &str, bars: &[Bar], limit: Option<f64>) -> String {
    let height = BAR * bars.len() as f64 + 12.0;
    let reach = bars.iter().map(|bar| bar.most).fold(0.0, f64::max);
    let reach = if reach > 0.0 { reach } else { 1.0 };
    let length = |value: f64| value / reach * (WIDTH - NAMES - VALUES);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">\n",
        escape(title)
    );
    for (number, bar) in bars.iter().enumerate() {
        let y = 6.0 + BAR * number as f64;
        let middle = y + BAR / 2.0;
        let colour = number % COLOURS;
        let (name, text) = (escape(&bar.name), escape(&bar.text));
        let (names, baseline) = (NAMES - 10.0, middle + 4.5);
        let _ = writeln!(
            svg,
            "<text class=\"name\" x=\"{names}\" y=\"{baseline}\" text-anchor=\"end\">{name}</text>"
        );
        let (width, thick) = (length(bar.value), BAR - 10.0);
        let top = y + 5.0;
        let _ = writeln!(
            svg,
            "<rect class=\"bar s{colour}\" x=\"{NAMES}\" y=\"{top}\" width=\"{width:.1}\" height=\"{thick}\" rx=\"3\"><title>{name}: {text}</title></rect>"
        );
        let (from, to) = (NAMES + length(bar.least), NAMES + length(bar.most));
        if bar.most > bar.least {
            let _ = writeln!(svg, "<path class=\"spread\" d=\"M{from:.1} {middle}H{to:.1}\"/>");
        }
        let behind = to.max(NAMES + width) + 8.0;
        let _ = writeln!(
            svg,
            "<text class=\"value\" x=\"{behind:.1}\" y=\"{baseline}\">{text}</text>"
        );
    }
    if let Some(limit) = limit.filter(|limit| *limit <= reach) {
        let x = NAMES + length(limit);
        let _ = writeln!(
            svg,
            "<path class=\"limit\" d=\"M{x:.1} 2V{:.1}\"><title>goal</title></path>",
            height - 2.0
        );
    }
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within_the_axis() {
        assert_eq!(Scale::Linear.ticks(0.0, 9.0), [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(Scale::Linear.ticks(0.0, 1_050.0), [0.0, 500.0, 1_000.0]);
        assert_eq!(Scale::Bytes.ticks(0.0, 2.5 * 1_048_576.0)[1], 524_288.0);
        assert_eq!(Scale::Log.ticks(1.0, 3.0), [10.0, 100.0, 1_000.0]);
        let nines = Scale::Percentile.ticks(0.0, 3.0);
        assert_eq!(nines.len(), 4);
        assert!((nines[3] - 0.999).abs() < 1e-9);
        for step in [0.013, 0.7, 3.0, 41.0, 99.0] {
            let nice = nice(step);
            assert!(nice >= step && nice <= step * 2.5, "{step} {nice}");
        }
    }

    #[test]
    fn each_nine_is_as_wide_as_the_one_before() {
        let [one, two, three] = [0.9, 0.99, 0.999].map(|quantile| Scale::Percentile.place(quantile));
        assert!((two - one - (three - two)).abs() < 1e-9);
        assert!(Scale::Percentile.place(1.0).is_finite());
    }

    #[test]
    fn a_larger_value_is_higher_and_a_later_one_further_right() {
        let axis = |scale| Axis {
            label: "",
            scale,
            write: |value| value.to_string(),
        };
        let linear = axis(Scale::Linear);
        let up = Ruler::new(&linear, [5.0, 10.0].into_iter(), (200.0, 0.0));
        assert!(up.at(10.0) < up.at(5.0) && up.at(0.0) == 200.0 && up.at(10.0) > 0.0);
        let log = axis(Scale::Log);
        let across = Ruler::new(&log, [0.0, 10.0, 1_000.0].into_iter(), (0.0, 100.0));
        assert_eq!(
            [10.0, 100.0, 1_000.0].map(|value| across.at(value)),
            [0.0, 50.0, 100.0]
        );
    }

    #[test]
    fn bars_are_as_long_as_their_values_and_the_goal_is_a_line() {
        let bar = |value: f64| Bar {
            name: "a<b".to_owned(),
            value,
            least: value,
            most: value,
            text: String::new(),
        };
        let svg = bars("x", &[bar(1.0), bar(4.0)], Some(2.0));
        let full = WIDTH - NAMES - VALUES;
        assert!(svg.contains(&format!("width=\"{full:.1}\"")));
        assert!(svg.contains(&format!("width=\"{:.1}\"", full / 4.0)));
        assert!(svg.contains(&format!("M{:.1} 2V", NAMES + full / 2.0)));
        assert!(svg.contains("a&lt;b") && !svg.contains("a<b"));
        assert!(!bars("x", &[bar(1.0)], Some(2.0)).contains("limit"));
    }

    #[test]
    fn nothing_to_show_is_no_chart() {
        let axis = || Axis {
            label: "",
            scale: Scale::Linear,
            write: |value| value.to_string(),
        };
        let mut chart = Lines {
            title: String::new(),
            x: axis(),
            y: axis(),
            series: Vec::new(),
        };
        assert_eq!(chart.svg(), "");
        let points = (0..10_000).map(|x| (f64::from(x), 1.0)).collect();
        chart.series.push(Series {
            name: "a".to_owned(),
            points,
        });
        let dots = chart.svg().matches("<circle").count();
        assert!(dots > POINTS_MAX / 2 && dots <= POINTS_MAX, "{dots}");
    }
}
